"""Reading profiles: every mistake in one is a `ProfileError` that names file and key.

A name is that of a shipped profile; what ends with `.toml` is a file, and the files that it names
are beside it.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from esme_emulator.profiles.combination import combined
from esme_emulator.profiles.model import (
    HalfHours,
    LoadProfile,
    MeterProfile,
    ProfileError,
    Sun,
    WanProfile,
    watt_hours,
)
from esme_emulator.profiles.schema import KEYS, problems

_INSTALLED = Path(__file__).with_name("shipped")
# In a wheel the profiles lie within this package; in a checkout at its top level.
SHIPPED = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[3] / "profiles"

_FOLDERS = {"load": "loads", "meter": "meters", "wan": "wan"}
_METER_TEXTS = ("title", "share", "generation", "variant", "payment", "tariff")
_REFERENCES = ("import", "secondary", "export", "wan")
_LATENCIES = ("latency", "wake_latency")
_MOST_OCTETS = 1_000_000
_NO_KIND = f"profile: say what it is, one of {', '.join(KEYS)}"


@cache
def load_profile(name: str) -> LoadProfile:
    """Return the shipped load profile of that name. Raises `ProfileError`."""
    return _load(name, None)


@cache
def load_profiles() -> tuple[LoadProfile, ...]:
    """Return every shipped load profile, by name. Raises `ProfileError`."""
    return tuple(load_profile(name) for name in _shipped_names("load"))


def meter_profile(name_or_path: str) -> MeterProfile:
    """Return the shipped meter profile of that name, or the one in that `.toml` file.

    Raises `ProfileError`.
    """
    if name_or_path.endswith(".toml"):
        return _meter(name_or_path, Path())
    return _shipped_meter(name_or_path)


@cache
def meter_profiles() -> tuple[MeterProfile, ...]:
    """Return every shipped meter profile, by name. Raises `ProfileError`."""
    return tuple(_shipped_meter(name) for name in _shipped_names("meter"))


@cache
def _shipped_meter(name: str) -> MeterProfile:
    return _meter(name, None)


def wan_profile(name_or_path: str) -> WanProfile:
    """Return the shipped WAN profile of that name, or the one in that `.toml` file.

    Raises `ProfileError`.
    """
    if name_or_path.endswith(".toml"):
        return _wan(name_or_path, Path())
    return _shipped_wan(name_or_path)


@cache
def wan_profiles() -> tuple[WanProfile, ...]:
    """Return every shipped WAN profile, by name. Raises `ProfileError`."""
    return tuple(_shipped_wan(name) for name in _shipped_names("wan"))


@cache
def _shipped_wan(name: str) -> WanProfile:
    return _wan(name, None)


def any_profile(name_or_path: str) -> LoadProfile | MeterProfile | WanProfile:
    """Return the profile of that name or in that `.toml` file, of whichever kind it is.

    Raises `ProfileError`.
    """
    if name_or_path.endswith(".toml"):
        kind = _kind(_read(Path(name_or_path), name_or_path))
        if kind is None:
            raise ProfileError(f"{name_or_path}: {_NO_KIND}")
    else:
        kinds = [kind for kind in KEYS if name_or_path in _shipped_names(kind)]
        if not kinds:
            raise ProfileError(f"{name_or_path}: there is no such profile; see esme profiles list")
        kind = kinds[0]
    if kind == "load":
        return _load(name_or_path, Path())
    return meter_profile(name_or_path) if kind == "meter" else wan_profile(name_or_path)


def check(path: Path, read_latency: Callable[[str], object] = lambda text: text) -> list[str]:
    """Return what is wrong with the profile in a file, one line each as `file: key: reason`.

    `read_latency` is given each latency, and raises `ValueError` where it, or the file that it
    names, cannot be used; without it no such file is looked for.
    """
    try:
        table = _read(path, str(path))
    except ProfileError as error:
        return [str(error)]
    kind = _kind(table)
    if kind is None:
        return [f"{path}: {_NO_KIND}"]
    found = list(problems(kind, table))
    if kind == "wan":
        figures = {key: table[key] for key in _LATENCIES if _fits(kind, table, key)}
        found += _unreadable(_beside(figures, path.parent), read_latency)
    for key in _REFERENCES if kind == "meter" else ():
        try:
            referred = _referred(table, key, path.parent)
        except ProfileError as error:
            found.append(str(error))
        else:
            if isinstance(referred, WanProfile):
                found += [f"{key}: {each}" for each in unreadable_latencies(referred, read_latency)]
    return [f"{path}: {problem}" for problem in found]


def unreadable_latencies(wan: WanProfile, read_latency: Callable[[str], object]) -> Iterator[str]:
    """Yield each latency of a WAN for which `read_latency` raises `ValueError`, and why."""
    return _unreadable({key: getattr(wan, key) for key in _LATENCIES}, read_latency)


def latency_beside(latency: str, folder: Path) -> str:
    """Return a latency with the file that it names, if it names one, as a path from a folder."""
    kind, colon, file = latency.partition(":")
    return f"{kind}{colon}{folder / file}" if kind == "empirical" else latency


def latency_file(latency: str) -> Path | None:
    """Return the file that a latency names, None where it names none."""
    kind, _, file = latency.partition(":")
    return Path(file.partition("#")[0]) if kind == "empirical" else None


def profile_files(path: Path) -> Iterator[Path]:
    """Yield the file of a profile in which nothing is wrong, and all files that it names in turn.

    Raises `ProfileError`.
    """
    yield path
    table = _read(path, str(path))
    for key in _REFERENCES if _kind(table) == "meter" else ():
        named = table.get(key, ())
        for name in [named] if isinstance(named, str) else named:
            if name.endswith(".toml"):
                yield from profile_files(path.parent / name)
    for key in _LATENCIES if _kind(table) == "wan" else ():
        measured = latency_file(latency_beside(table[key], path.parent))
        if measured is not None:
            yield measured


def _unreadable(
    latencies: Mapping[str, str], read_latency: Callable[[str], object]
) -> Iterator[str]:
    for key, latency in latencies.items():
        try:
            read_latency(latency)
        except ValueError as error:
            yield f"{key}: {error}"


def _load(name: str, folder: Path | None) -> LoadProfile:
    if folder is not None and not name.endswith(".toml"):
        return load_profile(name)
    table = _table("load", name, folder)
    shape: HalfHours | Sun
    if "sun" in table:
        shape = Sun(**table["sun"])
    else:
        powers = table["half_hours"].items()
        shape = HalfHours(**{day: tuple(map(float, of_day)) for day, of_day in powers})
    figures = {key: table[key] for key in KEYS["load"]}
    return LoadProfile(_name(name), **figures, shape=shape, sources=table["sources"])


def _meter(name: str, folder: Path | None) -> MeterProfile:
    table = _table("meter", name, folder)
    beside = None if folder is None else (folder / name).parent
    try:
        primary, secondary, export, _ = (_referred(table, key, beside) for key in _REFERENCES)
    except ProfileError as error:
        raise ProfileError(f"{_label('meter', name)}: {error}") from None
    is_file = beside is not None and table["wan"].endswith(".toml")
    return MeterProfile(
        name=_name(name),
        **{key: table[key] for key in _METER_TEXTS},
        block_thresholds=tuple(
            watt_hours(limit) for limit in table.get("block_thresholds_kwh", ())
        ),
        wan=str(beside / table["wan"]) if is_file else table["wan"],
        primary=primary,
        secondary=secondary,
        export=export,
        sources=table["sources"],
    )


def _referred(table: dict[str, Any], key: str, folder: Path | None) -> Any:
    """Return what a key of a meter profile names, None where it names nothing that can be."""
    if not _fits("meter", table, key):
        return None
    value = table[key]
    try:
        if key == "wan":
            return _wan(value, folder)
        names: list[str] = value if isinstance(value, list) else [value]
        return combined([_load(name, folder) for name in names])
    except ProfileError as error:
        raise ProfileError(f"{key}: {error}") from None


def _wan(name: str, folder: Path | None) -> WanProfile:
    table = _table("wan", name, folder)
    figures = {key: table[key] for key in KEYS["wan"]}
    if folder is not None and name.endswith(".toml"):
        latencies = {key: table[key] for key in _LATENCIES}
        figures |= _beside(latencies, (folder / name).parent)
    return WanProfile(_name(name), **figures, sources=table["sources"])


def _beside(latencies: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return latencies with the files that they name as paths, from that folder."""
    return {key: latency_beside(latency, folder) for key, latency in latencies.items()}


def _fits(kind: str, table: Mapping[str, Any], key: str) -> bool:
    return key in table and KEYS[kind][key].fits(table[key])


def _table(kind: str, name: str, folder: Path | None) -> dict[str, Any]:
    """Return the table of a profile, in which nothing is wrong; `folder` is None for a shipped."""
    label = _label(kind, name)
    if name.endswith(".toml") and folder is not None:
        table = _read(folder / name, label)
    else:
        names = _shipped_names(kind)
        if name not in names:
            raise ProfileError(f"{label}: there is no such profile; there are {', '.join(names)}")
        table = _read(SHIPPED / _FOLDERS[kind] / f"{name}.toml", label)
    if table.get("profile") != kind:
        raise ProfileError(f'{label}: profile: is to be "{kind}"')
    wrong = list(problems(kind, table))
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ProfileError(f"{label}: {wrong[0]}{more}")
    return table


def _read(file: Path, label: str) -> dict[str, Any]:
    try:
        with file.open("rb") as octets:
            text = octets.read(_MOST_OCTETS + 1)
    except FileNotFoundError:
        raise ProfileError(f"{label}: there is no such file") from None
    except OSError as error:
        raise ProfileError(f"{label}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise ProfileError(f"{label}: cannot be read: no such name is possible") from None
    if len(text) > _MOST_OCTETS:
        raise ProfileError(f"{label}: has more than {_MOST_OCTETS} octets")
    try:
        return tomllib.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ProfileError(f"{label}: is not UTF-8") from None
    except RecursionError:
        raise ProfileError(f"{label}: is nested too deep") from None
    except ValueError as error:
        raise ProfileError(f"{label}: is not TOML: {' '.join(str(error).split())}") from None


def _shipped_names(kind: str) -> list[str]:
    entries = (SHIPPED / _FOLDERS[kind]).iterdir()
    return sorted(
        entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml")
    )


def _kind(table: dict[str, Any]) -> str | None:
    kind = table.get("profile")
    return kind if isinstance(kind, str) and kind in KEYS else None


def _name(name: str) -> str:
    return Path(name).name.removesuffix(".toml")


def _label(kind: str, name: str) -> str:
    return name if name.endswith(".toml") else f"{_FOLDERS[kind]}/{name}.toml"
