"""The codec compared with the hand-written reference, and on every message of the RTDS.

Both read the same octets: messages of a meter and a party derived from a seed. All functions take
turns in rounds, and the best round of each counts, so other load on the machine affects all alike.
"""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import NamedTuple

from benchmarks import floor
from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import SUPPLIER, RemoteParty
from gbcs import EUI, Keystore, decode
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


class Comparison(NamedTuple):
    title: str
    ours: Callable[[], object]
    reference: Callable[[], object]


def main() -> None:
    _compare()
    _rtds()
    _import_time()


def _best(functions: list[Callable[[], object]], rounds: int, calls: int) -> list[float]:
    """Return the seconds per call of each function, in its best round."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for index, function in enumerate(functions):
            start = perf_counter()
            for _ in range(calls):
                function()
            best[index] = min(best[index], (perf_counter() - start) / calls)
    return best


def _compare() -> None:
    keystore = DerivedKeystore(SEED)
    party = RemoteParty(SUPPLIER, Role.IS, keystore, counter=1)
    comparisons = [
        comparison
        for srv in ("4.8.1", "4.6.1", "4.8.3")
        for comparison in _comparisons(srv, party, keystore)
    ]
    functions = [function for _, *both in comparisons for function in both]
    best = iter(_best(functions, ROUNDS, CALLS))
    print(f"{'':44}{'gbcs':>11}{'reference':>12}")
    for (title, *_), ours, reference in zip(comparisons, best, best, strict=True):
        ratio = ours / reference
        print(f"{title:44}{ours * 1e6:8.1f} µs {reference * 1e6:8.1f} µs  {ratio:5.2f} times")


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
    best = _best([partial(_decode, group) for group in groups.values()], RTDS_ROUNDS, 1)
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
