"""The identity of a fleet's readings: a digest of everything that its readings depend on.

Two fleets with the same identity give the same readings for the same meter and window, so a cache
may serve readings of one fleet for the other. Keys are not part of it: a store names its estate.
"""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from hashlib import sha256

from esme_emulator.faults.base import Stage
from esme_emulator.faults.selector import FaultRule
from esme_emulator.messaging.identity import DIGITS
from esme_emulator.profiles import MeterProfile, meter_profiles

MODEL = 1
"""Version of the readings. Raise it with every change of a reading for the same seed and profiles;
the test of this module fails until then."""

_NOT_READINGS = {"title", "sources", "wan"}
"""Fields of profiles that do not change readings."""


def identity_of(
    seed: str,
    profiles: tuple[MeterProfile, ...] | None = None,
    rules: Iterable[FaultRule] = (),
) -> str:
    """Return the identity of the readings of a fleet, as 16 hexadecimal digits.

    `profiles` count by content and order; None is the shipped mix. Of `rules` only those count
    whose faults change logs: a silent or late meter still has the same readings.
    """
    altering = tuple(rule for rule in rules if rule.fault.stage == Stage.LOGS)
    decides = (MODEL, seed, _content(profiles or meter_profiles()), _content(altering))
    return sha256(repr(decides).encode()).hexdigest()[:DIGITS]


def _content(value: object) -> object:
    """Return `value` as tuples and plain values, whose text is the same in every run."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value) if each.name not in _NOT_READINGS]
        return type(value).__name__, *((name, _content(getattr(value, name))) for name in names)
    if isinstance(value, tuple):
        return tuple(map(_content, value))
    return value
