"""Silence: the meter ignores the command, sleeps, or answers only a retry."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field

from esme_emulator.device.meter import Behaviour
from esme_emulator.faults.base import Call, Detail, Fault, FaultContext, Stage
from esme_emulator.faults.kind.wrong_readings import FAILURES, can_refuse
from esme_emulator.faults.parameters import Seconds, choice
from gbcs.tables.result_codes import ResultCode


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


@dataclass(frozen=True, slots=True)
class Asleep(Fault):
    """An idle meter loses the commands that wake it.

    A meter is asleep at first, and again `idle` seconds after the last command that the rule
    selects. It loses the next `wakes` of these commands and is then awake.
    """

    kind: ClassVar[str] = "asleep"
    stage: ClassVar[Stage] = Stage.SILENCE

    idle: Annotated[
        Seconds, Field(description="seconds without a command after which it sleeps")
    ] = 600.0
    wakes: Annotated[
        int, Field(ge=1, le=1000, description="commands that wake it and are lost")
    ] = 1

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Silence the meter if this command only wakes it."""
        known = context.memory.get(call.device)
        last, left = known or (-self.idle, 0)
        if known is None or call.now - last >= self.idle:
            left = self.wakes
        context.memory.put(call.device, call.now, max(left - 1, 0))
        if left < 1:
            return None
        return replace(behaviour, silent=True), {"wake": self.wakes - int(left) + 1}


_NO_REPLY = "no-reply"


@dataclass(frozen=True, slots=True)
class FailFirst(Fault):
    """The first commands of an SRV to a meter fail; later ones succeed.

    Only commands that the rule selects count, from when it was added.
    """

    kind: ClassVar[str] = "fail-first"
    stage: ClassVar[Stage] = Stage.SILENCE

    n: Annotated[
        int, Field(ge=1, le=1_000_000, description="failing commands, for each SRV and meter")
    ] = 1
    result: Annotated[
        ResultCode | None,
        choice({_NO_REPLY: None, **FAILURES}),
        Field(description="how they fail"),
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
