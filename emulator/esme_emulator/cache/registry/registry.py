"""Who may have which readings: parties and their roles, and who is registered for which device.

Pure data and one question, `check`; it is asked before anything is answered or forwarded, whether
the readings are in the cache or not. On the day of a change of supplier both suppliers are
entitled.

What a change says is its identity: an equal one is the same change, told again. It is made once, at
its first place among the changes, so that it restores nothing that another took away since.

Source: DUIS error E4, role not authorised for this device and the required dates; the roles of
each service reference are in `gbcs.tables.roles`.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Protocol

from esme_emulator.cache.registry.holdings import Handovers, Holdings, Index, since
from esme_emulator.cache.registry.registration import (
    Change,
    ChangeOfSupplier,
    ChangeOfTenancy,
    Devices,
    Registration,
    Told,
    day_at,
    day_of,
)
from esme_emulator.estate.parties import PARTIES
from gbcs import EUI
from gbcs.instants import DAY
from gbcs.tables.roles import ENTITLEMENTS, Role
from gbcs.usecases.profile_read import Window

_SUPPLIERS = frozenset({Role.IS, Role.ES, Role.GS})


class Reason(StrEnum):
    """Why a party may not have what it asks for."""

    UNKNOWN_PARTY = "unknown-party"
    ROLE_NOT_ENTITLED = "role-not-entitled"
    NOT_REGISTERED = "not-registered"


_NO_FILE = "there is no registry file that it could be kept beside: give --registry FILE"


class Journal(Protocol):
    """Where changes are kept, for the next process and for others on the same registry."""

    def others(self) -> Iterable[Told]:
        """Return the changes that other processes have kept since this was asked last."""

    def keep(self, told: Told) -> str:
        """Keep a change; return why it is forgotten when the process ends, or nothing.

        Raises `ValueError` if there is no room for it, so that it must not be made.
        """


class _Nowhere:
    def others(self) -> Iterable[Told]:
        return ()

    def keep(self, told: Told) -> str:
        return _NO_FILE


class Registry:
    """Parties by EUI with their roles, and registrations.

    Suppliers need a registration. Any other party has every device and all dates, unless it is
    named in `registrations`; one that is added later takes these from it for its devices alone.
    Raises `ValueError` for a registration of an unknown party.

    A change may come with `told`: when a cache was told of it, as a Unix time in seconds. None is
    for nobody knows, and taken as the time at which this registry was first asked.
    """

    def __init__(
        self,
        parties: Iterable[tuple[EUI, Iterable[Role]]],
        registrations: Iterable[Registration] = (),
    ) -> None:
        self._roles = {eui: frozenset(roles) for eui, roles in parties}
        self._index = Index()
        self._own: dict[EUI, Holdings] = {}
        """All that holds of a device, if something changed for it alone."""
        self._named: set[EUI] = set()
        """Parties that have nothing but what registrations say, whatever the device."""
        self._made: set[Change] = set()
        self._started: float | None = None
        """When it was first asked since when a device is as it is."""
        self.version = 0
        """Grows with every change: until then, and until the day ends, what was entitled is so."""
        self.journal: AbstractContextManager[Journal] = nullcontext(_Nowhere())
        """Entered for each change, so that no other process keeps one meanwhile."""
        self.forgotten = ""
        """Why the last change is forgotten with this process; empty if it is not."""
        self.repeated = False
        """Whether the last change had been made before."""
        for registration in registrations:
            self._check_party(registration.party)
            self._add(registration)
            self._named.add(registration.party)
        self._users = tuple(
            eui for eui, roles in self._roles.items() if Role.OU in roles and eui not in self._named
        )
        """Other users that have every device until a change of tenancy."""

    def knows(self, party: EUI) -> bool:
        """Return whether `party` is a party of this registry."""
        return party in self._roles

    def parties(self) -> dict[EUI, frozenset[Role]]:
        """Return the roles of every party, by its EUI, in their order."""
        return dict(sorted(self._roles.items()))

    def registrations(self, device: EUI) -> list[Registration]:
        """Return what holds, held or will hold of `device`, by party and first day."""
        return sorted(self._of(device), key=_order)

    def check(
        self, party: EUI, device: EUI, srv: str, window: Window | None, now: float
    ) -> Reason | None:
        """Return why `party` may not have `window` of `srv` from `device`, or None: it may.

        Without a window the day required is that of `now`, Unix time in seconds. Roles are not
        looked at where the table has none for `srv`.
        """
        roles = self._roles.get(party)
        if roles is None:
            return Reason.UNKNOWN_PARTY
        if srv in ENTITLEMENTS:
            roles &= ENTITLEMENTS[srv]
        if window is None:
            first = last = day_at(now)
        else:
            first, last = sorted((window.start // DAY, window.end // DAY))
        mine = list(self._held_by(party, device))
        if any(self._covers(mine, party, role, device, first, last) for role in roles):
            return None
        return Reason.NOT_REGISTERED if roles else Reason.ROLE_NOT_ENTITLED

    def changed(self, device: EUI, now: float) -> float:
        """Return since when readings of `device` are of the supplier and consumer that it has.

        What was received up to then is not to be served, whatever a store still has. Both are Unix
        times in seconds; 0 if nothing ever changed. It is the latest of: the days that have come on
        which a supplier's registration begins, or a change holds from; and the times at which a
        cache was told of a change, or of a registration that had begun.
        """
        if self._started is None:
            self._started = now
        today = day_at(now)
        return max((one.latest(today, self._started) for one in self._handovers(device)), default=0)

    # Changes

    def register(self, registration: Registration, told: float | None = None) -> None:
        """Add a registration. Raises `ValueError` if its party is not known."""
        self.make(registration, told)

    def change_of_supplier(
        self, device: EUI, old: EUI, new: EUI, day: date, told: float | None = None
    ) -> None:
        """Have `new` supply `device` from `day` on, in place of `old` and for as long as that had.

        It is of the roles of a supplier that `new` has; in any other `old` keeps what it has.
        Raises `ValueError` if `new` is not another supplier, or `old` not registered as one that
        day.
        """
        self.make(ChangeOfSupplier(device, old, new, day), told)

    def change_of_tenancy(self, device: EUI, day: date, told: float | None = None) -> None:
        """End what other users have for `device` on `day`: it rested on the consent of who left.

        Whom the new consumer allows is registered anew, from `day` on. What a party has in other
        roles than that of an other user stays.
        """
        self.make(ChangeOfTenancy(device, day), told)

    def make(self, change: Change, told: float | None = None) -> None:
        """Make a change, whichever it is, and keep it. Raises `ValueError` if it cannot be made.

        Before it those that other processes have kept are made, so that all processes on one
        journal make them in one order.
        """
        with self.journal as journal:
            for other in journal.others():
                with suppress(ValueError):  # the next start says what is wrong with it
                    self.learn(other)
            repeated = change in self._made
            if not repeated:
                self._check(change)
            # Written before it is made: what there is no room for is not made at all.
            self.forgotten = journal.keep(Told(change, told))
            self.repeated = repeated
            self._apply(Told(change, told))

    def learn(self, told: Told) -> None:
        """Make a change that is kept already. Raises `ValueError` if it cannot be made."""
        if told.change not in self._made:
            self._check(told.change)
        self._apply(told)

    def _check(self, change: Change) -> None:
        """Raise `ValueError` if a change cannot be made."""
        match change:
            case Registration(party=party):
                self._check_party(party)
            case ChangeOfSupplier(device, old, new, day):
                self._check_party(new)
                if new == old:
                    raise ValueError(f"{new} is the old supplier too")
                roles = self._roles[new] & _SUPPLIERS
                if not roles:
                    names = _names(self._roles[new])
                    raise ValueError(f"{new} is not a supplier: its roles are {names}")
                held = self._held_by(old, device, after=day_of(day))
                if not any(one.holds(day_of(day)) and self._in(one) & roles for one in held):
                    names = _names(roles)
                    raise ValueError(f"{old} is not registered for {device} on {day} as {names}")

    def _check_party(self, party: EUI) -> None:
        if party not in self._roles:
            raise ValueError(f"{party} is not a party")

    def _apply(self, told: Told) -> None:
        change = told.change
        if change not in self._made:
            self._made.add(change)
            match change:
                case Registration():
                    self._add(change)
                case ChangeOfSupplier():
                    self._hand_over(change)
                case ChangeOfTenancy():
                    self._end_consent(change)
        self.version += 1
        for handovers in self._concerned(told):
            handovers.tell(change, told.at)

    def _concerned(self, told: Told) -> Iterator[Handovers]:
        """Yield all that a change hands over from the time on at which a cache is told of it.

        A registration gives a supplier what had been another's if it has begun by then. One that is
        still to begin does so on its first day, and nobody else takes anything over.
        """
        change = told.change
        if not isinstance(change, Registration):
            yield self._own[change.device].handovers
        elif (
            change.start is not None
            and self._supplies(change)
            and (told.at is None or change.begins() <= day_at(told.at))
        ):
            for block in self._index.of(change.devices):
                yield block.handovers

    def _add(self, registration: Registration) -> None:
        self._index.add(registration, supplies=self._supplies(registration))

    def _hand_over(self, change: ChangeOfSupplier) -> None:
        """Give the new supplier what the old one has from the day on, in the roles of the new."""
        day = change.day
        roles = self._roles[change.new] & _SUPPLIERS
        own = self._owned(change.device)
        for one in own.take(change.old, day_of(day)):
            if not self._in(one) & roles:
                self._keep_own(own, one)
                continue
            for left in self._ended(one, roles, day):
                self._keep_own(own, left)
            start = one.start if one.begins() > day_of(day) else day
            taken = self._in(one) & roles
            self._keep_own(own, replace(one, party=change.new, start=start, roles=taken))

    def _end_consent(self, change: ChangeOfTenancy) -> None:
        """End what other users have of a device, by registrations and without any."""
        device, day, users = change.device, change.day, frozenset({Role.OU})
        own = self._owned(device)
        for party in list(own.by_party):
            if Role.OU in self._roles[party]:
                for one in own.take(party, day_of(day)):
                    for left in self._ended(one, users, day):
                        self._keep_own(own, left)
        for party in self._users:
            if self._has_all(party, Role.OU, own.by_party.get(party, ())):
                ended = Registration(party, Devices(device, device), end=day, roles=users)
                self._keep_own(own, ended)
        own.handovers.begin(day_of(day))

    def _ended(
        self, one: Registration, roles: frozenset[Role], day: date
    ) -> Iterator[Registration]:
        """Yield a registration as it is once it ends on `day` in `roles`, and goes on in others.

        One that begins later is left without a day, as it ended what its party has without any.
        """
        if not self._in(one) & roles:
            yield one
            return
        others = self._in(one) - roles
        if others:
            yield replace(one, roles=others)
        start = day if one.begins() > day_of(day) else one.start
        ended = one.roles if not others else self._in(one) & roles
        yield replace(one, start=start, end=day, roles=ended)

    # What there is

    def _owned(self, device: EUI) -> Holdings:
        """Return all that holds of `device`, apart from what holds of others, to be changed."""
        own = self._own.get(device)
        if own is None:
            own = self._own[device] = Holdings()
        for block in self._index.at(device):
            for numbered in block.by_party.values():
                for one in since(numbered, own.number):
                    self._keep_own(own, one)
        own.number = self._index.number
        return own

    def _keep_own(self, own: Holdings, one: Registration) -> None:
        own.add(one, supplies=self._supplies(one))

    def _of(self, device: EUI) -> Iterator[Registration]:
        """Yield what holds of `device`."""
        own = self._own.get(device)
        number = 0
        if own is not None:
            number = own.number
            for registrations in own.by_party.values():
                yield from registrations
        for block in self._index.at(device):
            for numbered in block.by_party.values():
                yield from since(numbered, number)

    def _held_by(self, party: EUI, device: EUI, after: int = -1) -> Iterator[Registration]:
        """Yield what holds of `device` for `party`; what had ended by day `after` may be left out.

        Days are counted from 2000-01-01.
        """
        own = self._own.get(device)
        number = 0
        if own is not None:
            number = own.number
            yield from own.lasting(party, after)
        for block in self._index.at(device):
            yield from since(block.by_party.get(party, []), number)

    def _supplied_from(self, day: int, device: EUI) -> Iterator[Registration]:
        """Yield the registrations of suppliers for `device` that begin on `day`."""
        own = self._own.get(device)
        number = 0
        if own is not None:
            number = own.number
            yield from own.by_first_day.get(day, ())
        for block in self._index.at(device):
            yield from since(block.by_first_day.get(day, []), number)

    def _handovers(self, device: EUI) -> Iterator[Handovers]:
        own = self._own.get(device)
        if own is not None:
            yield own.handovers
        for block in self._index.at(device):
            yield block.handovers

    def _in(self, registration: Registration) -> frozenset[Role]:
        """Return the roles that a party is registered in."""
        roles = self._roles[registration.party]
        return roles if registration.roles is None else roles & registration.roles

    def _supplies(self, registration: Registration) -> bool:
        return bool(self._in(registration) & _SUPPLIERS)

    def _covers(
        self,
        mine: Iterable[Registration],
        party: EUI,
        role: Role,
        device: EUI,
        first: int,
        last: int,
    ) -> bool:
        """Return whether `party`, in `role`, is entitled to every day from `first` to `last`."""
        if self._has_all(party, role, mine):
            return True
        in_role = [one for one in mine if one.is_in(role)]
        for start, end in sorted(self._days(one, role, device) for one in in_role):
            if start <= first < end:
                first = end
        return first > last

    def _has_all(self, party: EUI, role: Role, mine: Iterable[Registration]) -> bool:
        """Return whether `party` has a device in `role` without a registration among `mine`."""
        return (
            role not in _SUPPLIERS
            and party not in self._named
            and not any(one.is_in(role) for one in mine)
        )

    def _days(self, one: Registration, role: Role, device: EUI) -> tuple[int, int]:
        """Return first day and day after the last; the day of a change of supplier is in it."""
        end = one.ends()
        changed = role in _SUPPLIERS and any(
            other.party != one.party and other.is_in(role) and role in self._roles[other.party]
            for other in self._supplied_from(end, device)
        )
        return one.begins(), end + changed


def _order(one: Registration) -> tuple[object, ...]:
    roles = () if one.roles is None else tuple(sorted(one.roles))
    return one.party, one.begins(), one.ends(), one.devices.first, one.devices.last, roles


def default_registry() -> Registry:
    """Return the registry of the emulated parties: for every device, all dates."""
    return Registry(
        [(eui, (role,)) for eui, role, _ in PARTIES],
        [Registration(eui) for eui, role, _ in PARTIES if role in _SUPPLIERS],
    )


def _names(roles: Iterable[Role]) -> str:
    return ", ".join(sorted(roles))
