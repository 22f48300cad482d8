"""The files that a scenario names: where they lie, and which they were.

Knows the keys of a scenario that name files, and these as octets; nothing of what is in them.
"""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from esme_emulator.profiles import latency_beside, latency_file, profile_files
from esme_emulator.scenario.scenario import FleetSettings, Scenario


def located(fleet: FleetSettings, folder: Path) -> FleetSettings:
    """Return the meters of a scenario with the files that they are of as paths, from `folder`."""
    return replace(
        fleet,
        profiles=tuple(_located(name, folder) for name in fleet.profiles),
        wan=_located(fleet.wan, folder),
        latency=latency_beside(fleet.latency, folder),
    )


def digests(scenario: Scenario, folder: Path) -> dict[str, str]:
    """Return SHA-256 in hex of every file of a scenario whose own is in `folder`, by its path.

    These are the trace, and profiles and latencies with all that they name in turn. Raises
    `ProfileError` and `OSError` where one is gone meanwhile.
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
