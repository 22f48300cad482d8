"""Whether, when and how often a reply arrives: no reply, or a late, repeated or incomplete one."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field

from esme_emulator.device.meter import Behaviour
from esme_emulator.faults.base import (
    MAX_DELIVERIES,
    Call,
    Delivery,
    Detail,
    Fault,
    FaultContext,
    Seconds,
    Stage,
    choice,
)
from esme_emulator.faults.kind.wrong_readings import FAILURES, can_refuse
from gbcs import CRA, segment
from gbcs.block import MAX_WINDOW, Routing
from gbcs.block_transfer import MAX_BLOCKS
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


@dataclass(frozen=True, slots=True)
class LateReply(Fault):
    """The reply is delayed, in addition to the latency of the meter."""

    kind: ClassVar[str] = "late-reply"
    stage: ClassVar[Stage] = Stage.WAY

    seconds: Annotated[Seconds, Field(description="seconds of delay")] = 30.0
    jitter: Annotated[
        Seconds, Field(description="most seconds of further delay, drawn for each reply")
    ] = 0.0

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Delay all deliveries."""
        later = self.seconds
        if self.jitter:
            later += self.jitter * context.unit(call, "jitter")
        if not later:
            return None
        late = tuple(replace(part, delay=part.delay + later) for part in deliveries)
        return late, {"seconds": later}


@dataclass(frozen=True, slots=True)
class Duplicate(Fault):
    """The same reply arrives more than once."""

    kind: ClassVar[str] = "duplicate"
    stage: ClassVar[Stage] = Stage.WAY

    copies: Annotated[int, Field(ge=1, le=100, description="additional copies")] = 1
    after: Annotated[Seconds, Field(description="seconds between copies")] = 0.0

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Append the deliveries once more for each copy."""
        if len(deliveries) * (self.copies + 1) > MAX_DELIVERIES:
            return None
        several = tuple(
            replace(part, delay=part.delay + copy * self.after)
            for copy in range(self.copies + 1)
            for part in deliveries
        )
        return several, {"copies": self.copies, "after": self.after}


@dataclass(frozen=True, slots=True)
class Reordered(Fault):
    """The reply is held back until the next reply of the meter has left."""

    kind: ClassVar[str] = "reordered"
    stage: ClassVar[Stage] = Stage.WAY

    hold: Annotated[Seconds, Field(description="most seconds to hold it back")] = 60.0

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Hold the deliveries back, unless all of them are already."""
        if all(part.overtaken for part in deliveries):
            return None
        held = tuple(
            replace(part, delay=part.delay + self.hold, overtaken=True) for part in deliveries
        )
        return held, {"hold": self.hold}


@dataclass(frozen=True, slots=True)
class LostBlock(Fault):
    """The reply is sent as blocks of a general block transfer, one message each; one is lost."""

    kind: ClassVar[str] = "lost-block"
    stage: ClassVar[Stage] = Stage.BLOCKS

    block_size: Annotated[
        int, Field(ge=128, le=65_535, description="octets of the reply per block")
    ] = 256
    window: Annotated[int, Field(ge=1, le=MAX_WINDOW, description="blocks per acknowledgement")] = (
        MAX_WINDOW
    )
    lost: Annotated[
        Annotated[int, Field(ge=1, le=MAX_BLOCKS)] | None,
        Field(description="number of the lost block, at most that of the last; drawn if not given"),
    ] = None

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Split the reply and drop one block; of a reply that fits one block, nothing arrives."""
        if len(deliveries) > 1:
            return None
        [delivery] = deliveries
        if len(delivery.octets) > self.block_size * MAX_DELIVERIES:
            return None
        command = call.command
        routing = Routing(
            cra=CRA.RESPONSE,
            originator_counter=command.originator_counter,
            originator=call.device,
            recipient=command.originator,
            message_code=command.message_code,
        )
        blocks = segment(
            delivery.octets, block_size=self.block_size, window=self.window, routing=routing
        )
        drawn = 1 + int(context.unit(call, "lost") * len(blocks))
        lost = min(self.lost or drawn, len(blocks))
        arriving = tuple(
            replace(delivery, octets=block)
            for number, block in enumerate(blocks, 1)
            if number != lost
        )
        return arriving, {"lost": lost, "blocks": len(blocks)}
