"""Asleep: a meter behind a hub that sleeps when nobody asks, and loses what wakes it."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.device.behaviour import Conduct
from esme_emulator.faults.base import Call, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.parameters import SECONDS, Key, whole


@dataclass(frozen=True, slots=True)
class Asleep(Fault):
    """A meter that nobody called for a while takes a command only once others have woken it.

    A meter is asleep at first, and again once `idle` seconds have passed since the last command
    that the rule addresses. The next `wakes` of these are lost; then it is awake.
    """

    kind: ClassVar[str] = "asleep"
    stage: ClassVar[Stage] = Stage.SILENCE

    idle: Annotated[float, Key(SECONDS, "seconds without a command until it falls asleep")] = 600.0
    wakes: Annotated[int, Key(whole(1, 1000), "commands that only wake it and are lost")] = 1

    def conduct(self, call: Call, conduct: Conduct, means: Means) -> tuple[Conduct, Detail] | None:
        """Return silence where this command only wakes the meter."""
        known = means.memory.get(call.device)
        last, left = known or (-self.idle, 0)
        if known is None or call.now - last >= self.idle:
            left = self.wakes
        means.memory.put(call.device, call.now, max(left - 1, 0))
        if left < 1:
            return None
        return replace(conduct, silent=True), {"wake": self.wakes - int(left) + 1}
