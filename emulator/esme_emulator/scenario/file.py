"""Scenario files: parse TOML into a `Scenario`, and report every mistake by file, key and reason.

The shipped scenarios are in the folder `shipped`. A user names another scenario by its path.
The files that a scenario names are read as octets, for their digests.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass, replace
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from esme_emulator.estate.estate import PartyIsMeterError
from esme_emulator.estate.parties import PartyList, party_called, with_more
from esme_emulator.estate.parties_file import PartyTable, party_list
from esme_emulator.faults.base import FaultError
from esme_emulator.faults.lint import Meters, lint
from esme_emulator.faults.loading import rules_from
from esme_emulator.faults.selector import FaultRule
from esme_emulator.fleet.wan import BY_PROFILE
from esme_emulator.profiles import (
    MeterProfile,
    ProfileError,
    fleet_files,
    meter_profile,
    profile_files,
    unreadable_latencies,
    wan_profile,
)
from esme_emulator.profiles.latency import latency_file, located_latency, parse_latency
from esme_emulator.runtime.clock import LAST, iso
from esme_emulator.runtime.config import AS_TABLE, Instant, Table, Takes, parse_toml, validate
from esme_emulator.runtime.errors import NamedFileError
from esme_emulator.runtime.files import UnreadableError, read_text
from esme_emulator.scenario.scenario import (
    ArrivalSettings,
    Caching,
    Change,
    Comparison,
    Costs,
    FleetSettings,
    Fraction,
    Mix,
    Process,
    RetryPolicy,
    Scenario,
    Threshold,
    asked_by,
)
from esme_emulator.scenario.supply import Supply, estate_of, kinds_of, meters_of, unanswerable
from esme_emulator.scenario.thresholds import FIGURES, STALENESS, unattainable
from esme_emulator.scenario.workload import (
    MAX_RATE,
    TraceError,
    most_requests,
    read_trace,
)
from gbcs.instants import DAY, EPOCH_UNIX, parse_iso
from gbcs.tables.profile_logs import BY_SRV


def located(fleet: FleetSettings, folder: Path) -> FleetSettings:
    """Return `fleet` with its file names resolved relative to `folder`."""
    return replace(
        fleet,
        file=str(folder / fleet.file) if fleet.file else "",
        profiles=tuple(_located(name, folder) for name in fleet.profiles),
        wan=_located(fleet.wan, folder),
        latency=located_latency(fleet.latency, folder),
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
    yield from (folder / name for name in scenario.key_files)
    if scenario.fleet.file:
        yield from fleet_files(Path(scenario.fleet.file))
    if measured := latency_file(scenario.fleet.latency):
        yield measured
    for name in (*scenario.fleet.profiles, scenario.fleet.wan):
        if name.endswith(".toml"):
            yield from profile_files(Path(name))


def _from(folder: Path, path: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


_SHIPPED = files("esme_emulator.scenario") / "shipped"
_THRESHOLD = re.compile(
    r"\s*([a-z_0-9.]+)\s*(>=|<=|==)\s*(-?\d+(?:\.\d+)?)\s*(s|min|h)?\s*", re.ASCII
)
_SECONDS = {"s": 1, "min": 60, "h": 3600, None: 1}
_DEFAULT_START = parse_iso("2026-01-15T06:00:00Z")


def _read_threshold(row: object) -> Threshold:
    match = _THRESHOLD.fullmatch(row) if isinstance(row, str) else None
    if match is None:
        raise ValueError
    if match[1] not in FIGURES:
        raise ValueError(f"there is no figure {match[1]}")
    if match[4] and match[1] not in STALENESS:
        raise ValueError(f"{match[1]} takes a number without a unit")
    return Threshold(match[1], Comparison(match[2]), float(match[3]) * _SECONDS[match[4]])


class _ScenarioParty(PartyTable):
    """Keys of `[[party]]` in a scenario."""

    share: Fraction | None = None


class _ScenarioTable(Table):
    """Keys of a scenario file. The fields are those of `Scenario`."""

    title: str
    seed: str = "1"
    start: Instant = _DEFAULT_START
    fleet: Annotated[FleetSettings, AS_TABLE]
    arrivals: Annotated[ArrivalSettings, AS_TABLE]
    retry: Annotated[RetryPolicy, AS_TABLE] = Field(RetryPolicy(), alias="patience")
    cache: Annotated[Caching, AS_TABLE] = Caching()
    costs: Annotated[Costs, AS_TABLE] = Costs()
    mix: Annotated[list[Annotated[Mix, AS_TABLE]], Field(min_length=1)]
    changes: list[Annotated[Change, AS_TABLE]] = Field([], alias="change")
    parties: list[_ScenarioParty] = Field([], alias="party")
    # checked by `rules_from`, which knows the keys of each kind of fault
    faults: Any = Field((), alias="fault")
    thresholds: Annotated[
        list[
            Annotated[
                Threshold, Takes('a condition such as "avoided_ratio >= 0.5"', _read_threshold)
            ]
        ],
        Field(min_length=1),
    ]


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
    seed, kinds = scenario.seed, kinds_of(scenario.fleet)
    meters = Meters.drawn(meters_of(scenario.fleet), seed, kinds)
    return lint(scenario.faults, meters, now=scenario.start + EPOCH_UNIX, seed=seed)


def warnings_of(scenario: Scenario) -> list[str]:
    """Return a line for each party that is never answered, and each fault that never fires.

    Also one for each key file that others can read.
    """
    return [*scenario.parties.notes, *unanswerable(scenario), *fault_warnings(scenario)]


def resized(scenario: Scenario, seed: str | None, meters: int | None) -> Scenario:
    """Return a scenario with another seed or number of meters, and requests in proportion.

    The number of requests of a trace does not change. Raises `ScenarioError` for more meters than a
    fleet file has.
    """
    if seed is not None:
        scenario = replace(scenario, seed=seed)
    if meters is not None:
        held = scenario.fleet.meters
        if scenario.fleet.file and meters > held:
            raise ScenarioError(f"{meters} meters: {scenario.fleet.file} has {held}: give no more")
        requests = max(scenario.arrivals.requests * meters // scenario.fleet.meters, 1)
        if scenario.trace:
            requests = scenario.arrivals.requests
        scenario = replace(
            scenario,
            fleet=replace(scenario.fleet, meters=meters),
            arrivals=replace(scenario.arrivals, requests=requests),
        )
    return scenario


def with_requester(
    scenario: Scenario, found: PartyList, name: str | None
) -> tuple[Scenario, list[str]]:
    """Return a scenario with more parties, all of whose requests the party `name` makes; and lines.

    A supplier supplies all meters then. Without a name, the parties are only known. The lines are
    those of `asked_by`. Raises `ValueError` if there is no such party, or it has nothing to send.
    """
    own = with_more(scenario.parties.parties, found.parties)
    notes = scenario.parties.notes + found.notes
    parties = PartyList(own, {**scenario.parties.keys, **found.keys}, notes)
    scenario = replace(scenario, parties=parties)
    if name is None:
        return scenario, []
    party = party_called(scenario.known_parties, name)
    scenario, lines = asked_by(party, scenario)
    if party.supplies:
        parties = replace(parties, parties=with_more(own, [party]))
        scenario = replace(scenario, parties=parties, shares={party.eui: 1.0})
    return scenario, lines


def parse_scenario(name: str, text: str, file: str | None = None) -> Scenario:
    """Return the scenario that `text` describes. Raises `ScenarioError` with all its mistakes.

    Paths in `text` are relative to `file`, or to the current folder if `file` is None.
    """
    file = file or f"{name}.toml"
    try:
        table = parse_toml(text)
    except ValueError as error:
        raise ScenarioError(f"{file}: {error}") from None
    folder = Path(file).parent
    scenario, mistakes = _scenario(name, text, table, folder)
    if scenario is not None:
        scenario = replace(scenario, fleet=located(scenario.fleet, folder))
        scenario = _with_meters(scenario, mistakes)
        if not scenario.fleet.meters:
            raise ScenarioError("\n".join(f"{file}: {mistake}" for mistake in mistakes))
        scenario = _with_trace(scenario, folder, mistakes)
        mistakes += _contradictions(scenario)
    if scenario is None or mistakes:
        raise ScenarioError("\n".join(f"{file}: {mistake}" for mistake in mistakes))
    try:
        return replace(scenario, files=digests(scenario, folder))
    except OSError as error:
        raise ScenarioError(f"{file}: {error.filename}: {error.strerror}") from None


def settings_in(text: str) -> dict[str, Any] | None:
    """Return what the text of a scenario sets, by table and key as it spells them, with defaults.

    Reads none of the files that it names. None if the text is not that of a scenario.
    """
    try:
        table = parse_toml(text)
    except ValueError:
        return None
    content, _ = validate(_ScenarioTable, table)
    if content is None:
        return None
    return {
        item.alias or name: _plain(getattr(content, name))
        for name, item in _ScenarioTable.model_fields.items()
    }


def _plain(value: Any) -> Any:
    """Return a value of a scenario as dicts, lists and scalars."""
    if isinstance(value, Table):
        return value.model_dump()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _scenario(
    name: str, text: str, table: dict[str, Any], folder: Path
) -> tuple[Scenario | None, list[str]]:
    """Return the scenario without its trace, and all mistakes in its values."""
    content, found = validate(_ScenarioTable, table)
    mistakes = list(map(str, found))
    rules: list[FaultRule] = []
    try:
        rules = rules_from(table.get("fault", []))
    except FaultError as error:
        mistakes.append(str(error))
    if content is None:
        return None, mistakes
    values = dict(content)
    for key in ("mix", "changes", "thresholds"):
        values[key] = tuple(values[key])
    rows: list[_ScenarioParty] = values["parties"]
    named = [(f"party {number}", row) for number, row in enumerate(rows, 1)]
    values |= {
        "parties": party_list(named, folder, mistakes),
        "shares": {row.eui: row.share for row in rows if row.share is not None},
        "key_files": tuple(key for row in rows for key in (*(row.ka or ()), *(row.ds or ()))),
    }
    return Scenario(**values | {"name": name, "text": text, "faults": tuple(rules)}), mistakes


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
    path = folder / arrivals.trace
    try:
        estate = estate_of(scenario)
        trace = read_trace(str(path), read_text(path), scenario.mix, estate, arrivals.seconds)
    except UnreadableError as error:
        mistakes.append(f"arrivals.trace: {path}: {error}")
    except TraceError as error:
        mistakes.append(f"arrivals.trace: {error}")
    else:
        arrivals = replace(arrivals, requests=len(trace))
        scenario = replace(scenario, arrivals=arrivals, trace=trace)
    return scenario


def _with_meters(scenario: Scenario, mistakes: list[str]) -> Scenario:
    """Return the scenario with the number of its meters, which a fleet file may give."""
    fleet = scenario.fleet
    if not fleet.file:
        if not fleet.meters:
            mistakes.append("fleet.meters: give 1 or more, or a fleet file as file")
        return scenario
    try:
        meters = len(meters_of(fleet))
    except (ProfileError, ValueError) as error:
        mistakes.append(f"fleet.file: {error}")
        return replace(scenario, fleet=replace(fleet, meters=0))
    return replace(scenario, fleet=replace(fleet, meters=meters))


def _beyond_all_times(scenario: Scenario) -> Iterator[str]:
    """Yield the keys that lead to times that a meter cannot represent."""
    arrivals, retry = scenario.arrivals, scenario.retry
    repeating = max((kind.repeats * kind.again for kind in scenario.mix), default=0.0)
    waiting = retry.timeout * retry.attempts
    if scenario.start + EPOCH_UNIX + arrivals.seconds + repeating + waiting > LAST:
        yield f"start: the last timeout ends after {iso(LAST)}; choose an earlier start"
    for number, kind in enumerate(scenario.mix, 1):
        if scenario.start // DAY * DAY < kind.days * DAY:
            yield f"mix {number}: days: the windows of the first requests begin before 2000-01-01"


def _contradictions_of_parties(scenario: Scenario) -> Iterator[str]:
    try:
        Supply(scenario, estate_of(scenario))
        names = {party.name: party for party in scenario.known_parties}
    except (PartyIsMeterError, ValueError) as error:
        yield f"party: {error}"
        return
    known = ", ".join(names)
    for number, kind in enumerate(scenario.mix, 1):
        if kind.party not in names:
            yield f"mix {number}: party: there is no party {kind.party}; choose one of {known}"
    for number, change in enumerate(scenario.changes, 1):
        for key in ("old", "new"):
            name = getattr(change, key)
            if name not in names:
                yield f"change {number}: {key}: there is no party {name}; choose one of {known}"
            elif not names[name].supplies:
                yield f"change {number}: {key}: {name} is not a supplier"


def _contradictions(scenario: Scenario) -> Iterator[str]:
    """Yield contradictions between sections, and references to unknown names."""
    try:
        parse_latency(scenario.fleet.latency)
    except ValueError as error:
        yield f"fleet.latency: {error}"
    kinds: list[MeterProfile] = []
    if scenario.fleet.file and scenario.fleet.profiles:
        yield "fleet: give profiles or a file: a fleet file gives each meter its profile"
    elif scenario.fleet.file:
        try:
            kinds += kinds_of(scenario.fleet) or ()
        except ProfileError as error:
            yield f"fleet.file: {error}"
    for name in scenario.fleet.profiles:
        try:
            kinds.append(meter_profile(name))
        except ProfileError as error:
            yield f"fleet.profiles: {error}"
    wan = scenario.fleet.wan
    for name in dict.fromkeys(kind.wan for kind in kinds) if wan == BY_PROFILE else [wan]:
        try:
            for mistake in unreadable_latencies(wan_profile(name)):
                yield f"fleet.wan: {name}: {mistake}"
        except ProfileError as error:
            yield f"fleet.wan: {error}"
    yield from _contradictions_of_parties(scenario)
    for number, kind in enumerate(scenario.mix, 1):
        if kind.srv not in BY_SRV:
            known = ", ".join(BY_SRV)
            yield f"mix {number}: srv: {kind.srv} is not read by window; choose one of {known}"
    if scenario.arrivals.requests > MAX_RATE * scenario.arrivals.seconds:
        rate = scenario.arrivals.requests / scenario.arrivals.seconds
        yield f"arrivals: {rate:,.0f} requests a second; the limit is {MAX_RATE:,}"
    try:
        scenario.cache.settings(scenario.retry.timeout, scenario.seed)
    except ValueError as error:
        yield f"cache: {error}"
    for figure, limits in Counter(item.figure for item in scenario.thresholds).items():
        if limits > 1:
            yield f"thresholds: {figure} has {limits} limits; give one"
    for mistake in unattainable(scenario) if most_requests(scenario) else ():
        yield f"thresholds: {mistake}"
    yield from _beyond_all_times(scenario)
    last = scenario.arrivals.seconds
    for number, change in enumerate(scenario.changes, 1):
        if change.at > last:
            yield f"change {number}: at: is after the last request, {last:g} s after the start"
