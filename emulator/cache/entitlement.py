"""Who may have which readings: parties and their roles, and who is registered for which device.

Pure data and one question, `check`; it is asked before anything is answered or forwarded, whether
the readings are in the cache or not. On the day of a change of supplier both suppliers are
entitled.

Source: DUIS error E4, role not authorised for this device and the required dates; the roles of
each service reference are in `gbcs.tables.roles`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from enum import StrEnum

from emulator.cache.registration import (
    Change,
    ChangeOfSupplier,
    ChangeOfTenancy,
    Devices,
    Registration,
    day_at,
    day_of,
)
from emulator.parties import PARTIES
from gbcs import EUI
from gbcs.instants import DAY, EPOCH_UNIX
from gbcs.tables.roles import ENTITLEMENTS, Role
from gbcs.usecases.profile_read import Window

_SUPPLIERS = frozenset({Role.IS, Role.ES, Role.GS})


class Reason(StrEnum):
    """Why a party may not have what it asks for."""

    UNKNOWN_PARTY = "unknown-party"
    ROLE_NOT_ENTITLED = "role-not-entitled"
    NOT_REGISTERED = "not-registered"


_NO_FILE = "there is no registry file that it could be kept beside: give --registry FILE"


class Registry:
    """Parties by EUI with their roles, and registrations.

    Suppliers need a registration. Any other party has every device and all dates, unless it is
    named in `registrations`; one that is added later takes these from it for its devices alone.
    Raises `ValueError` for a registration of an unknown party.
    """

    def __init__(
        self,
        parties: Iterable[tuple[EUI, Iterable[Role]]],
        registrations: Iterable[Registration] = (),
    ) -> None:
        self._roles = {eui: frozenset(roles) for eui, roles in parties}
        self._single: dict[EUI, list[Registration]] = {}
        self._ranges: list[Registration] = []
        self._own: dict[EUI, list[Registration]] = {}
        """All that holds of a device, where something changed for it alone."""
        self._tenancies: dict[EUI, set[int]] = {}
        """Days from which on another consumer is at a device, counted from 2000-01-01."""
        self._named: set[EUI] = set()
        """Who has nothing but what registrations say, whatever the device."""
        self.version = 0
        """Grows with every change: until then, and until the day ends, what was entitled is so."""
        self.keep: Callable[[Change], str] = lambda _: _NO_FILE
        """Keeps a change for the next process, or returns why it is forgotten with this one."""
        self.forgotten = ""
        """Why the last change is, empty where it is not."""
        for registration in registrations:
            self._add(registration)
            self._named.add(registration.party)

    def knows(self, party: EUI) -> bool:
        """Return whether `party` is a party of this registry."""
        return party in self._roles

    def parties(self) -> dict[EUI, frozenset[Role]]:
        """Return the roles of every party, by its EUI, in their order."""
        return dict(sorted(self._roles.items()))

    def registrations(self, device: EUI) -> list[Registration]:
        """Return what holds, held or will hold of `device`, by party and first day."""
        return sorted(self._of(device), key=lambda one: (one.party, one.begins(), one.ends()))

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
        if any(self._covers(party, role, device, first, last) for role in roles):
            return None
        return Reason.NOT_REGISTERED if roles else Reason.ROLE_NOT_ENTITLED

    def changed(self, device: EUI, now: float) -> float:
        """Return since when `device` has the supplier and the consumer that it has at `now`.

        Both Unix times in seconds; the days that a supplier's registration begins and those of
        changes of tenancy count, but none that is still to come. 0 where there was none.
        """
        began = (
            one.begins()
            for one in self._of(device)
            if one.start is not None and self._in(one) & _SUPPLIERS
        )
        today = day_at(now)
        days = [day for day in (*began, *self._tenancies.get(device, ())) if day <= today]
        return max(days) * DAY + EPOCH_UNIX if days else 0.0

    def make(self, change: Change) -> None:
        """Make a change, whichever it is. Raises `ValueError` where it cannot be made."""
        match change:
            case Registration():
                self.register(change)
            case ChangeOfSupplier(device, old, new, day):
                self.change_of_supplier(device, old, new, day)
            case ChangeOfTenancy(device, day):
                self.change_of_tenancy(device, day)

    def register(self, registration: Registration) -> None:
        """Add a registration. Raises `ValueError` where its party is not known."""
        self._add(registration)
        self._made(registration)

    def _add(self, registration: Registration) -> None:
        if registration.party not in self._roles:
            raise ValueError(f"{registration.party} is not a party")
        devices = registration.devices
        if devices.first == devices.last:
            self._single.setdefault(devices.first, []).append(registration)
        else:
            self._ranges.append(registration)
        for device, own in self._own.items():
            if device in devices:
                own.append(registration)

    def change_of_supplier(self, device: EUI, old: EUI, new: EUI, day: date) -> None:
        """Have `new` supply `device` from `day` on, in place of `old` and for as long as that had.

        It is of the roles of a supplier that `new` has; in any other `old` keeps what it has.
        Raises `ValueError` where `new` is not another supplier, or `old` not registered as one
        that day.
        """
        if new not in self._roles:
            raise ValueError(f"{new} is not a party")
        if new == old:
            raise ValueError(f"{new} is the old supplier too")
        roles = self._roles[new] & _SUPPLIERS
        if not roles:
            raise ValueError(f"{new} is not a supplier: its roles are {_names(self._roles[new])}")
        own: list[Registration] = []
        supplied = False
        for one in self._of(device):
            if one.party != old or not self._lasts(one, roles, day):
                own.append(one)
                continue
            supplied |= one.holds(day_of(day))
            own += self._ended(one, roles, day)
            start = one.start if one.begins() > day_of(day) else day
            own.append(replace(one, party=new, start=start, roles=self._in(one) & roles))
        if not supplied:
            raise ValueError(f"{old} is not registered for {device} on {day} as {_names(roles)}")
        self._own[device] = own
        self._made(ChangeOfSupplier(device, old, new, day))

    def change_of_tenancy(self, device: EUI, day: date) -> None:
        """End what other users have for `device` on `day`: it rested on the consent of who left.

        Whom the new consumer allows is registered anew, from `day` on. What a party has in other
        roles than that of an other user stays.
        """
        users = frozenset({Role.OU})
        own = self._of(device)
        own += [
            Registration(eui, Devices(device, device), roles=users)
            for eui, roles in self._roles.items()
            if Role.OU in roles and self._has_all(eui, Role.OU, own)
        ]
        self._own[device] = [left for one in own for left in self._ended(one, users, day)]
        self._tenancies.setdefault(device, set()).add(day_of(day))
        self._made(ChangeOfTenancy(device, day))

    def _made(self, change: Change) -> None:
        self.version += 1
        self.forgotten = self.keep(change)

    def _in(self, registration: Registration) -> frozenset[Role]:
        """Return the roles that a party is registered in."""
        roles = self._roles[registration.party]
        return roles if registration.roles is None else roles & registration.roles

    def _lasts(self, one: Registration, roles: frozenset[Role], day: date) -> bool:
        """Return whether a registration gives anything in `roles` on `day` or later."""
        return bool(self._in(one) & roles) and one.ends() > day_of(day)

    def _ended(
        self, one: Registration, roles: frozenset[Role], day: date
    ) -> Iterator[Registration]:
        """Yield a registration as it is once it ends on `day` in `roles`, and goes on in others.

        One that begins later is left without a day, as it ended what its party has without any.
        """
        if not self._lasts(one, roles, day):
            yield one
            return
        others = self._in(one) - roles
        if others:
            yield replace(one, roles=others)
        start = day if one.begins() > day_of(day) else one.start
        ended = one.roles if not others else self._in(one) & roles
        yield replace(one, start=start, end=day, roles=ended)

    def _of(self, device: EUI) -> list[Registration]:
        """Return a list of what holds of `device`, for the caller to change."""
        own = self._own.get(device)
        if own is not None:
            return list(own)
        ranges = [one for one in self._ranges if device in one.devices]
        return [*self._single.get(device, ()), *ranges]

    def _covers(self, party: EUI, role: Role, device: EUI, first: int, last: int) -> bool:
        """Return whether `party`, in `role`, is entitled to every day from `first` to `last`."""
        registrations = self._of(device)
        if self._has_all(party, role, registrations):
            return True
        mine = [one for one in registrations if one.party == party and one.is_in(role)]
        for start, end in sorted(self._days(one, role, registrations) for one in mine):
            if start <= first < end:
                first = end
        return first > last

    def _has_all(self, party: EUI, role: Role, registrations: Iterable[Registration]) -> bool:
        """Return whether `party` has a device of these registrations in `role` without any."""
        return (
            role not in _SUPPLIERS
            and party not in self._named
            and not any(one.party == party and one.is_in(role) for one in registrations)
        )

    def _days(
        self, one: Registration, role: Role, registrations: Iterable[Registration]
    ) -> tuple[int, int]:
        """Return first day and day after the last; the day of a change of supplier is in it."""
        end = one.ends()
        changed = role in _SUPPLIERS and any(
            other.party != one.party
            and other.begins() == end
            and other.is_in(role)
            and role in self._roles[other.party]
            for other in registrations
        )
        return one.begins(), end + changed


def default_registry() -> Registry:
    """Return the registry of the emulated parties: for every device, all dates."""
    return Registry(
        [(eui, (role,)) for eui, role, _ in PARTIES],
        [Registration(eui) for eui, role, _ in PARTIES if role in _SUPPLIERS],
    )


def _names(roles: Iterable[Role]) -> str:
    return ", ".join(sorted(roles))
