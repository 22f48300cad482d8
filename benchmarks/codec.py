"""The codec compared with the hand-written reference, and on every message of the RTDS.

Both read the same octets: messages of a meter and a party derived from a seed. The codec is
measured twice: with learned templates, and by the schema alone, which reads what fits no template.
All functions take turns in rounds, and the best round of each counts, so other load on the machine
affects all alike.
"""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from time import perf_counter
from typing import NamedTuple, TypeAlias

from benchmarks import floor
from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import SUPPLIER, RemoteParty
from gbcs import EUI, Keystore, decode, templates
from gbcs.instants import parse_iso
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window, answer_profile_read, table_of
from tests.support.rtds import ABSENT, vectors

SEED = "1"
METER = EUI.parse("00DBE50000000000")
START, END, NOW = map(parse_iso, ("2026-01-14", "2026-01-15", "2026-01-15T12:00:00"))
ROUNDS, CALLS = 200, 40
RTDS_ROUNDS = 40


Run: TypeAlias = tuple[Callable[[], AbstractContextManager[None]], Callable[[], object]]
"""A context to run a function in, and the function."""


class Comparison(NamedTuple):
    title: str
    ours: Callable[[], object]
    reference: Callable[[], object]


def main() -> None:
    _compare()
    _rtds()
    _import_time()


def _best(runs: Sequence[Run], rounds: int, calls: int) -> list[float]:
    """Return the seconds per call of each function, in its best round."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for index, (context, function) in enumerate(runs):
            with context():
                start = perf_counter()
                for _ in range(calls):
                    function()
                best[index] = min(best[index], (perf_counter() - start) / calls)
    return best


def _compare() -> None:
    keystore = DerivedKeystore(SEED)
    party = RemoteParty(SUPPLIER, frozenset({Role.IS}), keystore, counter=1)
    comparisons = [
        comparison
        for srv in ("4.8.1", "4.6.1", "4.8.3")
        for comparison in _comparisons(srv, party, keystore)
    ]
    runs: list[Run] = [
        run
        for _, ours, reference in comparisons
        for run in ((nullcontext, ours), (templates.disabled, ours), (nullcontext, reference))
    ]
    best = iter(_best(runs, ROUNDS, CALLS))
    print(f"{'':44}{'templates':>11}{'schema':>12}{'reference':>12}    ratios")
    for (title, *_), *seconds in zip(comparisons, best, best, best, strict=True):
        times = "".join([f"{each * 1e6:8.1f} µs " for each in seconds])
        ratios = " ".join([f"{each / seconds[-1]:5.2f}" for each in seconds[:-1]])
        print(f"{title:44}{times} {ratios}")


def _comparisons(srv: str, party: RemoteParty, keystore: Keystore) -> Iterator[Comparison]:
    log = BY_SRV[srv]
    command, asked = party.command(METER, srv, Window(START, END))
    readings = buffer(meter_of(SEED, METER), log, Window(START, END), NOW)
    reply = answer_profile_read(command, log, readings, keystore)
    secret = keystore.shared_secret(METER, SUPPLIER) or b""

    def reference() -> list[object]:
        return floor.read_response(reply, secret)

    def read() -> list[object]:
        return table_of(decode(reply, keystore), log).rows()  # type: ignore[union-attr]

    if read() != reference() and srv != "4.6.1":
        raise SystemExit("gbcs and the reference disagree")
    title = f"{srv} response: parse, MAC, decrypt"
    yield Comparison(title, lambda: decode(reply, keystore), reference)
    yield Comparison(f"{title}, rows", read, reference)
    if srv != "4.8.1":
        return
    rows = floor.read_response(reply, secret)
    arguments = rows, METER, SUPPLIER, command.originator_counter, secret
    if floor.build_response(*arguments) != reply:
        raise SystemExit("gbcs and the reference disagree")
    yield Comparison(
        f"{srv} response: build, encrypt, MAC",
        lambda: answer_profile_read(command, log, readings, keystore),
        lambda: floor.build_response(*arguments),
    )
    acb = keystore.shared_secret(keystore.access_control_broker, METER) or b""
    yield Comparison(
        f"{srv} command: parse, MAC",
        lambda: decode(asked, keystore),
        lambda: floor.read_command(asked, acb),
    )


def _rtds() -> None:
    """Decode every message without keys, and print the time by family of content."""
    messages = [vector.octets for vector in vectors()]
    if not messages:
        print(f"RTDS: skipped, {ABSENT}")
        return
    families = defaultdict(list)
    for octets in messages:
        families[type(decode(octets).payload).__name__].append(octets)
    groups = {"all": messages, **families}
    # Without templates: a message of the set comes once, and here it would come in every round.
    runs: list[Run] = [(templates.disabled, partial(_decode, group)) for group in groups.values()]
    best = _best(runs, RTDS_ROUNDS, 1)
    for (title, group), seconds in zip(groups.items(), best, strict=True):
        each = seconds / len(group)
        name = f"RTDS, {title} ({len(group)} messages)"
        print(f"{name:44}{each * 1e6:8.1f} µs {1 / each:9,.0f} a second")


def _decode(messages: list[bytes]) -> None:
    for octets in messages:
        decode(octets)


def _import_time() -> None:
    code = "from time import perf_counter as t; s = t(); import gbcs; print(t() - s)"
    best = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    )
    print(f"{'import gbcs':44}{best * 1e3:8.1f} ms")
