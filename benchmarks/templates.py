"""Commands and replies with learned templates, compared with the schema alone.

A party makes commands for 300 meters, the fleet answers them, and the party reads the replies. Both
ways take turns in rounds, in processor time, and the best round of each counts.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import process_time
from typing import Any

from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.parties import SUPPLIER
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.profiles.latency import NONE
from gbcs import open_message, read_content, templates
from gbcs.instants import EPOCH_UNIX, parse_iso
from gbcs.usecases.profile_read import Window

METERS, ROUNDS = 300, 7
NOW = float(EPOCH_UNIX + parse_iso("2026-01-15T12:00:00Z"))
YESTERDAY = Window(parse_iso("2026-01-14"), parse_iso("2026-01-15"))
WAYS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "templates": nullcontext,
    "schema": templates.disabled,
}


def main() -> None:
    estate = derived_estate("1", METERS)
    keystore = estate.keystore
    fleet = Fleet(estate.meters, keystore, "1", NONE)
    [party] = [each for each in estate.parties(1) if each.eui == SUPPLIER]
    steps: dict[str, Callable[[Any], Any]] = {
        "make a command": lambda meter: (meter, party.command(meter, "4.8.1", YESTERDAY)[1]),
        "answer it": lambda command: fleet.receive(command[0], command[1], NOW).reply,
        "read the reply": lambda reply: read_content(open_message(reply, keystore), keystore),
    }
    best = dict.fromkeys([(step, way) for step in steps for way in WAYS], float("inf"))
    for _ in range(ROUNDS):
        for way, context in WAYS.items():
            items: list[Any] = list(estate.meters)
            for step, work in steps.items():
                with context():
                    start = process_time()
                    items = [work(item) for item in items]
                    seconds = (process_time() - start) / METERS
                best[step, way] = min(best[step, way], seconds)
    for (step, way), seconds in best.items():
        print(f"{step:20}{way:12}{seconds * 1e6:8.1f} µs")
