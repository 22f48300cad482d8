"""Read profiles: every mistake in one is a `ProfileError` that names file, key and reason.

A name without ending is that of a shipped profile. A name that ends with `.toml` is a file; a file
that it names in turn is in the same folder.

Several loads behind one register are combined into one. In the mean day of a load, midwinter and
midsummer have equal weight, and five days in seven are weekdays. Sums are rounded once (`fsum`),
because `sum` rounds otherwise from Python 3.12 on, and a profile must be the same on every version.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from functools import cache
from math import fsum
from pathlib import Path
from typing import Any, TypeVar

from esme_emulator.profiles.latency import latency_file, located_latency, parse_latency
from esme_emulator.profiles.model import (
    HalfHours,
    LoadProfile,
    MeterProfile,
    ProfileError,
    Sun,
    WanProfile,
    source_of,
    watt_hours,
)
from esme_emulator.profiles.schema import (
    FORMS,
    HalfHoursTable,
    LoadForm,
    MeterForm,
    ProfileForm,
    WanForm,
    read_form,
    too_large,
)
from esme_emulator.runtime.config import Mistake, keys_of, parse_toml
from esme_emulator.runtime.files import read_text

_MEAN_DAY = (5 / 14, 2 / 14, 5 / 14, 2 / 14)
"""Weight of each shape of `HalfHours` in the mean day."""

_FIGURES = ("annual_kwh", "spread", "reactive", "shared")
_SHAPE = "half_hours"
_DAYS = [f"{_SHAPE}.{day}" for day in keys_of(HalfHoursTable)]


def combined(loads: Sequence[LoadProfile]) -> LoadProfile:
    """Return the sum of `loads`, at least one. Raises `ProfileError`.

    Spread, reactive and shared are means of those of the loads, weighted by energy.
    """
    if len(loads) == 1:
        return loads[0]
    annual = fsum(load.annual_kwh for load in loads)
    days: list[list[tuple[float, ...]]] = []
    for load in loads:
        if not isinstance(load.shape, HalfHours):
            raise ProfileError(f"{load.name} follows the sun, so no other load can be added")
        shapes: tuple[tuple[float, ...], ...] = astuple(load.shape)
        mean = fsum(part * fsum(day) for part, day in zip(_MEAN_DAY, shapes, strict=True))
        days.append([tuple(load.annual_kwh * power / mean for power in day) for day in shapes])

    def by_energy(figure: str) -> float:
        parts: list[float] = [load.annual_kwh * getattr(load, figure) for load in loads]
        return fsum(parts) / annual

    sums = [tuple(map(fsum, zip(*of_loads, strict=True))) for of_loads in zip(*days, strict=True)]
    for problem in too_large(annual, by_energy("spread"), by_energy("reactive")):
        raise ProfileError(f"{' and '.join(load.name for load in loads)} together: {problem}")
    return LoadProfile(
        "+".join(load.name for load in loads),
        ", ".join(load.title for load in loads),
        annual,
        by_energy("spread"),
        by_energy("reactive"),
        by_energy("shared"),
        HalfHours(*sums),
        by_energy("chance"),
        _sources(loads),
    )


def _sources(loads: Sequence[LoadProfile]) -> dict[str, str]:
    """Return the sources of all loads: for each kind of day if one load has them by day."""
    is_whole = all(load.sources.keys().isdisjoint(_DAYS) for load in loads)
    return {
        key: "; ".join(f"{load.name} {source_of(load.sources, key)}" for load in loads)
        for key in (*_FIGURES, *([_SHAPE] if is_whole else _DAYS))
    }


T = TypeVar("T", bound=ProfileForm)

_INSTALLED = Path(__file__).with_name("shipped")
# In a wheel the profiles are in this package; in a checkout they are at the top level.
SHIPPED = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[3] / "profiles"

_FOLDERS = {"load": "loads", "meter": "meters", "wan": "wan"}
_REFERENCES = ("import", "secondary", "export", "wan")
_LATENCIES = ("latency", "wake_latency")
_SHAPES = ("half_hours", "sun")
_NO_KIND = f"profile: give the kind of profile, one of {', '.join(FORMS)}"


@cache
def load_profile(name: str) -> LoadProfile:
    """Return the shipped load profile called `name`. Raises `ProfileError`."""
    return _load(name, None)


@cache
def load_profiles() -> tuple[LoadProfile, ...]:
    """Return all shipped load profiles, sorted by name. Raises `ProfileError`."""
    return tuple(load_profile(name) for name in _shipped_names("load"))


def meter_profile(name_or_path: str) -> MeterProfile:
    """Return the shipped meter profile with this name, or the one in this `.toml` file.

    Raises `ProfileError`.
    """
    if name_or_path.endswith(".toml"):
        return _meter(name_or_path, Path())
    return _shipped_meter(name_or_path)


@cache
def meter_profiles() -> tuple[MeterProfile, ...]:
    """Return all shipped meter profiles, sorted by name. Raises `ProfileError`."""
    return tuple(_shipped_meter(name) for name in _shipped_names("meter"))


@cache
def _shipped_meter(name: str) -> MeterProfile:
    return _meter(name, None)


def wan_profile(name_or_path: str) -> WanProfile:
    """Return the shipped WAN profile with this name, or the one in this `.toml` file.

    Raises `ProfileError`.
    """
    if name_or_path.endswith(".toml"):
        return _wan(name_or_path, Path())
    return _shipped_wan(name_or_path)


@cache
def wan_profiles() -> tuple[WanProfile, ...]:
    """Return all shipped WAN profiles, sorted by name. Raises `ProfileError`."""
    return tuple(_shipped_wan(name) for name in _shipped_names("wan"))


@cache
def _shipped_wan(name: str) -> WanProfile:
    return _wan(name, None)


def any_profile(name_or_path: str) -> LoadProfile | MeterProfile | WanProfile:
    """Return the profile of any kind with this name or in this `.toml` file.

    Raises `ProfileError`.
    """
    if name_or_path.endswith(".toml"):
        kind = _kind(_read(Path(name_or_path), name_or_path))
        if kind is None:
            raise ProfileError(f"{name_or_path}: {_NO_KIND}")
    else:
        kinds = [kind for kind in FORMS if name_or_path in _shipped_names(kind)]
        if not kinds:
            raise _unknown(name_or_path, name_or_path, "see esme profiles list")
        kind = kinds[0]
    if kind == "load":
        return _load(name_or_path, Path())
    return meter_profile(name_or_path) if kind == "meter" else wan_profile(name_or_path)


def check(path: Path) -> list[str]:
    """Return all mistakes in the profile of a file, and in files that it names.

    Each is one line, as `file: key: reason`.
    """
    try:
        table = _read(path, str(path))
    except ProfileError as error:
        return [str(error)]
    kind = _kind(table)
    if kind is None:
        return [f"{path}: {_NO_KIND}"]
    _, mistakes = read_form(FORMS[kind], table)
    found = list(map(str, mistakes))
    # Keys without a mistake of their own are checked further, so that one run reports everything.
    values = _without_mistakes(table, mistakes)
    if kind == "wan":
        latencies = {key: values[key] for key in _LATENCIES if key in values}
        found += _unreadable(_located(latencies, path.parent))
    for key in _REFERENCES if kind == "meter" else ():
        try:
            referred = _referred(key, values.get(key), path.parent)
        except ProfileError as error:
            found.append(str(error))
        else:
            if isinstance(referred, WanProfile):
                found += [f"{key}: {each}" for each in unreadable_latencies(referred)]
    return [f"{path}: {problem}" for problem in found]


def unreadable_latencies(wan: WanProfile) -> Iterator[str]:
    """Yield key and reason of each latency of a WAN whose file cannot be read."""
    return _unreadable({key: getattr(wan, key) for key in _LATENCIES})


def profile_files(path: Path) -> Iterator[Path]:
    """Yield the file of a valid profile, and all files that it names, directly or through others.

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
        measured = latency_file(located_latency(table[key], path.parent))
        if measured is not None:
            yield measured


def _unreadable(latencies: Mapping[str, str]) -> Iterator[str]:
    for key, latency in latencies.items():
        try:
            parse_latency(latency)
        except ValueError as error:
            yield f"{key}: {error}"


def _load(name: str, folder: Path | None) -> LoadProfile:
    if folder is not None and not name.endswith(".toml"):
        return load_profile(name)
    form = _form(LoadForm, name, folder)
    shape: HalfHours | Sun
    if form.sun is not None:
        shape = Sun(**form.sun.model_dump())
    else:
        days = form.half_hours.model_dump() if form.half_hours else {}
        shape = HalfHours(**{day: tuple(map(float, powers)) for day, powers in days.items()})
    figures = form.model_dump(exclude={"profile", *_SHAPES})
    return LoadProfile(name=_stem(name), shape=shape, **figures)


def _meter(name: str, folder: Path | None) -> MeterProfile:
    form = _form(MeterForm, name, folder)
    own_folder = None if folder is None else (folder / name).parent
    try:
        primary = _referred("import", form.primary, own_folder)
        secondary = _referred("secondary", form.secondary, own_folder)
        export = _referred("export", form.export, own_folder)
        _referred("wan", form.wan, own_folder)
    except ProfileError as error:
        raise ProfileError(f"{_label(MeterForm, name)}: {error}") from None
    wan = form.wan
    if own_folder is not None and wan.endswith(".toml"):
        wan = str(own_folder / wan)
    unchanged = {"title", "share", "generation", "variant", "payment", "tariff", "sources"}
    return MeterProfile(
        name=_stem(name),
        **form.model_dump(include=unchanged),
        block_thresholds=tuple(map(watt_hours, form.block_thresholds_kwh or ())),
        wan=wan,
        primary=primary,
        secondary=secondary,
        export=export,
    )


def _referred(key: str, value: str | list[str] | None, folder: Path | None) -> Any:
    """Return the profile that a key of a meter profile names, or None if the value is None."""
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    try:
        if key == "wan":
            return _wan(names[0], folder)
        return combined([_load(name, folder) for name in names])
    except ProfileError as error:
        raise ProfileError(f"{key}: {error}") from None


def _wan(name: str, folder: Path | None) -> WanProfile:
    figures = _form(WanForm, name, folder).model_dump(exclude={"profile"})
    if folder is not None and name.endswith(".toml"):
        figures |= _located({key: figures[key] for key in _LATENCIES}, (folder / name).parent)
    return WanProfile(name=_stem(name), **figures)


def _located(latencies: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return latencies with the files that they name as paths in `folder`."""
    return {key: located_latency(latency, folder) for key, latency in latencies.items()}


def _without_mistakes(table: Mapping[str, Any], mistakes: list[Mistake]) -> dict[str, Any]:
    wrong = {mistake.key for mistake in mistakes}
    return {key: value for key, value in table.items() if key not in wrong}


def _unknown(label: str, name: str, hint: str) -> ProfileError:
    files = "; the name of a file ends with .toml" * ("/" in name)
    return ProfileError(f"{label}: there is no such profile; {hint}{files}")


def _form(form: type[T], name: str, folder: Path | None) -> T:
    """Return the content of a valid profile; `folder` is None for a shipped one."""
    label = _label(form, name)
    if name.endswith(".toml") and folder is not None:
        table = _read(folder / name, label)
    else:
        names = _shipped_names(form.kind)
        if name not in names:
            raise _unknown(label, name, f"there are {', '.join(names)}")
        table = _read(SHIPPED / _FOLDERS[form.kind] / f"{name}.toml", label)
    if table.get("profile") != form.kind:
        raise ProfileError(f'{label}: profile: must be "{form.kind}"')
    content, mistakes = read_form(form, table)
    if mistakes or content is None:
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        raise ProfileError(f"{label}: {mistakes[0]}{more}")
    return content


def _read(file: Path, label: str) -> dict[str, Any]:
    try:
        return parse_toml(read_text(file))
    except ValueError as error:
        raise ProfileError(f"{label}: {error}") from None


def _shipped_names(kind: str) -> list[str]:
    entries = (SHIPPED / _FOLDERS[kind]).iterdir()
    return sorted(
        entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml")
    )


def _kind(table: dict[str, Any]) -> str | None:
    kind = table.get("profile")
    return kind if isinstance(kind, str) and kind in FORMS else None


def _stem(name: str) -> str:
    return Path(name).name.removesuffix(".toml")


def _label(form: type[ProfileForm], name: str) -> str:
    return name if name.endswith(".toml") else f"{_FOLDERS[form.kind]}/{name}.toml"
