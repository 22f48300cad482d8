"""Scenario files: parse TOML into a `Scenario`, and report every mistake by file, key and reason.

The shipped scenarios are in the folder `shipped`. A user names another scenario by its path.
The files that a scenario names are read as octets, for their digests.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.parties import PARTY_NAMES
from esme_emulator.faults.base import FaultError
from esme_emulator.faults.lint import Meters, lint
from esme_emulator.faults.loading import rules_from
from esme_emulator.faults.selector import FaultRule
from esme_emulator.fleet.latency import parse_latency
from esme_emulator.fleet.wan import BY_PROFILE
from esme_emulator.profiles import (
    MeterProfile,
    ProfileError,
    latency_beside,
    latency_file,
    meter_profile,
    profile_files,
    unreadable_latencies,
    wan_profile,
)
from esme_emulator.runtime.clock import LAST, iso
from esme_emulator.runtime.errors import NamedFileError
from esme_emulator.runtime.files import UnreadableError, read_text
from esme_emulator.scenario.arrivals import TraceError, parse_trace
from esme_emulator.scenario.scenario import (
    ArrivalSettings,
    Caching,
    Change,
    Comparison,
    Costs,
    FleetSettings,
    Mix,
    Process,
    RetryPolicy,
    Scenario,
    Threshold,
)
from esme_emulator.scenario.thresholds import FIGURES, unattainable
from esme_emulator.scenario.workload import MAX_RATE, MAX_REQUESTS, most_requests
from gbcs.instants import DAY, EPOCH_UNIX, parse_iso
from gbcs.tables.profile_logs import BY_SRV


def located(fleet: FleetSettings, folder: Path) -> FleetSettings:
    """Return `fleet` with its file names resolved relative to `folder`."""
    return replace(
        fleet,
        profiles=tuple(_located(name, folder) for name in fleet.profiles),
        wan=_located(fleet.wan, folder),
        latency=latency_beside(fleet.latency, folder),
    )


def digests(scenario: Scenario, folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that a scenario in `folder` uses, in hex, by path.

    These are the trace, and profiles and latencies with the files that they name in turn. Raises
    `ProfileError` or `OSError` if a file has disappeared meanwhile.
    """
    found = {_from(folder, path): sha256(path.read_bytes()) for path in _files(scenario, folder)}
    return {name: found[name].hexdigest() for name in sorted(found)}


def _located(name: str, folder: Path) -> str:
    return str(folder / name) if name.endswith(".toml") else name


def _files(scenario: Scenario, folder: Path) -> Iterator[Path]:
    if scenario.trace:
        yield folder / scenario.arrivals.trace
    if measured := latency_file(scenario.fleet.latency):
        yield measured
    for name in (*scenario.fleet.profiles, scenario.fleet.wan):
        if name.endswith(".toml"):
            yield from profile_files(Path(name))


def _from(folder: Path, path: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


_SHIPPED = files("esme_emulator.scenario") / "shipped"
_THRESHOLD = re.compile(r"\s*([a-z_0-9.]+)\s*(>=|<=|==)\s*(-?\d+(?:\.\d+)?)\s*")
_SECTIONS = {
    "fleet": FleetSettings,
    "arrivals": ArrivalSettings,
    "patience": RetryPolicy,
    "cache": Caching,
    "costs": Costs,
}
_LISTS = {"mix": Mix, "change": Change}
_KEYS = ("title", "seed", "start", *_SECTIONS, *_LISTS, "fault", "thresholds")
_REQUIRED = ("title", "fleet", "arrivals", "mix", "thresholds")
_FIELDS = {"patience": "retry", "change": "changes"}
"""Fields of `Scenario` whose names differ from their keys in TOML."""
_NUMBERS = (int, float, int | None, float | None)


class ScenarioError(NamedFileError):
    """A scenario with mistakes; each line of the text names file, key and reason."""


def shipped_scenarios() -> tuple[str, ...]:
    """Return the names of the scenarios in the package."""
    names = (entry.name for entry in _SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_scenario(name_or_path: str) -> Scenario:
    """Return a shipped scenario by name, or read one from a file. Raises `ScenarioError`."""
    if name_or_path in shipped_scenarios():
        return parse_scenario(name_or_path, (_SHIPPED / f"{name_or_path}.toml").read_text("utf-8"))
    path = Path(name_or_path)
    if not path.exists():
        known = ", ".join(shipped_scenarios())
        raise ScenarioError(
            f"{name_or_path}: there is no such file, nor a shipped scenario of that name; "
            f"shipped are {known}"
        )
    try:
        text = read_text(path)
    except UnreadableError as error:
        raise ScenarioError(f"{name_or_path}: {error}") from None
    return parse_scenario(path.stem, text, name_or_path)


def fault_warnings(scenario: Scenario) -> list[str]:
    """Return one line per fault rule, or part of a rule, that can match nothing in a scenario."""
    names, seed = scenario.fleet.profiles, scenario.seed
    kinds = tuple(map(meter_profile, names)) or None
    meters = Meters.drawn(derived_estate(seed, scenario.fleet.meters).meters, seed, kinds)
    return lint(scenario.faults, meters, now=scenario.start + EPOCH_UNIX, seed=seed)


def resized(scenario: Scenario, seed: str | None, meters: int | None) -> Scenario:
    """Return a scenario with another seed or number of meters, and requests in proportion.

    The number of requests of a trace does not change.
    """
    if seed is not None:
        scenario = replace(scenario, seed=seed)
    if meters is not None:
        requests = max(scenario.arrivals.requests * meters // scenario.fleet.meters, 1)
        if scenario.trace:
            requests = scenario.arrivals.requests
        scenario = replace(
            scenario,
            fleet=replace(scenario.fleet, meters=meters),
            arrivals=replace(scenario.arrivals, requests=requests),
        )
    return scenario


def parse_scenario(name: str, text: str, file: str | None = None) -> Scenario:
    """Return the scenario that `text` describes. Raises `ScenarioError` with all its mistakes.

    Paths in `text` are relative to `file`, or to the current folder if `file` is None.
    """
    file = file or f"{name}.toml"
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ScenarioError(f"{file}: {error}") from None
    mistakes: list[str] = []
    scenario = _scenario(name, text, table, mistakes)
    if scenario is not None:
        folder = Path(file).parent
        scenario = replace(scenario, fleet=located(scenario.fleet, folder))
        scenario = _with_trace(scenario, folder, mistakes)
        mistakes += _contradictions(scenario)
    if scenario is None or mistakes:
        raise ScenarioError("\n".join(f"{file}: {mistake}" for mistake in mistakes))
    try:
        return replace(scenario, files=digests(scenario, folder))
    except OSError as error:
        raise ScenarioError(f"{file}: {error.filename}: {error.strerror}") from None


def _scenario(name: str, text: str, table: dict[str, Any], mistakes: list[str]) -> Scenario | None:
    mistakes += [
        f"{key}: unknown key; known are {', '.join(_KEYS)}" for key in table if key not in _KEYS
    ]
    mistakes += [f"{key}: is missing" for key in _REQUIRED if key not in table]
    given: dict[str, Any] = {
        _FIELDS.get(key, key): _validated(kind, table[key], key, mistakes)
        for key, kind in _SECTIONS.items()
        if key in table
    }
    for key, kind in _LISTS.items():
        rows = table.get(key, [])
        if not isinstance(rows, list):
            mistakes.append(f"{key}: write it as [[{key}]], once for each row")
            rows = []
        given[_FIELDS.get(key, key)] = tuple(
            _validated(kind, row, f"{key}.{place}", mistakes) for place, row in enumerate(rows)
        )
    given["thresholds"] = tuple(_thresholds(table.get("thresholds", []), mistakes))
    start = table.get("start", "2026-01-15T06:00:00Z")
    try:
        given["start"] = parse_iso(start if isinstance(start, str) else start.isoformat())
    except (AttributeError, ValueError) as error:
        mistakes.append(f"start: {error}")
    for key in ("title", "seed"):
        given[key] = table.get(key, "1")
        if not isinstance(given[key], str):
            mistakes.append(f"{key}: give a text")
    given["faults"] = _faults(table.get("fault", []), mistakes)
    if mistakes:
        return None
    return Scenario(name=name, text=text, **given)


def _with_trace(scenario: Scenario, folder: Path, mistakes: list[str]) -> Scenario:
    """Return a scenario with the requests of its trace, if it names one."""
    arrivals = scenario.arrivals
    if arrivals.process is not Process.TRACE:
        if not arrivals.requests:
            mistakes.append("arrivals.requests: is missing")
        if arrivals.trace:
            mistakes.append('arrivals.trace: remove it, or set process = "trace"')
        return scenario
    if arrivals.requests:
        mistakes.append("arrivals.requests: remove it; a trace has one request per line")
    if not arrivals.trace:
        mistakes.append("arrivals.trace: name the file of the trace, relative to this file")
        return scenario
    path, meters = folder / arrivals.trace, scenario.fleet.meters
    try:
        trace = parse_trace(str(path), read_text(path), scenario.mix, meters, arrivals.seconds)
    except UnreadableError as error:
        mistakes.append(f"arrivals.trace: {path}: {error}")
    except TraceError as error:
        mistakes.append(f"arrivals.trace: {error}")
    else:
        arrivals = replace(arrivals, requests=len(trace))
        scenario = replace(scenario, arrivals=arrivals, trace=trace)
    return scenario


def _validated(kind: type, value: Any, key: str, mistakes: list[str]) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    if isinstance(value, dict):
        known = [item.name for item in fields(kind)]
        mistakes += [
            f"{key}.{name}: unknown key; known are {', '.join(known)}"
            for name in value
            if name not in known
        ]
        value = {name: item for name, item in value.items() if name in known}
        wrong = list(_wrong_types(kind, value, key))
        if wrong:
            mistakes += wrong
            return None
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            where = ".".join([key, *map(str, problem["loc"])])
            mistakes.append(f"{where}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
        return None


def _wrong_types(kind: type, table: dict[str, Any], key: str) -> Iterator[str]:
    """Yield the keys with a text or boolean for a number, or anything but a boolean for one.

    pydantic would convert "10" to 10 and 1 to true, and so hide a mistake.
    """
    hints = get_type_hints(kind)
    for name, value in table.items():
        if hints[name] is bool:
            if not isinstance(value, bool):
                yield f"{key}.{name}: give true or false"
        elif hints[name] in _NUMBERS and (
            isinstance(value, bool) or not isinstance(value, int | float)
        ):
            yield f"{key}.{name}: give a number"


def _thresholds(rows: Any, mistakes: list[str]) -> Iterator[Threshold]:
    if not isinstance(rows, list) or not rows:
        mistakes.append('thresholds: give at least one, such as "avoided_ratio >= 0.5"')
        return
    for place, row in enumerate(rows):
        match = _THRESHOLD.fullmatch(row) if isinstance(row, str) else None
        if match is None:
            mistakes.append(f'thresholds.{place}: write it as "avoided_ratio >= 0.5"')
        elif match[1] not in FIGURES:
            mistakes.append(f"thresholds.{place}: there is no figure {match[1]}")
        else:
            yield Threshold(match[1], Comparison(match[2]), float(match[3]))


def _faults(rows: Any, mistakes: list[str]) -> tuple[FaultRule, ...]:
    try:
        return tuple(rules_from(rows))
    except FaultError as error:
        mistakes.append(str(error))
        return ()


def _beyond_all_times(scenario: Scenario) -> Iterator[str]:
    """Yield the keys that lead to times that a meter cannot represent."""
    arrivals, retry = scenario.arrivals, scenario.retry
    repeating = max((kind.repeats * kind.again for kind in scenario.mix), default=0.0)
    waiting = retry.timeout * retry.attempts
    if scenario.start + EPOCH_UNIX + arrivals.seconds + repeating + waiting > LAST:
        yield f"start: the last timeout ends after {iso(LAST)}; choose an earlier start"
    for place, kind in enumerate(scenario.mix):
        if scenario.start // DAY * DAY < kind.days * DAY:
            yield f"mix.{place}.days: the windows of the first requests begin before 2000-01-01"


_read_latency = partial(parse_latency, read=read_text)


def _contradictions(scenario: Scenario) -> Iterator[str]:
    """Yield contradictions between sections, and references to unknown names."""
    try:
        parse_latency(scenario.fleet.latency, read_text)
    except ValueError as error:
        yield f"fleet.latency: {error}"
    kinds: list[MeterProfile] = []
    for name in scenario.fleet.profiles:
        try:
            kinds.append(meter_profile(name))
        except ProfileError as error:
            yield f"fleet.profiles: {error}"
    wan = scenario.fleet.wan
    for name in dict.fromkeys(kind.wan for kind in kinds) if wan == BY_PROFILE else [wan]:
        try:
            for mistake in unreadable_latencies(wan_profile(name), _read_latency):
                yield f"fleet.wan: {name}: {mistake}"
        except ProfileError as error:
            yield f"fleet.wan: {error}"
    for place, kind in enumerate(scenario.mix):
        if kind.party not in PARTY_NAMES.values():
            known = ", ".join(PARTY_NAMES.values())
            yield f"mix.{place}.party: there is no party {kind.party}; choose one of {known}"
        if kind.srv not in BY_SRV:
            known = ", ".join(BY_SRV)
            yield f"mix.{place}.srv: {kind.srv} is not read by window; choose one of {known}"
    if scenario.arrivals.requests > MAX_RATE * scenario.arrivals.seconds:
        rate = scenario.arrivals.requests / scenario.arrivals.seconds
        yield f"arrivals: {rate:,.0f} requests a second; the limit is {MAX_RATE:,}"
    if most_requests(scenario) > MAX_REQUESTS:
        number = most_requests(scenario)
        yield f"arrivals.requests: {number:,} with repeats; the limit is {MAX_REQUESTS:,}"
    try:
        scenario.cache.settings(scenario.retry.timeout, scenario.seed)
    except ValueError as error:
        yield f"cache: {error}"
    for figure, number in Counter(item.figure for item in scenario.thresholds).items():
        if number > 1:
            yield f"thresholds: {figure} has {number} limits; give one"
    for mistake in unattainable(scenario) if most_requests(scenario) else ():
        yield f"thresholds: {mistake}"
    yield from _beyond_all_times(scenario)
    last = scenario.arrivals.seconds
    for place, change in enumerate(scenario.changes):
        if change.at > last:
            yield f"change.{place}.at: is after the last request, {last:g} s after the start"
