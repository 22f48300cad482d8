"""Clock drift: the clock of the meter is wrong."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.device.behaviour import Behaviour
from esme_emulator.faults.base import Call, Detail, Fault, FaultContext, FaultError, Stage
from esme_emulator.faults.parameters import INSTANT, Key, number
from gbcs.instants import DAY, EPOCH_UNIX

_YEAR = 366 * DAY


@dataclass(frozen=True, slots=True)
class ClockDrift(Fault):
    """The clock of the meter is ahead or behind."""

    kind: ClassVar[str] = "clock-drift"
    stage: ClassVar[Stage] = Stage.LOGS

    seconds: Annotated[
        float, Key(number(-_YEAR, _YEAR, "seconds"), "seconds ahead; negative if behind")
    ] = 300.0
    per_day: Annotated[
        float, Key(number(-DAY, DAY, "seconds"), "seconds added per day, from `since` on")
    ] = 0.0
    since: Annotated[int | None, Key(INSTANT, "start of the drift of `per_day`")] = None

    def __post_init__(self) -> None:
        if self.per_day and self.since is None:
            raise FaultError("is missing: `per_day` counts from it", "since")

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Add the present drift to the clock."""
        ahead = self.seconds
        if self.since is not None:
            days = max(0.0, call.now - EPOCH_UNIX - self.since) / DAY
            ahead += self.per_day * days
        if not ahead:
            return None
        return replace(behaviour, drift=behaviour.drift + ahead), {"seconds": ahead}
