"""Empty log: the meter has no log entries."""

from dataclasses import dataclass, replace
from typing import ClassVar

from esme_emulator.device.behaviour import Behaviour
from esme_emulator.faults.base import Call, Detail, Fault, FaultContext, Stage
from gbcs.tables.reading_services import READING_SERVICES

_OF_LOGS = frozenset(service.srv for service in READING_SERVICES if service.windowed)


@dataclass(frozen=True, slots=True)
class EmptyLog(Fault):
    """The log has no entries; reading it succeeds."""

    kind: ClassVar[str] = "empty-log"
    stage: ClassVar[Stage] = Stage.LOGS

    def concerns(self, srv: str) -> bool:
        """Return whether an SRV reads a log."""
        return srv in _OF_LOGS

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Remove all entries if the command reads a log."""
        if not self.concerns(call.srv):
            return None
        return replace(behaviour, has_entry=lambda stamp: False), {}
