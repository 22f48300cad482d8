"""The transaction that a command and its response share, and the device's own counter.

The device's own counter is in encrypted replies to parties behind the Access Control Broker (ACB).

It must strictly increase and never repeat, since key and IV depend on it (GBCS v4.1 clause 4.3).
Meter and cache make such replies, and restart, independently of each other. So each takes its
counters from the clock: microseconds times two, even for the meter and odd for the cache. If the
clock has not moved on, the next free counter is used.
"""

import re
from typing import NamedTuple

from gbcs import CRA, EUI, Message


class Transaction(NamedTuple):
    """Identifies a command and its response. `originator` is that of the command."""

    device: EUI
    originator: EUI
    counter: int
    message_code: int
    party: EUI


def transaction_of(message: Message) -> Transaction:
    """Return the transaction of a command or of a response."""
    originator = message.originator if message.cra is CRA.COMMAND else message.recipient
    return Transaction(
        message.device,
        originator,
        message.originator_counter,
        message.message_code,
        message.remote_party,
    )


_RESPONSE = re.compile(
    rb"(?:\xdd\0{6}(?:[\0-\x7f]|\x81.|\x82..)\x11\0{4})?\xdf\x09\x02(.{8})\x08(.{8})\x08(.{8})",
    re.DOTALL,
)
"""The beginning of a response: MAC header, CRA flag, originator counter, device and recipient.

Source: GBCS v4.1 clause 7.2.7.
"""


def counter_in(octets: bytes) -> tuple[bytes, bytes, int] | None:
    """Return device, recipient and originator counter of a response: the first of `Transaction`.

    Reads nothing else, so that octets of others can be dropped at once. None for octets that do not
    begin as a response.
    """
    found = _RESPONSE.match(octets)
    return None if found is None else (found[2], found[3], int.from_bytes(found[1]))


METER, CACHE = 0, 1
"""The lowest bit of the counters of each."""


class DeviceCounter:
    """The counters of a meter or a cache; `last` is the highest that may be in use."""

    __slots__ = ("_bit", "last")

    def __init__(self, bit: int, last: int = 0) -> None:
        self._bit = bit
        self.last = last

    def next(self, now: float) -> int:
        """Return the next counter at `now`, Unix time in seconds."""
        earliest = self.last // 2 + 1
        self.last = max(earliest, int(now * 1_000_000)) * 2 + self._bit
        return self.last
