"""No reply: the requester waits in vain."""

from dataclasses import dataclass, replace
from typing import ClassVar

from esme_emulator.device.behaviour import Conduct
from esme_emulator.faults.base import Call, Detail, Fault, Stage
from esme_emulator.faults.context import Means


@dataclass(frozen=True, slots=True)
class NoReply(Fault):
    """The meter does not take the command, and nothing comes back."""

    kind: ClassVar[str] = "no-reply"
    stage: ClassVar[Stage] = Stage.SILENCE

    def conduct(self, call: Call, conduct: Conduct, means: Means) -> tuple[Conduct, Detail]:
        """Return silence."""
        return replace(conduct, silent=True), {}
