"""Find rules that can match nothing, most likely mistakes, before a run.

Whether a pattern matches a range of EUIs is computed. If a process hosts a part of a fleet, its
range has gaps; EUIs in the gaps count as meters, since other processes host them.
"""

from collections.abc import Callable, Collection, Container, Iterable, Iterator
from dataclasses import dataclass

from esme_emulator.device.model import profile_of
from esme_emulator.estate.euis import EuiPattern, EuiRange
from esme_emulator.faults.base import FaultContext
from esme_emulator.faults.selector import FaultRule, Selector, is_drawn, meter_test
from esme_emulator.profiles import MeterProfile, meter_profiles
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, to_iso
from gbcs.tables.reading_services import READING_SERVICES

MAX_DRAWN = 10_000
"""Fleets of at most this many meters are searched for those of a fraction or a profile."""


@dataclass(frozen=True, slots=True)
class Meters:
    """The meters of a fleet, as rules select them."""

    euis: Container[EUI]
    profiles: Collection[MeterProfile]
    """The profiles that the meters are drawn from."""
    profile_of: Callable[[EUI], MeterProfile]

    @classmethod
    def drawn(
        cls, euis: Container[EUI], seed: str, profiles: tuple[MeterProfile, ...] | None
    ) -> "Meters":
        """Return meters drawn from `profiles` with `seed`; None is the shipped mix."""
        kinds = profiles or meter_profiles()
        return cls(euis, kinds, lambda eui: profile_of(seed, eui, profiles))


def lint(
    rules: Iterable[FaultRule],
    meters: Meters,
    *,
    now: float | None = None,
    seed: str | None = None,
) -> list[str]:
    """Return a line for each rule, or part of a rule, that matches no call, with the reason.

    `now` is Unix time in seconds and `seed` is the fleet's; checks that need one of them are
    skipped without it.
    """
    return [
        f"fault {rule.name!r}: {warning}"
        for rule in rules
        for warning in _warnings(rule, meters, now, seed)
    ]


def _warnings(
    rule: FaultRule, meters: Meters, now: float | None, seed: str | None
) -> Iterator[str]:
    where = rule.where
    for pattern in where.meters:
        if not _is_hosted(pattern, meters.euis):
            what = "matches no meter" if pattern.eui is None else "is not a meter"
            yield f"meters: {pattern} {what} of this fleet"
    kinds = _named_kinds(where, meters) if where.profiles or where.srvs else []
    yield from _of_profiles(where, meters, kinds)
    if where.fraction == 0:
        yield "fraction: 0 selects no meter"
    elif where.fraction < 1 and seed is not None and _none_drawn(rule, meters, seed):
        yield f"fraction: {where.fraction:g} selects none of these meters"
    yield from _of_srvs(rule, [kind for kind in kinds if _is_wanted(where, kind)])
    if where.end is not None and now is not None and now >= where.end + EPOCH_UNIX:
        yield f"to: {to_iso(where.end)} is in the past"
    if where.probability == 0:
        yield "probability: 0 never fires"


def _of_profiles(where: Selector, meters: Meters, kinds: Collection[MeterProfile]) -> Iterator[str]:
    known = dict.fromkeys(kind.name for kind in meters.profiles)
    for name in where.profiles:
        if name not in known:
            yield f"profile: no meter of this fleet is {name}; there are {', '.join(known)}"
        elif kinds and name not in [kind.name for kind in kinds]:
            yield f"profile: none of these meters is {name}"


def _of_srvs(rule: FaultRule, kinds: Collection[MeterProfile]) -> Iterator[str]:
    """Yield a line for each SRV that no meter of `kinds` answers, or that the fault ignores."""
    variants = {kind.variant for kind in kinds}
    answered = dict.fromkeys(
        service.srv for service in READING_SERVICES if variants.intersection(service.meters)
    )
    for srv in rule.where.srvs if kinds else ():
        if srv not in answered:
            yield f"srvs: none of these meters answers {srv}; they answer {', '.join(answered)}"
        elif not rule.fault.concerns(srv):
            concerned = ", ".join(filter(rule.fault.concerns, answered))
            yield f"srvs: {rule.kind} changes nothing of {srv}, only of {concerned}"


def _is_hosted(pattern: EuiPattern, meters: Container[EUI]) -> bool:
    if pattern.eui is not None:
        return pattern.eui in meters
    if isinstance(meters, EuiRange):
        return pattern.fits_some(int(meters[0]), int(meters[-1]))
    if isinstance(meters, Iterable):
        return any(map(meter_test((pattern,)), meters))
    return True


def _named_kinds(where: Selector, meters: Meters) -> list[MeterProfile]:
    """Return the profiles of the selected meters, or all profiles if the fleet is too large."""
    euis = _countable(meters.euis)
    if not euis:
        return list(meters.profiles)
    found: list[MeterProfile] = []
    for eui in filter(meter_test(where.meters), euis):
        kind = meters.profile_of(eui)
        if kind not in found:
            found.append(kind)
            if len(found) == len(meters.profiles):
                break
    return found


def _none_drawn(rule: FaultRule, meters: Meters, seed: str) -> bool:
    where, context = rule.where, FaultContext(seed, rule.name, 1)
    euis = _countable(meters.euis)
    return bool(euis) and not any(
        is_drawn(where, context, eui) and _is_wanted(where, meters.profile_of(eui))
        for eui in filter(meter_test(where.meters), euis)
    )


def _is_wanted(where: Selector, kind: MeterProfile) -> bool:
    return not where.profiles or kind.name in where.profiles


def _countable(euis: Container[EUI]) -> Collection[EUI]:
    """Return the meters of a fleet; none if they are too many or cannot be counted."""
    return euis if isinstance(euis, Collection) and len(euis) <= MAX_DRAWN else ()
