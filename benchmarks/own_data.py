"""A million meters with half hours of their own in CSV, against as many that the seed draws.

Every meter has a CSV file of a month, 1,488 half hours. A thousand different files are written;
the others are hard links to them, so the folder takes some 100 MB. Both fleets start, and answer
the same commands, in a new process each. Memory is resident memory, read from /proc.
"""

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks.fleet import MB, answered, each, in_process
from benchmarks.shares import resident

METERS, DIFFERENT, TABLES = 1_000_000, 1_000, 10_000
READ = 1_000
"""Meters that are read first; as many others are read after them."""
APART = 487
"""Distance of meters that are read, so that all of their files differ."""
BASE = 0x00DBE50000000000
DAYS = 31
BEGIN = "2026-01-01"
NOON = "2026-01-20T12:00:00Z"


def main() -> None:
    with TemporaryDirectory() as folder:
        _write(Path(folder))
        module = "benchmarks.own_data"
        drawn, own = (in_process(module, "measure", kind, folder) for kind in ("drawn", "own"))
        titles = {
            "start": (f"start of {METERS:,} meters, first reply", 1e-3, "ms"),
            "start_rss": ("its memory", MB, "MB"),
            "first": (f"first contact with each of {READ:,} meters", 1e-6, "µs"),
            "first_rss": ("its memory", MB, "MB"),
            "more": (f"first contact with {READ:,} others", 1e-6, "µs"),
            "more_rss": ("its memory", MB, "MB"),
            "again": ("a repeated contact with the latest meters", 1e-6, "µs"),
        }
        print(f"{'':48}{'drawn':>12}{'own data':>14}{'ratio':>8}")
        for name, (title, unit, symbol) in titles.items():
            values = "".join(f"{got[name] / unit:11,.1f} {symbol}" for got in (drawn, own))
            print(f"{title:46}{values}{own[name] / drawn[name]:8.1f}")
        got = in_process(module, "tables", folder)
        print(f"{f'{TABLES:,} meters in one table':46}{got['block'] * 1e3:12,.1f} ms")
        print(f"{f'in {TABLES:,} tables':46}{got['tables'] * 1e3:12,.1f} ms")
        print(f"{'their memory':46}{got['rss'] / MB:12,.1f} MB")


def _write(folder: Path) -> None:
    """Write the fleet files and a CSV file for each meter."""

    def csv(number: int) -> Path:
        return folder / f"{BASE + number:016X}.csv"

    for number in range(DIFFERENT):
        rows = "".join(
            f"{BEGIN[:8]}{half_hour // 48 + 1:02}T{half_hour % 48 // 2:02}:{half_hour % 2 * 3}0Z,"
            f"{(half_hour * 37 + number) % 997}\n"
            for half_hour in range(DAYS * 48)
        )
        csv(number).write_text("start,import_wh\n" + rows)
    for number in range(DIFFERENT, METERS):
        os.link(csv(number % DIFFERENT), csv(number))
    block = f'[[meter]]\neui = "%016X"\ncount = %d\ncsv = "{{eui}}.csv"\ninstalled = {BEGIN}\n'
    (folder / "own.toml").write_text(block % (BASE, METERS))
    (folder / "block.toml").write_text(block % (BASE, TABLES))
    (folder / "tables.toml").write_text(
        "".join(block % (BASE + number, 1) for number in range(TABLES))
    )


def measure(kind: str, folder: str) -> dict[str, Any]:
    """Start a fleet, and send a command to some of its meters."""
    from esme_emulator.estate.estate import derived_estate
    from esme_emulator.fleet.fleet import Fleet
    from esme_emulator.profiles import meter_profile, read_fleet
    from esme_emulator.profiles.latency import NONE
    from gbcs.instants import DAY, EPOCH_UNIX, parse_iso
    from gbcs.usecases.profile_read import Window

    asking, answering = (derived_estate("1", METERS) for _ in range(2))
    party = asking.parties(counter=1)[0]
    noon = parse_iso(NOON)
    window, now = Window(noon // DAY * DAY - DAY, noon // DAY * DAY), float(noon + EPOCH_UNIX)
    meters = [asking.meters[number * APART] for number in range(2 * READ + 1)]
    commands = [(meter, party.command(meter, "4.8.1", window)[1]) for meter in meters]
    found: dict[str, Any] = {}
    before, began = resident(), perf_counter()
    own = kind == "own"
    profiles = read_fleet(Path(folder) / "own.toml") if own else (meter_profile("single"),)
    fleet = Fleet(answering.meters, answering.keystore, answering.seed, NONE, profiles=profiles)
    answered(fleet.receive(*commands[0], now).reply)
    found |= {"start": perf_counter() - began, "start_rss": resident() - before}
    parts = {
        "first": commands[1 : READ + 1],
        "more": commands[READ + 1 :],
        "again": commands[-100:],
    }
    for name, part in parts.items():
        before = resident()
        microseconds = each(part, lambda ask: answered(fleet.receive(*ask, now).reply))
        found |= {name: microseconds / 1e6, f"{name}_rss": resident() - before}
    return found


def tables(folder: str) -> dict[str, Any]:
    """Open a file with one table for many meters, then a file with a table for each meter."""
    from esme_emulator.profiles import read_fleet

    found: dict[str, Any] = {}
    for name in ("block", "block", "tables"):  # the first imports and compiles
        before, began = resident(), perf_counter()
        mix = read_fleet(Path(folder) / f"{name}.toml")
        found |= {name: perf_counter() - began, "rss": resident() - before}
        del mix
    return found


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
