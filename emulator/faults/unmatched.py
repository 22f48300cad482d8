"""Rules that can match nothing: what is most likely a slip of the pen, said before a run.

Knows the fleet as a container of EUIs; whether a pattern fits a range of them is computed. Of a
range with gaps, as one part of a fleet has them, the gaps count as meters: others host these.
"""

from collections.abc import Collection, Container, Iterable, Iterator

from emulator.eui_range import EuiRange
from emulator.faults.means import Means
from emulator.faults.pattern import EuiPattern
from emulator.faults.rule import FaultRule
from emulator.faults.selector import is_drawn, meter_test
from gbcs import EUI
from gbcs.instants import EPOCH_UNIX, to_iso

MAX_DRAWN = 10_000
"""Of a fleet with more meters than these, a fraction is taken to have some."""


def unmatched(
    rules: Iterable[FaultRule],
    meters: Container[EUI],
    srvs: Collection[str],
    *,
    now: float | None = None,
    seed: str | None = None,
) -> list[str]:
    """Return a line for each reason why a rule, or a part of it, matches no call.

    `srvs` are those that meters answer, `now` is Unix time in seconds and `seed` the fleet's; what
    needs one of the two is not looked at where it is not given.
    """
    return [
        f"fault {rule.name!r}: {warning}"
        for rule in rules
        for warning in _warnings(rule, meters, srvs, now, seed)
    ]


def _warnings(
    rule: FaultRule,
    meters: Container[EUI],
    srvs: Collection[str],
    now: float | None,
    seed: str | None,
) -> Iterator[str]:
    where = rule.where
    for pattern in where.meters:
        if not _is_hosted(pattern, meters):
            what = "fits no meter" if pattern.eui is None else "is not a meter"
            yield f"meters: {pattern} {what} of this fleet"
    if where.fraction == 0:
        yield "fraction: 0 is no meter"
    elif where.fraction < 1 and seed is not None and _none_drawn(rule, meters, seed):
        yield f"fraction: {where.fraction:g} of these meters is none of them"
    for srv in where.srvs:
        if srv not in srvs:
            yield f"srvs: no meter answers {srv}; meters answer {', '.join(sorted(srvs))}"
    if where.end is not None and now is not None and now >= where.end + EPOCH_UNIX:
        yield f"to: {to_iso(where.end)} is over"
    if where.probability == 0:
        yield "probability: 0 is never"


def _is_hosted(pattern: EuiPattern, meters: Container[EUI]) -> bool:
    if pattern.eui is not None:
        return pattern.eui in meters
    if isinstance(meters, EuiRange):
        return pattern.fits_some(int(meters[0]), int(meters[-1]))
    if isinstance(meters, Iterable):
        return any(map(meter_test((pattern,)), meters))
    return True


def _none_drawn(rule: FaultRule, meters: Container[EUI], seed: str) -> bool:
    if not isinstance(meters, Collection) or len(meters) > MAX_DRAWN:
        return False
    means = Means(seed, rule.name, 1)
    named = meter_test(rule.where.meters)
    return not any(named(device) and is_drawn(rule.where, means, device) for device in meters)
