"""Duplicate: the reply arrives more than once."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import (
    MAX_DELIVERIES,
    Call,
    Delivery,
    Detail,
    Fault,
    FaultContext,
    Stage,
)
from esme_emulator.faults.parameters import SECONDS, Key, whole


@dataclass(frozen=True, slots=True)
class Duplicate(Fault):
    """The same reply arrives more than once."""

    kind: ClassVar[str] = "duplicate"
    stage: ClassVar[Stage] = Stage.WAY

    copies: Annotated[int, Key(whole(1, 100), "additional copies")] = 1
    after: Annotated[float, Key(SECONDS, "seconds between copies")] = 0.0

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Append the deliveries once more for each copy."""
        if len(deliveries) * (self.copies + 1) > MAX_DELIVERIES:
            return None
        several = tuple(
            replace(part, delay=part.delay + copy * self.after)
            for copy in range(self.copies + 1)
            for part in deliveries
        )
        return several, {"copies": self.copies, "after": self.after}
