"""The identity of a fleet's readings: a digest of everything that decides what its meters say.

Two fleets with one identity give the same readings for the same meter and window, so a cache may
answer for one of them with what the other said. Keys are not part of it: a store names its estate
for these.
"""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from hashlib import sha256

from esme_emulator.faults.base import Stage
from esme_emulator.faults.selector import FaultRule
from esme_emulator.messaging.known_identity import DIGITS
from esme_emulator.profiles import MeterProfile, meter_profiles

MODEL = 1
"""Version of what meters say. Raise it with every change that gives another reading for the same
seed and profiles; the test of this module fails until that is done."""

_NOT_READINGS = {"title", "sources", "wan"}
"""Fields of profiles that no reading depends on."""


def identity_of(
    seed: str,
    profiles: tuple[MeterProfile, ...] | None = None,
    rules: Iterable[FaultRule] = (),
) -> str:
    """Return the identity of the readings of a fleet, as 16 hexadecimal digits.

    `profiles` count by their contents, in their order; None is the shipped mix. Of `rules` only
    those count whose faults alter what logs say: a meter that is silent, late or garbled is not
    another meter, and what it said before still holds.
    """
    altering = tuple(rule for rule in rules if rule.fault.stage == Stage.LOGS)
    decides = (MODEL, seed, _content(profiles or meter_profiles()), _content(altering))
    return sha256(repr(decides).encode()).hexdigest()[:DIGITS]


def _content(value: object) -> object:
    """Return what `value` holds as tuples and plain values, whose text is the same in any run."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value) if each.name not in _NOT_READINGS]
        return type(value).__name__, *((name, _content(getattr(value, name))) for name in names)
    if isinstance(value, tuple):
        return tuple(map(_content, value))
    return value
