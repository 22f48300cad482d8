"""Late reply: one that comes when nobody may wait for it any more."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.parameters import SECONDS, Key


@dataclass(frozen=True, slots=True)
class LateReply(Fault):
    """The reply comes later than the latency of the meter has it."""

    kind: ClassVar[str] = "late-reply"
    stage: ClassVar[Stage] = Stage.WAY

    seconds: Annotated[float, Key(SECONDS, "seconds later")] = 30.0
    jitter: Annotated[float, Key(SECONDS, "up to this many seconds more, drawn for each reply")] = (
        0.0
    )

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], means: Means
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Return the same, later."""
        later = self.seconds
        if self.jitter:
            later += self.jitter * means.unit(call, "jitter")
        if not later:
            return None
        late = tuple(replace(part, delay=part.delay + later) for part in deliveries)
        return late, {"seconds": later}
