"""Clock drift: a meter whose clock is not the time."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.device.behaviour import Conduct
from esme_emulator.faults.base import Call, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.errors import FaultError
from esme_emulator.faults.parameters import INSTANT, Key, number
from gbcs.instants import DAY, EPOCH_UNIX

_YEAR = 366 * DAY


@dataclass(frozen=True, slots=True)
class ClockDrift(Fault):
    """The clock of the meter is ahead of the time, or behind it."""

    kind: ClassVar[str] = "clock-drift"
    stage: ClassVar[Stage] = Stage.LOGS

    seconds: Annotated[
        float, Key(number(-_YEAR, _YEAR, "seconds"), "seconds ahead; below 0 behind")
    ] = 300.0
    per_day: Annotated[
        float, Key(number(-DAY, DAY, "seconds"), "seconds that are added every day from `since` on")
    ] = 0.0
    since: Annotated[int | None, Key(INSTANT, "when the drift of `per_day` begins")] = None

    def __post_init__(self) -> None:
        if self.per_day and self.since is None:
            raise FaultError("is missing; `per_day` counts from it", "since")

    def conduct(self, call: Call, conduct: Conduct, means: Means) -> tuple[Conduct, Detail] | None:
        """Return the clock as it is by now."""
        ahead = self.seconds
        if self.since is not None:
            days = max(0.0, call.now - EPOCH_UNIX - self.since) / DAY
            ahead += self.per_day * days
        if not ahead:
            return None
        return replace(conduct, drift=conduct.drift + ahead), {"seconds": ahead}
