"""Reordered: the next reply overtakes this one."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, FaultContext, Stage
from esme_emulator.faults.parameters import SECONDS, Key


@dataclass(frozen=True, slots=True)
class Reordered(Fault):
    """The reply is held back until the next reply of the meter has left."""

    kind: ClassVar[str] = "reordered"
    stage: ClassVar[Stage] = Stage.WAY

    hold: Annotated[float, Key(SECONDS, "most seconds to hold it back")] = 60.0

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Hold the deliveries back, unless all of them are already."""
        if all(part.overtaken for part in deliveries):
            return None
        held = tuple(
            replace(part, delay=part.delay + self.hold, overtaken=True) for part in deliveries
        )
        return held, {"hold": self.hold}
