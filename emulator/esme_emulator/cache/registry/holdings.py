"""Registrations by device, party and day, so that a check looks at few of them. Pure data.

Knows how to find registrations; what they entitle to is the business of
`esme_emulator.cache.registry.registry`.
"""

from bisect import bisect_right, insort
from collections.abc import Iterator
from operator import itemgetter

from esme_emulator.cache.registry.registration import Change, Devices, Registration
from gbcs import EUI
from gbcs.instants import DAY, EPOCH_UNIX

_BITS = 64
"""Length of an EUI, in bits."""

_number = itemgetter(0)


class Handovers:
    """When devices got the supplier or the consumer that they have.

    All by which readings that were received before count no more.
    """

    __slots__ = ("_days", "_told", "_undated")

    def __init__(self) -> None:
        self._days: list[int] = []
        self._told = 0.0
        self._undated: set[Change] = set()

    def begin(self, day: int) -> None:
        """Note that another supplier or consumer begins on `day`, counted from 2000-01-01."""
        place = bisect_right(self._days, day)
        if not place or self._days[place - 1] != day:
            self._days.insert(place, day)

    def tell(self, change: Change, told: float | None) -> None:
        """Note when a change was told last: Unix time in seconds, or None if nobody knows."""
        if told is None:
            self._undated.add(change)
        else:
            self._undated.discard(change)
            self._told = max(self._told, told)

    def latest(self, today: int, started: float) -> float:
        """Return the Unix time of the latest handover that is not after the day `today`.

        A change of unknown time was told by `started` at the latest.
        """
        place = bisect_right(self._days, today)
        begun = self._days[place - 1] * DAY + EPOCH_UNIX if place else 0.0
        return max(begun, self._told, started if self._undated else 0.0)


class Block:
    """Registrations for one block of devices, each with its number, in the order of these."""

    __slots__ = ("by_first_day", "by_party", "handovers")

    def __init__(self) -> None:
        self.by_party: dict[EUI, list[tuple[int, Registration]]] = {}
        self.by_first_day: dict[int, list[tuple[int, Registration]]] = {}
        self.handovers = Handovers()

    def add(self, number: int, registration: Registration, *, supplies: bool) -> None:
        """Add a registration; `supplies` says whether it is one of a supplier."""
        self.by_party.setdefault(registration.party, []).append((number, registration))
        if supplies:
            first = registration.begins()
            self.by_first_day.setdefault(first, []).append((number, registration))
            if registration.start is not None:
                self.handovers.begin(first)


class Index:
    """Registrations by the blocks of devices that they are for.

    A range of EUIs is split into aligned blocks, each of 2^n EUIs, as routers split addresses. So a
    registration is in 126 blocks at most, and each device is in one block of each size.
    """

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], Block] = {}
        self._sizes: list[int] = []
        """Each n for which there are blocks of 2^n devices."""
        self.number = 0
        """Number of the last registration that was added."""

    def add(self, registration: Registration, *, supplies: bool) -> None:
        """Add a registration; `supplies` says whether it is one of a supplier."""
        self.number += 1
        for place in _split(registration.devices):
            block = self._blocks.get(place)
            if block is None:
                block = self._blocks[place] = Block()
                if place[0] not in self._sizes:
                    insort(self._sizes, place[0])
            block.add(self.number, registration, supplies=supplies)

    def at(self, device: EUI) -> Iterator[Block]:
        """Yield the blocks that `device` is in."""
        address = int(device)
        for size in self._sizes:
            block = self._blocks.get((size, address >> size))
            if block is not None:
                yield block

    def of(self, devices: Devices) -> Iterator[Block]:
        """Yield the blocks that make up `devices`, of which there is a registration."""
        for place in _split(devices):
            yield self._blocks[place]


class Holdings:
    """All registrations for one device for which something was changed."""

    def __init__(self) -> None:
        self.by_party: dict[EUI, list[Registration]] = {}
        """In the order of the days on which they end."""
        self.by_first_day: dict[int, list[Registration]] = {}
        """Registrations of suppliers."""
        self.handovers = Handovers()
        self.number = 0
        """Number of the last registration in it; an index has those that were added later."""

    def add(self, registration: Registration, *, supplies: bool) -> None:
        """Add a registration; `supplies` says whether it is one of a supplier."""
        insort(self.by_party.setdefault(registration.party, []), registration, key=_end)
        if supplies:
            first = registration.begins()
            self.by_first_day.setdefault(first, []).append(registration)
            if registration.start is not None:
                self.handovers.begin(first)

    def lasting(self, party: EUI, day: int) -> list[Registration]:
        """Return the registrations of `party` that last beyond the beginning of `day`."""
        registrations = self.by_party.get(party, [])
        return registrations[bisect_right(registrations, day, key=_end) :]

    def take(self, party: EUI, day: int) -> list[Registration]:
        """Take out the registrations that `lasting` returns, and return them."""
        taken = self.lasting(party, day)
        if taken:
            del self.by_party[party][-len(taken) :]
        for one in taken:
            alike = self.by_first_day.get(one.begins(), [])
            if one in alike:
                alike.remove(one)
        return taken


def since(numbered: list[tuple[int, Registration]], number: int) -> Iterator[Registration]:
    """Yield the registrations that were added after the one with `number`."""
    for place in range(bisect_right(numbered, number, key=_number), len(numbered)):
        yield numbered[place][1]


def _end(registration: Registration) -> int:
    return registration.ends()


def _split(devices: Devices) -> Iterator[tuple[int, int]]:
    """Yield the fewest aligned blocks that make up a range: (n, first EUI >> n)."""
    first, last = int(devices.first), int(devices.last)
    while first <= last:
        aligned = (first & -first).bit_length() - 1 if first else _BITS
        size = min(aligned, (last - first + 1).bit_length() - 1)
        yield size, first >> size
        first += 1 << size
