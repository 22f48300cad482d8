"""Fail first: a retry succeeds."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.device.behaviour import Behaviour
from esme_emulator.faults.base import Call, Detail, Fault, FaultContext, Stage
from esme_emulator.faults.kind.result_code import FAILURES, can_refuse
from esme_emulator.faults.parameters import Key, choice, whole
from gbcs.tables.result_codes import ResultCode

_NO_REPLY = "no-reply"


@dataclass(frozen=True, slots=True)
class FailFirst(Fault):
    """The first commands of an SRV to a meter fail; later ones succeed.

    Only commands that the rule selects count, from when it was added.
    """

    kind: ClassVar[str] = "fail-first"
    stage: ClassVar[Stage] = Stage.SILENCE

    n: Annotated[int, Key(whole(1, 1_000_000), "failing commands, for each SRV and meter")] = 1
    result: Annotated[
        ResultCode | None, Key(choice({_NO_REPLY: None, **FAILURES}), "how they fail")
    ] = None

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Fail the command if it is one of the first `n`."""
        if self.result is not None and not can_refuse(call):
            return None
        subject = (call.device, call.srv)
        (failed,) = context.memory.get(subject) or (0,)
        context.memory.put(subject, min(failed + 1, self.n))
        if failed >= self.n:
            return None
        detail: Detail = {"failure": int(failed) + 1, "result": str(self.result or _NO_REPLY)}
        if self.result is None:
            return replace(behaviour, silent=True), detail
        return replace(behaviour, refusal=int(self.result)), detail
