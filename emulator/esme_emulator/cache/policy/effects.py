"""Effects: the actions and questions of the policy. The service performs them in their order.

Those with an *answer* are questions: the service gives the answer to `CachePolicy.answer`, together
with the question. `flight` is the policy's number for requests that wait for the same readings. The
service alone knows what a store knows a flight by, such as a lease.

Source of Cache-Status: RFC 9211, section 2: `hit`, `fwd`, `ttl`, `stored`, `collapsed`, `detail`.
"""

from dataclasses import dataclass
from enum import Enum, auto

from esme_emulator.cache.entry import Entry, Key
from gbcs import EUI

NAME = "s1sp"
"""Name of this cache in a Cache-Status."""


class Claimed(Enum):
    """A store's answer to a claim if it has no entry."""

    LEASED = auto()
    """This flight has to ask the meter."""
    ABSENT = auto()
    """There is no entry, and no lease was asked for."""
    HELD = auto()
    """Another cache asks the meter."""
    FAILED = auto()
    """The store cannot be used."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Look up the entry under `key`, if it was received after that Unix time.

    If there is none and `lease` is set, take a lease. Answer: `Entry` or `Claimed`.
    """

    flight: int
    key: Key
    received_after: float
    lease: bool


@dataclass(frozen=True, slots=True)
class Cover:
    """Look for an entry whose window holds the window of `key`. Answer: its key and the entry.

    None if the store has no such entry, or cannot be used.
    """

    flight: int
    key: Key
    received_after: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until the cache that holds the lease has settled it.

    Answer: `entry.Settled`, or None if the store cannot be used.
    """

    flight: int


@dataclass(frozen=True, slots=True)
class Settle:
    """End the lease of a flight, give `readings` to caches that wait for it, and keep `entry`.

    `readings` are None if the meter did not reply.

    If the flight has no lease, only keep `entry`. Answer: whether it was kept; False if the lease
    was lost, None if the store cannot be used.
    """

    flight: int
    key: Key
    readings: bytes | int | None
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Abandon:
    """Let the lease of a flight expire at once: other caches may ask the meter."""

    flight: int


@dataclass(frozen=True, slots=True)
class Put:
    """Keep `entry` under `key`, without a lease. Answer: None, once the store has tried."""

    number: int
    key: Key
    entry: Entry


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop all entries of `device`, or of all devices, received after that Unix time.

    Answer: whether the store has dropped them.
    """

    number: int
    device: EUI | None
    received_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Reserve:
    """Take `size` device counters that no other cache has, from `earliest` on.

    Answer: the first of them, or None if the store cannot be used.
    """

    earliest: int
    size: int


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the octets of a command to the device; the response is to `recipient`."""

    device: EUI
    recipient: EUI
    octets: bytes


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """How one reply came about; its text is the Cache-Status."""

    fwd: str = ""
    """Why the meter was asked: miss, bypass or stale; empty for a hit."""
    ttl: int | None = None
    """Seconds for which it would still be a hit; None if the meter was asked."""
    collapsed: bool = False
    stored: bool = False
    detail: str = ""
    """Such as why it was not stored; may be empty."""

    def __str__(self) -> str:
        words = [NAME, f"fwd={self.fwd}" if self.fwd else "hit"]
        if self.ttl is not None:
            words.append(f"ttl={self.ttl}")
        if self.collapsed:
            words.append("collapsed")
        if self.stored:
            words.append("stored")
        if self.detail:
            words.append(f"detail={self.detail}")
        return "; ".join(words)


@dataclass(frozen=True, slots=True)
class Reply:
    """Send the octets of a response to a requester; `status` is a Cache-Status."""

    device: EUI
    recipient: EUI
    octets: bytes
    status: str
    age: int | None = None
    """Whole seconds since receipt, if the readings were kept."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Warn the operator of two valid and different replies to one command.

    One of them was forged, or the counter was used twice.
    """

    device: EUI
    party: EUI
    counter: int
    """The originator counter of the command."""


Question = Claim | Cover | Wait | Settle | Put | Flush | Reserve
Effect = Question | Abandon | Forward | Reply | Alarm
