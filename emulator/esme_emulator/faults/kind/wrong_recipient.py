"""Wrong recipient: the reply is addressed to another party."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.estate.parties import PARTIES
from esme_emulator.faults.base import Call, Delivery, Detail, Fault, FaultContext, Stage
from esme_emulator.faults.parameters import DEVICE, Key
from esme_emulator.faults.resealing import resealed
from gbcs import EUI


@dataclass(frozen=True, slots=True)
class WrongRecipient(Fault):
    """The reply is addressed to another EUI, and sealed for it if its key is known."""

    kind: ClassVar[str] = "wrong-recipient"
    stage: ClassVar[Stage] = Stage.MESSAGE

    recipient: Annotated[
        EUI | None,
        Key(DEVICE, "EUI to address; without it an emulated party other than the requester"),
    ] = None

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Change the recipient and seal the reply again, unless it is already for that EUI."""
        [delivery] = deliveries
        asked = call.command.originator
        to = self.recipient or next(eui for eui, _, _ in PARTIES if eui != asked)
        if to == asked:
            return None
        renewed = resealed(
            delivery.octets, call.keystore, lambda message: replace(message, recipient=to)
        )
        if renewed is None:
            return None
        octets, sealed = renewed
        return (replace(delivery, octets=octets),), {"recipient": str(to), "sealed": sealed}
