"""Late reply: the reply may arrive after the requester's timeout."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, FaultContext, Stage
from esme_emulator.faults.parameters import SECONDS, Key


@dataclass(frozen=True, slots=True)
class LateReply(Fault):
    """The reply is delayed, in addition to the latency of the meter."""

    kind: ClassVar[str] = "late-reply"
    stage: ClassVar[Stage] = Stage.WAY

    seconds: Annotated[float, Key(SECONDS, "seconds of delay")] = 30.0
    jitter: Annotated[
        float, Key(SECONDS, "most seconds of further delay, drawn for each reply")
    ] = 0.0

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Delay all deliveries."""
        later = self.seconds
        if self.jitter:
            later += self.jitter * context.unit(call, "jitter")
        if not later:
            return None
        late = tuple(replace(part, delay=part.delay + later) for part in deliveries)
        return late, {"seconds": later}
