"""The workload of a proof: which party asks which meter for what, in which order.

Pure and seeded: the same seed gives the same octets in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from emulator.cache.entry import CACHED_SRVS, Key
from emulator.parties import RemoteParty
from gbcs import EUI, Command
from gbcs.instants import DAY
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window

ROLES = frozenset({Role.IS, Role.ED, Role.OU})
"""Roles of the parties that take part: import supplier, distributor, other user."""

WINDOW_DAYS = 1
"""Days that each read asks for, ending with the midnight before the proof's time."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: its octets, and the read they ask for."""

    command: Command
    octets: bytes
    key: Key


def make_workload(
    meters: Sequence[EUI], parties: Sequence[RemoteParty], now: int, seed: str
) -> list[Ask]:
    """Return every read that every entitled party makes of every meter, half of them twice.

    `now` is in seconds since 2000. Raises `AuthenticationError` where a party has no keys.
    """
    random = Random(seed)  # noqa: S311  # an order, not a secret
    end = now // DAY * DAY
    window = Window(end - WINDOW_DAYS * DAY, end)
    reads = [
        (meter, srv, party)
        for meter in meters
        for srv in CACHED_SRVS
        for party in parties
        if party.role in ROLES and party.may_ask(srv)
    ]
    reads += random.sample(reads, len(reads) // 2)
    random.shuffle(reads)
    asks = []
    for meter, srv, party in reads:
        command, octets = party.command(meter, srv, window)
        asks.append(Ask(command, octets, Key(meter, srv, window.start, window.end)))
    return asks
