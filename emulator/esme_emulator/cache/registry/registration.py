"""Registrations of parties for devices, changes of them, and an index that finds them. Pure data.

Days are UTC, counted from 2000-01-01. A registration lasts from its first day up to, not including,
the day on which it ends. What registrations entitle to is the business of `registry`.
"""

from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated

from pydantic import Field

from esme_emulator.estate.parties import Roles
from esme_emulator.runtime.config import Day, Device, Takes
from gbcs import EUI
from gbcs.instants import DAY, EPOCH_UNIX, day_of
from gbcs.tables.roles import Role

_EVERY, _TO = "*", " to "
_EUI_BITS = 64
_FIRST_EUI, _LAST_EUI = EUI(bytes(8)), EUI(b"\xff" * 8)
_number, _registration = itemgetter(0), itemgetter(1)


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices from EUI `first` to EUI `last`, both included; all devices by default."""

    first: EUI = _FIRST_EUI
    last: EUI = _LAST_EUI

    @classmethod
    def parse(cls, text: str) -> "Devices":
        """Return the devices of `*`, an EUI or `EUI to EUI`. Raises `ValueError`."""
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


def _read_devices(value: object) -> Devices:
    if not isinstance(value, str):
        raise ValueError
    return Devices.parse(value)


@dataclass(frozen=True, slots=True)
class Registration:
    """A party is registered for `devices` from day `start` up to, not including, day `end`.

    Without `start` or `end` there is no limit. Without `roles` it is registered in all its roles.
    """

    party: Device
    devices: Annotated[
        Devices, Takes('"*", an EUI-64, a range "EUI to EUI", or a list of these', _read_devices)
    ] = EVERY_DEVICE
    start: Annotated[Day | None, Field(alias="from")] = None
    end: Annotated[Day | None, Field(alias="to")] = None
    roles: Roles | None = None

    def contradictions(self, parties: Mapping[EUI, frozenset[Role]]) -> Iterator[str]:
        """Yield key and reason of each contradiction to the roles of `parties`, or in itself."""
        others = (self.roles or frozenset()) - parties.get(self.party, frozenset())
        if self.party not in parties:
            yield f"party: {self.party} is not in the [[party]] entries"
        elif others:
            yield f"roles: {self.party} is not {', '.join(sorted(others))}"
        if self.start is not None and self.end is not None and self.end <= self.start:
            yield f"to: {self.end} is not after {self.start}"

    def days(self) -> tuple[int, int]:
        """Return the first day, and the day after the last, counted from 2000-01-01."""
        first = 0 if self.start is None else day_of(self.start)
        return first, 1 << 32 if self.end is None else day_of(self.end)

    def begins(self) -> int:
        """Return the first day, counted from 2000-01-01."""
        return self.days()[0]

    def ends(self) -> int:
        """Return the day after the last, counted from 2000-01-01."""
        return self.days()[1]

    def is_in(self, role: Role) -> bool:
        """Return whether it includes `role`, for a party that has that role."""
        return self.roles is None or role in self.roles

    def holds(self, day: int) -> bool:
        """Return whether `day`, counted from 2000-01-01, is one of its days."""
        first, end = self.days()
        return first <= day < end


@dataclass(frozen=True, slots=True)
class ChangeOfSupplier:
    """From `day` on `new` supplies `device` in place of `old`."""

    device: Device
    old: Device
    new: Device
    day: Day


@dataclass(frozen=True, slots=True)
class ChangeOfTenancy:
    """From `day` on another consumer is at `device`."""

    device: Device
    day: Day


Change = Registration | ChangeOfSupplier | ChangeOfTenancy
"""A change of a registry: a registration to add, or a change of those it has."""


@dataclass(frozen=True, slots=True)
class ReceivedChange:
    """A change, and when a cache received it."""

    change: Change
    at: float | None = None
    """Unix time in seconds, or None if unknown."""


def day_at(now: float) -> int:
    """Return the day of `now`, Unix time in seconds, counted from 2000-01-01."""
    return int(now - EPOCH_UNIX) // DAY


class Handovers:
    """The times since which devices have had their supplier and consumer.

    Readings that were received before the latest of them do not count any more.
    """

    __slots__ = ("_days", "_latest_received", "_undated")

    def __init__(self) -> None:
        self._days: list[int] = []
        self._latest_received = 0.0
        self._undated: set[Change] = set()

    def begin(self, day: int) -> None:
        """Note that another supplier or consumer begins on `day`, counted from 2000-01-01."""
        place = bisect_right(self._days, day)
        if not place or self._days[place - 1] != day:
            self._days.insert(place, day)

    def note_received(self, change: Change, received: float | None) -> None:
        """Note when a cache last received a change: Unix time in seconds, None if unknown."""
        if received is None:
            self._undated.add(change)
        else:
            self._undated.discard(change)
            self._latest_received = max(self._latest_received, received)

    def latest(self, today: int, started: float) -> float:
        """Return the Unix time of the latest handover that is not after the day `today`.

        A change of unknown time counts as received at `started`.
        """
        place = bisect_right(self._days, today)
        begun = self._days[place - 1] * DAY + EPOCH_UNIX if place else 0.0
        return max(begun, self._latest_received, started if self._undated else 0.0)


class Block:
    """Registrations for one block of devices, each with its number, in the order of numbers."""

    __slots__ = ("by_first_day", "by_party", "handovers")

    def __init__(self) -> None:
        self.by_party: dict[EUI, list[tuple[int, Registration]]] = {}
        self.by_first_day: dict[int, list[tuple[int, Registration]]] = {}
        self.handovers = Handovers()

    def add(self, number: int, registration: Registration, *, supplies: bool) -> None:
        """Add a registration; `supplies` tells whether it is one of a supplier."""
        self.by_party.setdefault(registration.party, []).append((number, registration))
        if supplies:
            first = registration.begins()
            self.by_first_day.setdefault(first, []).append((number, registration))
            if registration.start is not None:
                self.handovers.begin(first)


class Index:
    """Registrations by blocks of devices, so that a check looks at few of them.

    A range of EUIs is split into aligned blocks of 2^n EUIs, as routers split addresses. So a
    registration is in at most 126 blocks, and each device is in one block of each size.
    """

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], Block] = {}
        self._sizes: list[int] = []
        """Each n for which there are blocks of 2^n devices."""
        self.number = 0
        """Number of the registration that was added last."""

    def add(self, registration: Registration, *, supplies: bool) -> None:
        """Add a registration; `supplies` tells whether it is one of a supplier."""
        self.number += 1
        for place in _split(registration.devices):
            block = self._blocks.get(place)
            if block is None:
                block = self._blocks[place] = Block()
                if place[0] not in self._sizes:
                    insort(self._sizes, place[0])
            block.add(self.number, registration, supplies=supplies)

    def has(self, party: EUI) -> bool:
        """Return whether there is a registration of `party`."""
        return any(party in block.by_party for block in self._blocks.values())

    def at(self, device: EUI) -> list[Block]:
        """Return the blocks that contain `device`."""
        address, blocks = int.from_bytes(device, "big"), []
        for size in self._sizes:
            block = self._blocks.get((size, address >> size))
            if block is not None:
                blocks.append(block)
        return blocks

    def held_by(self, party: EUI, device: EUI, after: int = 0) -> list[Registration]:
        """Return the registrations of `party` for `device` with numbers above `after`."""
        found: list[Registration] = []
        for block in self.at(device):
            if numbered := block.by_party.get(party):
                found += added_since(numbered, after)
        return found

    def latest_handover(self, device: EUI, now: float, started: float) -> float:
        """Return the latest handover of `device` at `now`, as `Handovers.latest` does."""
        today, latest = day_at(now), 0.0
        for block in self.at(device):
            latest = max(latest, block.handovers.latest(today, started))
        return latest

    def of(self, devices: Devices) -> Iterator[Block]:
        """Yield the blocks that make up `devices`, for which there is a registration."""
        for place in _split(devices):
            yield self._blocks[place]


class Holdings:
    """All registrations for one device whose registrations were changed."""

    def __init__(self) -> None:
        self.by_party: dict[EUI, list[Registration]] = {}
        """Ordered by the days on which they end."""
        self.by_first_day: dict[int, list[Registration]] = {}
        """Registrations of suppliers."""
        self.handovers = Handovers()
        self.number = 0
        """Number of the last registration in it; later ones are in the index."""

    def add(self, registration: Registration, *, supplies: bool) -> None:
        """Add a registration; `supplies` tells whether it is one of a supplier."""
        insort(self.by_party.setdefault(registration.party, []), registration, key=_end)
        if supplies:
            first = registration.begins()
            self.by_first_day.setdefault(first, []).append(registration)
            if registration.start is not None:
                self.handovers.begin(first)

    def lasting(self, party: EUI, day: int) -> list[Registration]:
        """Return the registrations of `party` that end after the beginning of `day`."""
        registrations = self.by_party.get(party, [])
        return registrations[bisect_right(registrations, day, key=_end) :]

    def take(self, party: EUI, day: int) -> list[Registration]:
        """Remove the registrations that `lasting` returns, and return them."""
        taken = self.lasting(party, day)
        if taken:
            del self.by_party[party][-len(taken) :]
        for one in taken:
            alike = self.by_first_day.get(one.begins(), [])
            if one in alike:
                alike.remove(one)
        return taken


def added_since(numbered: list[tuple[int, Registration]], number: int) -> list[Registration]:
    """Return the registrations that were added after the one with `number`."""
    first = bisect_right(numbered, number, key=_number)
    return list(map(_registration, numbered[first:]))


def _end(registration: Registration) -> int:
    return registration.ends()


def _split(devices: Devices) -> Iterator[tuple[int, int]]:
    """Yield the fewest aligned blocks that make up a range: (n, first EUI >> n)."""
    first, last = int(devices.first), int(devices.last)
    while first <= last:
        aligned = (first & -first).bit_length() - 1 if first else _EUI_BITS
        size = min(aligned, (last - first + 1).bit_length() - 1)
        yield size, first >> size
        first += 1 << size
