"""The files that a scenario names: their paths, and their digests.

Knows the keys of a scenario that name files, and reads the files as octets only.
"""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from esme_emulator.profiles import latency_beside, latency_file, profile_files
from esme_emulator.scenario.scenario import FleetSettings, Scenario


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
