"""The codec against the hand-written reference, each ratio from one run.

Both read the same octets: messages of our own, of a meter and a party derived from a seed.
Interleaved in rounds, the best round of each counts, so that what else the machine does weighs
on both alike.
"""

import subprocess
import sys
from collections.abc import Callable
from time import perf_counter

from benchmarks import floor
from emulator.device.logs import buffer
from emulator.device.physics import nature
from emulator.keys import DerivedKeystore
from emulator.parties import SUPPLIER, RemoteParty
from gbcs import EUI, Keystore, decode
from gbcs.instants import parse_iso
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window, answer_profile_read, table_of

SEED = "1"
METER = EUI.parse("00DBE50000000000")
START, END, NOW = map(parse_iso, ("2026-01-14", "2026-01-15", "2026-01-15T12:00:00"))
ROUNDS, CALLS = 30, 200


def compare(title: str, ours: Callable[[], object], reference: Callable[[], object]) -> float:
    """Print and return how many times as long ours takes as the reference."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for index, function in enumerate((ours, reference)):
            start = perf_counter()
            for _ in range(CALLS):
                function()
            best[index] = min(best[index], (perf_counter() - start) / CALLS)
    ratio = best[0] / best[1]
    print(
        f"{title:44}{best[0] * 1e6:8.1f} µs {best[1] * 1e6:8.1f} µs  {ratio:5.2f} times",
        flush=True,
    )
    return ratio


def main() -> None:
    keystore = DerivedKeystore(SEED)
    party = RemoteParty(SUPPLIER, Role.IS, keystore, counter=1)
    print(f"{'':44}{'gbcs':>11}{'reference':>12}")
    for srv in ("4.8.1", "4.6.1", "4.8.3"):
        _responses(srv, party, keystore)
    _import_time()


def _responses(srv: str, party: RemoteParty, keystore: Keystore) -> None:
    log = BY_SRV[srv]
    command, asked = party.command(METER, srv, Window(START, END))
    readings = buffer(nature(SEED, METER), log, Window(START, END), NOW)
    reply = answer_profile_read(command, log, readings, keystore)
    secret = keystore.shared_secret(METER, SUPPLIER) or b""

    def read() -> list[object]:
        return table_of(decode(reply, keystore), log).rows()  # type: ignore[union-attr]

    if read() != floor.read_response(reply, secret) and srv != "4.6.1":
        raise SystemExit("gbcs and the reference disagree")
    compare(
        f"{srv} response: parse, MAC, decrypt",
        lambda: decode(reply, keystore),
        lambda: floor.read_response(reply, secret),
    )
    compare(
        f"{srv} response: parse, MAC, decrypt, rows",
        read,
        lambda: floor.read_response(reply, secret),
    )
    if srv != "4.8.1":
        return
    rows = floor.read_response(reply, secret)
    arguments = rows, METER, SUPPLIER, command.originator_counter, secret
    if floor.build_response(*arguments) != reply:
        raise SystemExit("gbcs and the reference disagree")
    compare(
        f"{srv} response: build, encrypt, MAC",
        lambda: answer_profile_read(command, log, readings, keystore),
        lambda: floor.build_response(*arguments),
    )
    acb = keystore.shared_secret(keystore.access_control_broker, METER) or b""
    compare(
        f"{srv} command: parse, MAC",
        lambda: decode(asked, keystore),
        lambda: floor.read_command(asked, acb),
    )


def _import_time() -> None:
    code = "from time import perf_counter as t; s = t(); import gbcs; print(t() - s)"
    best = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    )
    print(f"{'import gbcs':44}{best * 1e3:8.1f} ms")
