"""Empty log: a meter that has kept nothing."""

from dataclasses import dataclass, replace
from typing import ClassVar

from esme_emulator.device.behaviour import Conduct
from esme_emulator.faults.base import Call, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from gbcs.tables.reading_services import READING_SERVICES

_OF_LOGS = frozenset(service.srv for service in READING_SERVICES if service.windowed)


@dataclass(frozen=True, slots=True)
class EmptyLog(Fault):
    """The log that is read has no entries; the read itself succeeds."""

    kind: ClassVar[str] = "empty-log"
    stage: ClassVar[Stage] = Stage.LOGS

    def concerns(self, srv: str) -> bool:
        """Return whether an SRV reads a log."""
        return srv in _OF_LOGS

    def conduct(self, call: Call, conduct: Conduct, means: Means) -> tuple[Conduct, Detail] | None:
        """Return that there is no entry, where a log is read."""
        if not self.concerns(call.srv):
            return None
        return replace(conduct, has_entry=lambda stamp: False), {}
