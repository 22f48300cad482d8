"""Who is registered for which meters of a scenario, drawn by its seed.

Each meter has one supplier for each role. The suppliers of a scenario take their shares of the
meters one after the other; the emulated suppliers have the rest. Pure.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from esme_emulator.cache.registry.registration import Devices, Registration
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.estate.estate import DEFAULT_BASE, Estate, derived_estate, with_parties
from esme_emulator.estate.euis import EuiRange, euis_of
from esme_emulator.estate.parties import (
    NEW_SUPPLIER,
    PARTIES,
    SUPPLIER_ROLES,
    Party,
    party_called,
)
from esme_emulator.profiles import MeterMix, MeterProfile, meter_profile, read_fleet
from esme_emulator.runtime.draws import draw_unit
from esme_emulator.scenario.scenario import FleetSettings, Mix, Scenario, window_of
from gbcs import EUI
from gbcs.instants import DAY
from gbcs.tables.roles import Role, entitled


def estate_of(scenario: Scenario) -> Estate:
    """Return the meters and parties of a scenario, with their keys.

    Raises `ValueError` if a party is among the meters, or two parties have one name.
    """
    estate = replace(derived_estate(scenario.seed, 1), meters=meters_of(scenario.fleet))
    return with_parties(estate, scenario.parties)


def meters_of(fleet: FleetSettings) -> Sequence[EUI]:
    """Return the meters of a scenario. Raises `ValueError` and `ProfileError`."""
    if fleet.file:
        return euis_of(_fleet_file(fleet.file).ranges)[: fleet.meters or None]
    return EuiRange(DEFAULT_BASE, fleet.meters)


def kinds_of(fleet: FleetSettings) -> tuple[MeterProfile, ...] | None:
    """Return the profiles of a scenario's meters, None for the shipped mix.

    Raises `ProfileError`.
    """
    if fleet.file:
        return _fleet_file(fleet.file)
    return tuple(map(meter_profile, fleet.profiles)) or None


@cache
def _fleet_file(path: str) -> MeterMix:
    return read_fleet(path)


class Supply:
    """The registrations of the parties of `estate` before any change."""

    def __init__(self, scenario: Scenario, estate: Estate) -> None:
        self._seed = scenario.seed
        self._meters = estate.meters
        self._parties = {party.eui: party for party in estate.known_parties}
        self._shares = scenario.shares
        self._own = {party.eui for party in scenario.parties.parties} - _EMULATED
        self._parts = list(_parts(scenario.parties.parties, scenario.shares))
        self._places: dict[EUI, array[int]] = {}

    def registry(self, meters: Sequence[EUI]) -> Registry:
        """Return a registry that is right for `meters`, which are some of the estate's."""
        parties = [(party.eui, party.roles) for party in self._parties.values()]
        return Registry(parties, self._registrations(meters))

    def meters_of(self, party: Party) -> Sequence[int] | None:
        """Return the places of the meters that a party asks: its own; None for every meter.

        A party without any asks every meter, to be refused.
        """
        if self._is_drawn(party) and party.eui not in self._places:
            own = (at for at, one in enumerate(self._meters) if self.roles_for(party.eui, one))
            self._places[party.eui] = array("Q", own)
        return self._places.get(party.eui) or None

    def roles_for(self, eui: EUI, device: EUI) -> frozenset[Role]:
        """Return the roles in which a party is registered for a meter."""
        party = self._parties[eui]
        if not self._is_drawn(party):
            return party.roles if self._has_all(party) else frozenset()
        if not party.supplies:
            drawn = draw_unit(self._seed, "consent", device + eui)
            return party.roles if drawn < self._shares[eui] else frozenset()
        drawn = draw_unit(self._seed, "supply", device)
        suppliers = [part for part in self._parts if part.low <= drawn < part.high]
        if eui in self._shares:
            return party.roles if any(part.party == eui for part in suppliers) else frozenset()
        return party.roles.difference(*(part.roles for part in suppliers))

    def covers_some(self, party: Party, roles: frozenset[Role]) -> bool:
        """Return whether a party is registered for any meter in one of these roles."""
        if not self._is_drawn(party):
            return self._has_all(party)
        return any(roles & self.roles_for(party.eui, device) for device in self._meters)

    def _registrations(self, meters: Sequence[EUI]) -> Iterator[Registration]:
        for party in self._parties.values():
            if self._is_drawn(party):
                for device in meters:
                    if roles := self.roles_for(party.eui, device):
                        yield Registration(party.eui, Devices(device, device), roles=roles)
                # Any other party than a supplier is restricted once it has a registration.
                yield Registration(party.eui, _NOBODY)
            elif self._has_all(party):
                yield Registration(party.eui)

    def _is_drawn(self, party: Party) -> bool:
        """Return whether the draw of a meter decides if a party is registered for it."""
        taken = any(part.roles & party.roles for part in self._parts)
        return party.eui in self._shares or (taken and self._has_all(party))

    def _has_all(self, party: Party) -> bool:
        """Return whether a party is registered for every meter that no share takes."""
        if party.eui in self._own:
            return not party.supplies
        return party.eui != NEW_SUPPLIER


class _Part(NamedTuple):
    """A supplier has the meters whose draw is in this interval."""

    party: EUI
    roles: frozenset[Role]
    low: float
    high: float


_EMULATED = {party.eui for party in PARTIES}
_NOBODY = Devices(EUI(bytes(8)), EUI(bytes(8)))
_ROUNDING = 1e-9


def _parts(parties: Iterable[Party], shares: Mapping[EUI, float]) -> Iterator[_Part]:
    """Yield the parts of the suppliers with a share, in their order.

    Raises `ValueError` if the shares of a role are more than 1.
    """
    taken = dict.fromkeys(SUPPLIER_ROLES, 0.0)
    for party in parties:
        roles = party.roles & SUPPLIER_ROLES
        if not roles or party.eui not in shares:
            continue
        low = max(taken[role] for role in roles)
        high = low + shares[party.eui]
        if high > 1 + _ROUNDING:
            raise ValueError(
                f"the shares of suppliers up to {party.name} are {high:g}; give at most 1 in all"
            )
        yield _Part(party.eui, roles, low, high)
        taken |= dict.fromkeys(roles, high)


def unanswerable(scenario: Scenario) -> list[str]:
    """Return one line for each party and SRV of the mix whose requests are all refused."""
    estate = estate_of(scenario)
    supply = Supply(scenario, estate)
    lines = []
    for kind in scenario.mix:
        party = party_called(estate.known_parties, kind.party)
        why = _why_never(scenario, supply, estate, party, kind)
        if why:
            lines.append(f"party {kind.party} can never be answered: {why}")
    return list(dict.fromkeys(lines))


def _why_never(scenario: Scenario, supply: Supply, estate: Estate, party: Party, kind: Mix) -> str:
    """Return why all requests of a kind are refused; empty if some may be answered."""
    roles = party.roles & entitled(kind.srv)
    if not roles:
        return f"none of its roles ({', '.join(sorted(party.roles))}) may send SRV {kind.srv}"
    if supply.covers_some(party, roles):
        return ""
    begun = [change.at for change in scenario.changes if change.gives_to(party.name)]
    if not begun:
        return (
            "no registration covers a meter for it; "
            "give it a share in [[party]], or meters by a [[change]]"
        )
    last = scenario.start + int(scenario.arrivals.seconds)
    first_day = (scenario.start + int(min(begun))) // DAY
    if window_of(kind, last).start // DAY < first_day:
        return "its windows begin before the day of the change that registers it"
    return ""
