"""Result code: the meter refuses the command."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.device.behaviour import Behaviour
from esme_emulator.faults.base import Call, Detail, Fault, FaultContext, Stage
from esme_emulator.faults.parameters import Key, choice
from gbcs.dlms.access import AccessRequest
from gbcs.tables.result_codes import ResultCode

FAILURES = {str(code): code for code in ResultCode if code is not ResultCode.SUCCESS}


def can_refuse(call: Call) -> bool:
    """Return whether a command is answered with result codes, as DLMS commands are."""
    return isinstance(call.command.payload, AccessRequest)


@dataclass(frozen=True, slots=True)
class FailWithCode(Fault):
    """The first access of a DLMS command fails with a result code; the meter skips the others."""

    kind: ClassVar[str] = "result-code"
    stage: ClassVar[Stage] = Stage.REFUSAL

    code: Annotated[ResultCode, Key(choice(FAILURES), "the result code, by its standard name")] = (
        ResultCode.TEMPORARY_FAILURE
    )

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Refuse a DLMS command."""
        if not can_refuse(call):
            return None
        return replace(behaviour, refusal=int(self.code)), {"code": str(self.code)}
