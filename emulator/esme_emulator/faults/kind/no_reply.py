"""No reply: the meter ignores the command."""

from dataclasses import dataclass, replace
from typing import ClassVar

from esme_emulator.device.behaviour import Behaviour
from esme_emulator.faults.base import Call, Detail, Fault, FaultContext, Stage


@dataclass(frozen=True, slots=True)
class NoReply(Fault):
    """The meter ignores the command and sends no reply."""

    kind: ClassVar[str] = "no-reply"
    stage: ClassVar[Stage] = Stage.SILENCE

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail]:
        """Silence the meter."""
        return replace(behaviour, silent=True), {}
