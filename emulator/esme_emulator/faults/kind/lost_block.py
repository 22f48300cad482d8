"""Lost block: the reply is sent in blocks and one of them is lost."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import (
    MAX_DELIVERIES,
    Call,
    Delivery,
    Detail,
    Fault,
    FaultContext,
    Stage,
)
from esme_emulator.faults.parameters import Key, whole
from gbcs import CRA, segment
from gbcs.block import MAX_WINDOW, Routing
from gbcs.block_transfer import MAX_BLOCKS


@dataclass(frozen=True, slots=True)
class LostBlock(Fault):
    """The reply is sent as blocks of a general block transfer, one message each; one is lost."""

    kind: ClassVar[str] = "lost-block"
    stage: ClassVar[Stage] = Stage.BLOCKS

    block_size: Annotated[int, Key(whole(128, 65_535), "octets of the reply per block")] = 256
    window: Annotated[int, Key(whole(1, MAX_WINDOW), "blocks per acknowledgement")] = MAX_WINDOW
    lost: Annotated[
        int | None,
        Key(
            whole(1, MAX_BLOCKS),
            "number of the lost block, at most that of the last; drawn if not given",
        ),
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
