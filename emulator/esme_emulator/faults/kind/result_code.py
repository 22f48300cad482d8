"""Result code: a meter that says that it cannot."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.device.behaviour import Conduct
from esme_emulator.faults.base import Call, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.parameters import Key, choice
from gbcs.dlms.access import AccessRequest
from gbcs.tables.result_codes import ResultCode

FAILURES = {str(code): code for code in ResultCode if code is not ResultCode.SUCCESS}


def can_refuse(call: Call) -> bool:
    """Return whether a command is answered with result codes: a DLMS command is."""
    return isinstance(call.command.payload, AccessRequest)


@dataclass(frozen=True, slots=True)
class FailWithCode(Fault):
    """The first access of a DLMS command fails with a result code, the others are not tried."""

    kind: ClassVar[str] = "result-code"
    stage: ClassVar[Stage] = Stage.REFUSAL

    code: Annotated[ResultCode, Key(choice(FAILURES), "the result code, by its standard name")] = (
        ResultCode.TEMPORARY_FAILURE
    )

    def conduct(self, call: Call, conduct: Conduct, means: Means) -> tuple[Conduct, Detail] | None:
        """Return the refusal."""
        if not can_refuse(call):
            return None
        return replace(conduct, refusal=int(self.code)), {"code": str(self.code)}
