"""Wrong recipient: the answer to somebody else."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.estate.parties import PARTIES
from esme_emulator.faults.base import Call, Delivery, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.parameters import DEVICE, Key
from esme_emulator.faults.resealing import resealed
from gbcs import EUI


@dataclass(frozen=True, slots=True)
class WrongRecipient(Fault):
    """The reply is addressed to another EUI, and sealed for it where there is a key of it."""

    kind: ClassVar[str] = "wrong-recipient"
    stage: ClassVar[Stage] = Stage.MESSAGE

    recipient: Annotated[
        EUI | None, Key(DEVICE, "whom to; without it an emulated party that did not ask")
    ] = None

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], means: Means
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Return the reply to somebody else; nothing is done where it is for that one."""
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
