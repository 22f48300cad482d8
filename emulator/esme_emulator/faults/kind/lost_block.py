"""Lost block: a reply that travels in blocks, of which one does not arrive."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import MAX_DELIVERIES, Call, Delivery, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.parameters import Key, whole
from gbcs import CRA, segment
from gbcs.block import MAX_WINDOW, Routing
from gbcs.block_transfer import MAX_BLOCKS


@dataclass(frozen=True, slots=True)
class LostBlock(Fault):
    """The reply is sent as blocks of a general block transfer, one message each; one is missing."""

    kind: ClassVar[str] = "lost-block"
    stage: ClassVar[Stage] = Stage.BLOCKS

    block_size: Annotated[int, Key(whole(128, 65_535), "octets of the reply in a block")] = 256
    window: Annotated[
        int, Key(whole(1, MAX_WINDOW), "blocks until an acknowledgement is asked for")
    ] = MAX_WINDOW
    lost: Annotated[
        int | None,
        Key(
            whole(1, MAX_BLOCKS),
            "the block that is missing, the last where there are not so many; without it drawn",
        ),
    ] = None

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], means: Means
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Return the blocks but one: none at all where one takes the whole reply."""
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
        drawn = 1 + int(means.unit(call, "lost") * len(blocks))
        lost = min(self.lost or drawn, len(blocks))
        arriving = tuple(
            replace(delivery, octets=block)
            for number, block in enumerate(blocks, 1)
            if number != lost
        )
        return arriving, {"lost": lost, "blocks": len(blocks)}
