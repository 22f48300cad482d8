"""Duplicate: a reply that comes again."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import MAX_DELIVERIES, Call, Delivery, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.parameters import SECONDS, Key, whole


@dataclass(frozen=True, slots=True)
class Duplicate(Fault):
    """The reply comes more than once, each time the same octets."""

    kind: ClassVar[str] = "duplicate"
    stage: ClassVar[Stage] = Stage.WAY

    copies: Annotated[int, Key(whole(1, 100), "how often it comes again")] = 1
    after: Annotated[float, Key(SECONDS, "seconds between one and the next")] = 0.0

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], means: Means
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Return all of them behind each other, once more for each copy."""
        if len(deliveries) * (self.copies + 1) > MAX_DELIVERIES:
            return None
        several = tuple(
            replace(part, delay=part.delay + copy * self.after)
            for copy in range(self.copies + 1)
            for part in deliveries
        )
        return several, {"copies": self.copies, "after": self.after}
