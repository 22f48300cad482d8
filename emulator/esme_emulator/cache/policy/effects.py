"""What the cache's policy asks to be done; the service does it, in the order of the list.

Several are questions: their answers go back to the policy, to the method that is named. `flight`
is the policy's number for requests that wait for the same readings; what a store needs to know
it by, such as a lease, is the service's.
"""

from dataclasses import dataclass
from enum import Enum, auto

from esme_emulator.cache.entry import Entry, Key
from gbcs import EUI


class Claimed(Enum):
    """What a store says instead of an entry."""

    LEASED = auto()
    """It is this flight that asks the meter."""
    ABSENT = auto()
    """There is no entry, and no lease was asked for."""
    HELD = auto()
    """Somebody else asks the meter."""
    FAILED = auto()
    """The store cannot be used."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Look `key` up in the store: an entry received after that Unix time.

    With `lease` a lease is taken where there is none. Goes back to `claimed`.
    """

    flight: int
    key: Key
    received_after: float
    lease: bool


@dataclass(frozen=True, slots=True)
class Cover:
    """Look for an entry with a window that holds that of `key`. Goes back to `covered`."""

    flight: int
    key: Key
    received_after: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until whoever asks the meter has settled. Goes back to `settled`."""

    flight: int


@dataclass(frozen=True, slots=True)
class Settle:
    """End the lease of a flight with what came, None for nothing, and keep `entry`.

    Where the flight has none, only keep `entry`. Goes back to `kept`.
    """

    flight: int
    key: Key
    readings: bytes | int | None
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Abandon:
    """Let the lease of a flight run out at once: others may ask the meter."""

    flight: int


@dataclass(frozen=True, slots=True)
class Put:
    """Keep `entry` under `key`, without a lease. Goes back to `was_put`."""

    number: int
    key: Key
    entry: Entry


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop all entries of `device`, or of all devices, received after that Unix time.

    Goes back to `flushed`.
    """

    number: int
    device: EUI | None
    received_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Reserve:
    """Take `size` own counters that nobody has, from `earliest` on. Goes back to `reserved`."""

    earliest: int
    size: int


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the octets of a command on to the device."""

    device: EUI
    octets: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """Send the octets of a response to a requester; `status` is a Cache-Status of RFC 9211."""

    device: EUI
    recipient: EUI
    octets: bytes
    status: str
    age: int | None = None
    """Whole seconds since receipt, of readings that were kept."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Tell the operator of two valid and different replies: one was forged, or a counter reused."""

    device: EUI
    party: EUI
    counter: int
    """The originator counter of the command."""


Effect = Alarm | Claim | Cover | Wait | Settle | Abandon | Put | Flush | Reserve | Forward | Reply
