"""Entitlement: which party may read what, by its roles and its registrations for devices.

Pure. `Registry.check` is called before any request is answered or forwarded, hit or not. On the day
of a change of supplier both suppliers are entitled.

Equal changes are one change, told again. It is made once, at its first place among the changes, so
that it does not undo a later change.

Source: DUIS error E4, role not authorised for this device and the required dates; the roles of
each service reference are in `gbcs.tables.roles`.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Protocol

from esme_emulator.cache.registry.registration import (
    Change,
    ChangeOfSupplier,
    ChangeOfTenancy,
    Devices,
    Handovers,
    Holdings,
    Index,
    ReceivedChange,
    Registration,
    added_since,
    day_at,
)
from esme_emulator.estate.parties import PARTIES, SUPPLIER_ROLES, Party, PartyList
from gbcs import EUI
from gbcs.instants import DAY, day_of
from gbcs.tables.roles import ENTITLEMENTS, Role
from gbcs.usecases.profile_read import Window

_NO_HOLDINGS = Holdings()


class Reason(StrEnum):
    """Why a party is not entitled to a read."""

    UNKNOWN_PARTY = "unknown-party"
    ROLE_NOT_ENTITLED = "role-not-entitled"
    NOT_REGISTERED = "not-registered"


_NO_FILE = "there is no registry file to keep it beside: give --registry FILE"


class Journal(Protocol):
    """Keeps changes for the next process, and for others on the same registry."""

    def others(self) -> Iterable[ReceivedChange]:
        """Return the changes that other processes have kept since the last call."""

    def keep(self, received: ReceivedChange) -> str:
        """Keep a change; return why it will be lost when the process ends, or an empty string.

        Raises `ValueError` if there is no room for the change; then it must not be made.
        """


class _Nowhere:
    def others(self) -> Iterable[ReceivedChange]:
        return ()

    def keep(self, received: ReceivedChange) -> str:
        return _NO_FILE


class Registry:
    """Parties by EUI with their roles, and registrations.

    Suppliers need a registration. Any other party is entitled to every device and all dates, unless
    it is named in `registrations`; a registration added later restricts it for its devices alone.
    Raises `ValueError` for a registration of an unknown party.

    The argument `received` of a change is the Unix time in seconds at which a cache received it. An
    unknown time, None, counts as the time at which this registry was first asked.
    """

    def __init__(
        self,
        parties: Iterable[tuple[EUI, Iterable[Role]]],
        registrations: Iterable[Registration] = (),
    ) -> None:
        self._roles = {eui: frozenset(roles) for eui, roles in parties}
        self._index = Index()
        self._own: dict[EUI, Holdings] = {}
        """All registrations for a device, if a change was for it alone."""
        self._named: set[EUI] = set()
        """Parties that are entitled by registrations alone, for every device."""
        self._made: set[Change] = set()
        self._started: float | None = None
        """When `changed` was first called."""
        self.version = 0
        """Grows with every change. `check` gives the same answers for one version and day."""
        self.journal: AbstractContextManager[Journal] = nullcontext(_Nowhere())
        """Entered for each change, so that no other process keeps one meanwhile."""
        self.forgotten = ""
        """Why the last change will be lost when the process ends; empty if it is kept."""
        self.party_list = PartyList()
        """Names of the parties, if they are known, and the keys in the registry's file."""
        self.repeated = False
        """Whether the last change had been made before."""
        for registration in registrations:
            self._check_party(registration.party)
            self._add(registration)
            self._named.add(registration.party)
        self._users = tuple(
            eui for eui, roles in self._roles.items() if Role.OU in roles and eui not in self._named
        )
        """Other users that are entitled to every device until a change of tenancy."""

    def knows(self, party: EUI) -> bool:
        """Return whether `party` is a party of this registry."""
        return party in self._roles

    def roles(self, party: EUI) -> frozenset[Role]:
        """Return the roles of `party`, none if it is not a party of this registry."""
        return self._roles.get(party, frozenset())

    def parties(self) -> dict[EUI, frozenset[Role]]:
        """Return the roles of every party, by its EUI, in their order."""
        return dict(sorted(self._roles.items()))

    def registrations(self, device: EUI) -> list[Registration]:
        """Return the past, current and future registrations for `device`, by party and day."""
        return sorted(self._of(device), key=_order)

    def why_all_refused(self, party: EUI) -> str:
        """Return why all requests of `party` are refused until a change; empty if not all are."""
        roles = self._roles.get(party)
        if roles is None:
            return "it is not in the registry"
        if roles <= SUPPLIER_ROLES and not self._is_registered(party):
            return "no registration covers a meter for it"
        return ""

    def _is_registered(self, party: EUI) -> bool:
        own = any(holdings.by_party.get(party) for holdings in self._own.values())
        return own or self._index.has(party)

    def check(
        self, party: EUI, device: EUI, srv: str, window: Window | None, now: float
    ) -> Reason | None:
        """Return why `party` may not read `window` of `srv` from `device`, or None if it may.

        Without a window the day required is that of `now`, Unix time in seconds. Roles are ignored
        if the table has none for `srv`.
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
        mine = self._held_by(party, device)
        for role in roles:
            if self._covers(mine, party, role, device, first, last):
                return None
        return Reason.NOT_REGISTERED if roles else Reason.ROLE_NOT_ENTITLED

    def changed(self, device: EUI, now: float) -> float:
        """Return since when `device` has had its supplier and consumer.

        Readings received up to then must not be served, even if a store still has them. Both are
        Unix times in seconds; 0 if nothing ever changed. It is the latest of: past days on which a
        supplier's registration or a change began; and times at which a cache was told of a change,
        or of a registration that had begun.
        """
        if self._started is None:
            self._started = now
        own, started = self._own.get(device), self._started
        latest = self._index.latest_handover(device, now, started)
        return latest if own is None else max(latest, own.handovers.latest(day_at(now), started))

    # Changes

    def register(self, registration: Registration, received: float | None = None) -> None:
        """Add a registration. Raises `ValueError` if its party is not known."""
        self.make(registration, received)

    def change_of_supplier(
        self, device: EUI, old: EUI, new: EUI, day: date, received: float | None = None
    ) -> None:
        """Let `new` supply `device` from `day` on, until the registration of `old` would end.

        This is for the supplier roles that `new` has; in other roles `old` keeps its registrations.
        Raises `ValueError` if `new` is not another supplier, or `old` is not registered as one on
        that day.
        """
        self.make(ChangeOfSupplier(device, old, new, day), received)

    def change_of_tenancy(self, device: EUI, day: date, received: float | None = None) -> None:
        """End on `day` what other users may read of `device`: the former consumer had consented.

        Register other users again, from `day` on, if the new consumer consents. Registrations in
        other roles stay.
        """
        self.make(ChangeOfTenancy(device, day), received)

    def make(self, change: Change, received: float | None = None) -> None:
        """Make a change and keep it. Raises `ValueError` if it is not possible.

        The changes that other processes have kept are made before, so that all processes with one
        journal make the changes in one order.
        """
        with self.journal as journal:
            for other in journal.others():
                with suppress(ValueError):  # the next start says what is wrong with it
                    self.learn(other)
            repeated = change in self._made
            if not repeated:
                self._check(change)
            # Written before it is made: a change without room in the file must not be made.
            self.forgotten = journal.keep(ReceivedChange(change, received))
            self.repeated = repeated
            self._apply(ReceivedChange(change, received))

    def learn(self, received: ReceivedChange) -> None:
        """Make a change that is kept already. Raises `ValueError` if it is not possible."""
        if received.change not in self._made:
            self._check(received.change)
        self._apply(received)

    def _check(self, change: Change) -> None:
        """Raise `ValueError` if a change is not possible."""
        match change:
            case Registration(party=party):
                self._check_party(party)
            case ChangeOfSupplier(device, old, new, day):
                self._check_party(new)
                if new == old:
                    raise ValueError(f"{new} is the old supplier too")
                roles = self._roles[new] & SUPPLIER_ROLES
                if not roles:
                    names = _names(self._roles[new])
                    raise ValueError(f"{new} is not a supplier: its roles are {names}")
                held = self._held_by(old, device, ends_after=day_of(day))
                if not any(one.holds(day_of(day)) and self._in(one) & roles for one in held):
                    names = _names(roles)
                    raise ValueError(f"{old} is not registered for {device} on {day} as {names}")

    def _check_party(self, party: EUI) -> None:
        if party not in self._roles:
            raise ValueError(f"{party} is not a party")

    def _apply(self, received: ReceivedChange) -> None:
        change = received.change
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
        for handovers in self._concerned(received):
            handovers.note_received(change, received.at)

    def _concerned(self, received: ReceivedChange) -> Iterator[Handovers]:
        """Yield the handovers that a change makes at the time at which a cache is told of it.

        A registration of a supplier is one if it has begun by then; a later one is a handover on
        its first day. Registrations of other parties hand nothing over.
        """
        change = received.change
        if not isinstance(change, Registration):
            yield self._own[change.device].handovers
        elif (
            change.start is not None
            and self._supplies(change)
            and (received.at is None or change.begins() <= day_at(received.at))
        ):
            for block in self._index.of(change.devices):
                yield block.handovers

    def _add(self, registration: Registration) -> None:
        self._index.add(registration, supplies=self._supplies(registration))

    def _hand_over(self, change: ChangeOfSupplier) -> None:
        """Give the new supplier the old one's registrations from the day on, in its own roles."""
        day = change.day
        roles = self._roles[change.new] & SUPPLIER_ROLES
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
        """End what other users may read of a device, with and without a registration."""
        device, day, users = change.device, change.day, frozenset({Role.OU})
        own = self._owned(device)
        for party in list(own.by_party):
            if Role.OU in self._roles[party]:
                for one in own.take(party, day_of(day)):
                    for left in self._ended(one, users, day):
                        self._keep_own(own, left)
        for party in self._users:
            if not any(one.is_in(Role.OU) for one in own.by_party.get(party, ())):
                ended = Registration(party, Devices(device, device), end=day, roles=users)
                self._keep_own(own, ended)
        own.handovers.begin(day_of(day))

    def _ended(
        self, one: Registration, roles: frozenset[Role], day: date
    ) -> Iterator[Registration]:
        """Yield what is left of a registration that ends on `day` in `roles` but not in others.

        One that begins later is left without days: its party is entitled by registrations alone.
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

    # Registrations of a device: its own, and those in the index with later numbers

    def _owned(self, device: EUI) -> Holdings:
        """Return all registrations for `device`, separate from those of others, to be changed."""
        own = self._own.get(device)
        if own is None:
            own = self._own[device] = Holdings()
        for block in self._index.at(device):
            for numbered in block.by_party.values():
                for one in added_since(numbered, own.number):
                    self._keep_own(own, one)
        own.number = self._index.number
        return own

    def _keep_own(self, own: Holdings, one: Registration) -> None:
        own.add(one, supplies=self._supplies(one))

    def _of(self, device: EUI) -> Iterator[Registration]:
        """Yield all registrations for `device`."""
        own = self._own.get(device, _NO_HOLDINGS)
        for registrations in own.by_party.values():
            yield from registrations
        for block in self._index.at(device):
            for numbered in block.by_party.values():
                yield from added_since(numbered, own.number)

    def _held_by(self, party: EUI, device: EUI, ends_after: int = -1) -> list[Registration]:
        """Return the registrations of `party` for `device`.

        Those that end by the day `ends_after`, counted from 2000-01-01, may be left out.
        """
        own = self._own.get(device)
        if own is None:
            return self._index.held_by(party, device)
        later = self._index.held_by(party, device, after=own.number)
        return [*own.lasting(party, ends_after), *later]

    def _supplied_from(self, day: int, device: EUI) -> list[Registration]:
        """Return the registrations of suppliers for `device` that begin on `day`."""
        own = self._own.get(device, _NO_HOLDINGS)
        found = list(own.by_first_day.get(day, ()))
        for block in self._index.at(device):
            found += added_since(block.by_first_day.get(day, []), own.number)
        return found

    def _in(self, registration: Registration) -> frozenset[Role]:
        """Return the roles that a party is registered in."""
        roles = self._roles[registration.party]
        return roles if registration.roles is None else roles & registration.roles

    def _supplies(self, registration: Registration) -> bool:
        return bool(self._in(registration) & SUPPLIER_ROLES)

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
        spans = []
        for one in mine:
            if one.roles is None or role in one.roles:
                spans.append(self._days(one, role, device))
        if not spans:
            return self._needs_none(party, role)
        spans.sort()
        for start, end in spans:
            if start <= first < end:
                first = end
        return first > last

    def _needs_none(self, party: EUI, role: Role) -> bool:
        """Return whether `party`, in `role`, needs no registration for a device without any."""
        return role not in SUPPLIER_ROLES and party not in self._named

    def _days(self, one: Registration, role: Role, device: EUI) -> tuple[int, int]:
        """Return first day and day after the last; the day of a change of supplier is included."""
        first, end = one.days()
        if one.end is None or role not in SUPPLIER_ROLES:
            return first, end
        changed = any(
            other.party != one.party and other.is_in(role) and role in self._roles[other.party]
            for other in self._supplied_from(end, device)
        )
        return first, end + changed


def _order(one: Registration) -> tuple[object, ...]:
    roles = () if one.roles is None else tuple(sorted(one.roles))
    return one.party, one.begins(), one.ends(), one.devices.first, one.devices.last, roles


def default_registry(parties: Iterable[Party] = PARTIES) -> Registry:
    """Return a registry of `parties`, for every device and all dates."""
    found = tuple(parties)
    registry = Registry(
        [(party.eui, party.roles) for party in found],
        [Registration(party.eui) for party in found if party.supplies],
    )
    registry.party_list = PartyList(found)
    return registry


def _names(roles: Iterable[Role]) -> str:
    return ", ".join(sorted(roles))
