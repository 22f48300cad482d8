"""Fail first: trouble that passes, for who tries again."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.device.behaviour import Conduct
from esme_emulator.faults.base import Call, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.kind.result_code import FAILURES, can_refuse
from esme_emulator.faults.parameters import Key, choice, whole
from gbcs.tables.result_codes import ResultCode

_NO_REPLY = "no-reply"


@dataclass(frozen=True, slots=True)
class FailFirst(Fault):
    """The first commands of an SRV to a meter fail; then it has recovered.

    Counted are the commands that the rule addresses, from when it was added.
    """

    kind: ClassVar[str] = "fail-first"
    stage: ClassVar[Stage] = Stage.SILENCE

    n: Annotated[int, Key(whole(1, 1_000_000), "commands that fail, of each SRV to each meter")] = 1
    result: Annotated[
        ResultCode | None, Key(choice({_NO_REPLY: None, **FAILURES}), "how they fail")
    ] = None

    def conduct(self, call: Call, conduct: Conduct, means: Means) -> tuple[Conduct, Detail] | None:
        """Return the failure as long as there are failures left."""
        if self.result is not None and not can_refuse(call):
            return None
        subject = (call.device, call.srv)
        (failed,) = means.memory.get(subject) or (0,)
        means.memory.put(subject, min(failed + 1, self.n))
        if failed >= self.n:
            return None
        detail: Detail = {"failure": int(failed) + 1, "result": str(self.result or _NO_REPLY)}
        if self.result is None:
            return replace(conduct, silent=True), detail
        return replace(conduct, refusal=int(self.result)), detail
