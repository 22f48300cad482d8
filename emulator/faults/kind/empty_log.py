"""Empty log: a meter that has kept nothing."""

from dataclasses import dataclass, replace
from typing import ClassVar

from emulator.device.conduct import Conduct
from emulator.faults.base import Call, Detail, Fault, Stage
from emulator.faults.means import Means


@dataclass(frozen=True, slots=True)
class EmptyLog(Fault):
    """The log that is read has no entries; the read itself succeeds."""

    kind: ClassVar[str] = "empty-log"
    stage: ClassVar[Stage] = Stage.LOGS

    def conduct(self, call: Call, conduct: Conduct, means: Means) -> tuple[Conduct, Detail]:
        """Return that there is no entry."""
        return replace(conduct, has_entry=lambda stamp: False), {}
