"""Conduct: how a meter is to answer one command, where it is not to answer as it should.

What a fault asks of the meter itself, such as a clock that drifts or a log with gaps; what happens
to a reply afterwards is not known here.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a meter does to one command. The defaults are those of a meter in good order."""

    silent: bool = False
    """It does not take the command at all."""
    refusal: int | None = None
    """Result code that its first access fails with; success of any other is not attempted."""
    drift: float = 0.0
    """Seconds that its clock is ahead of the time."""
    has_entry: Callable[[int], bool] | None = None
    """Whether it still has the log entry of a stamp, seconds since 2000; None where it has all."""


GOOD_ORDER = Conduct()
