"""Asleep: the hub of an idle meter sleeps, and the commands that wake it are lost."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.device.behaviour import Behaviour
from esme_emulator.faults.base import Call, Detail, Fault, FaultContext, Stage
from esme_emulator.faults.parameters import SECONDS, Key, whole


@dataclass(frozen=True, slots=True)
class Asleep(Fault):
    """An idle meter loses the commands that wake it.

    A meter is asleep at first, and again `idle` seconds after the last command that the rule
    selects. It loses the next `wakes` of these commands and is then awake.
    """

    kind: ClassVar[str] = "asleep"
    stage: ClassVar[Stage] = Stage.SILENCE

    idle: Annotated[float, Key(SECONDS, "seconds without a command after which it sleeps")] = 600.0
    wakes: Annotated[int, Key(whole(1, 1000), "commands that wake it and are lost")] = 1

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Silence the meter if this command only wakes it."""
        known = context.memory.get(call.device)
        last, left = known or (-self.idle, 0)
        if known is None or call.now - last >= self.idle:
            left = self.wakes
        context.memory.put(call.device, call.now, max(left - 1, 0))
        if left < 1:
            return None
        return replace(behaviour, silent=True), {"wake": self.wakes - int(left) + 1}
