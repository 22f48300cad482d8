"""How a meter answers one command: normally, or as a fault makes it.

Covers what a fault changes in the meter itself, such as a drifting clock or a log with gaps. What
happens to the reply afterwards is `faults.base.Delivery`.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a meter does with one command. The defaults are those of a meter without a fault."""

    silent: bool = False
    """Whether the meter ignores the command."""
    refusal: int | None = None
    """Result code that the first access fails with; the meter does not attempt the others."""
    drift: float = 0.0
    """Seconds by which the meter's clock is ahead of the time."""
    has_entry: Callable[[int], bool] | None = None
    """Returns whether the log entry of a time stamp (seconds since 2000) exists; None for all."""


NORMAL = Behaviour()
