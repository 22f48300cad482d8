"""Who is registered for which devices over which days, and changes of that. Data.

Days are UTC, counted from 2000-01-01. A registration lasts from its first day up to, not including,
the day it ends.
"""

from dataclasses import dataclass
from datetime import date

from gbcs import EUI
from gbcs.instants import DAY, EPOCH_UNIX
from gbcs.tables.roles import Role

_EPOCH = date(2000, 1, 1)
_EVERY, _TO = "*", " to "
_FIRST_EUI, _LAST_EUI = EUI(bytes(8)), EUI(b"\xff" * 8)


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices from EUI `first` to EUI `last`, both included; all of them by default."""

    first: EUI = _FIRST_EUI
    last: EUI = _LAST_EUI

    @classmethod
    def parse(cls, text: str) -> "Devices":
        """Return the devices of `*`, an EUI or `EUI to EUI`. Raises `ValueError`, one line."""
        if text.strip() == _EVERY:
            return cls()
        first, to, last = text.partition(_TO)
        devices = cls(EUI.parse(first), EUI.parse(last if to else first))
        if devices.last < devices.first:
            raise ValueError(f"{devices.last} is before {devices.first}")
        return devices

    def __contains__(self, device: EUI) -> bool:
        return self.first <= device <= self.last

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        if self == EVERY_DEVICE:
            return _EVERY
        return str(self.first) + ("" if self.first == self.last else f"{_TO}{self.last}")


EVERY_DEVICE = Devices()


@dataclass(frozen=True, slots=True)
class Registration:
    """A party is registered for `devices` from day `start` up to, not including, day `end`.

    None stands for no limit. `roles` are those it is registered in, None for all that it has.
    """

    party: EUI
    devices: Devices = EVERY_DEVICE
    start: date | None = None
    end: date | None = None
    roles: frozenset[Role] | None = None

    def begins(self) -> int:
        """Return the first day, counted from 2000-01-01."""
        return 0 if self.start is None else day_of(self.start)

    def ends(self) -> int:
        """Return the day after the last, counted from 2000-01-01."""
        return 1 << 32 if self.end is None else day_of(self.end)

    def is_in(self, role: Role) -> bool:
        """Return whether it is in `role`, of a party that has it."""
        return self.roles is None or role in self.roles

    def holds(self, day: int) -> bool:
        """Return whether `day`, counted from 2000-01-01, is one of its days."""
        return self.begins() <= day < self.ends()


@dataclass(frozen=True, slots=True)
class ChangeOfSupplier:
    """From `day` on `new` supplies `device` in place of `old`."""

    device: EUI
    old: EUI
    new: EUI
    day: date


@dataclass(frozen=True, slots=True)
class ChangeOfTenancy:
    """From `day` on another consumer is at `device`."""

    device: EUI
    day: date


Change = Registration | ChangeOfSupplier | ChangeOfTenancy
"""What a registry is told: a registration to add, or a change of what it has."""


@dataclass(frozen=True, slots=True)
class Told:
    """A change, and when a cache was told of it."""

    change: Change
    at: float | None = None
    """Unix time in seconds, None if nobody knows."""


def day_of(day: date) -> int:
    """Return a day, counted from 2000-01-01."""
    return (day - _EPOCH).days


def day_at(now: float) -> int:
    """Return the day of `now`, Unix time in seconds, counted from 2000-01-01."""
    return int(now - EPOCH_UNIX) // DAY
