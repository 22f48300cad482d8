"""What the cache's policy asks to be done; the service does it, in the order of the list."""

from dataclasses import dataclass

from emulator.cache.entry import Entry, Key
from gbcs import EUI


@dataclass(frozen=True, slots=True)
class Look:
    """Look `key` up in the store, then tell the policy what was `found`."""

    key: Key


@dataclass(frozen=True, slots=True)
class Keep:
    """Put `entry` into the store under `key`."""

    key: Key
    entry: Entry


@dataclass(frozen=True, slots=True)
class Reserve:
    """Record durably that own counters up to `counter` may be in use, before going on."""

    counter: int


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


Effect = Look | Keep | Reserve | Forward | Reply
