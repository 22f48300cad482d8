"""Reordered: a reply that the next one overtakes."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.parameters import SECONDS, Key


@dataclass(frozen=True, slots=True)
class Reordered(Fault):
    """The reply is held back until the next reply of the meter has left."""

    kind: ClassVar[str] = "reordered"
    stage: ClassVar[Stage] = Stage.WAY

    hold: Annotated[float, Key(SECONDS, "seconds after which it leaves all the same")] = 60.0

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], means: Means
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Return the same, to be overtaken, where they are not so already."""
        if all(part.overtaken for part in deliveries):
            return None
        held = tuple(
            replace(part, delay=part.delay + self.hold, overtaken=True) for part in deliveries
        )
        return held, {"hold": self.hold}
