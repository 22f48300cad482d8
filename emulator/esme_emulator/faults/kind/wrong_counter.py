"""Wrong counter: the reply belongs to another command."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, FaultContext, Stage
from esme_emulator.faults.parameters import Key, Takes, whole
from esme_emulator.faults.resealing import resealed
from gbcs import Message
from gbcs.dlms.access import AccessResponse
from gbcs.usecases.responding import invoke_id

_LIMIT = 1_000_000_000


def _read_offset(value: object) -> int:
    if value == 0:
        raise ValueError
    offset: int = _ANY.read(value)
    return offset


_ANY = whole(-_LIMIT, _LIMIT)
_OFFSET = Takes(f"{_ANY.words}, but 0", {**_ANY.schema, "not": {"const": 0}}, _read_offset)


@dataclass(frozen=True, slots=True)
class WrongCounter(Fault):
    """The originator counter of the reply is not that of the command; its MAC is valid.

    The long invoke id follows the counter. Encrypted data stays encrypted under the right counter.
    """

    kind: ClassVar[str] = "wrong-counter"
    stage: ClassVar[Stage] = Stage.MESSAGE

    offset: Annotated[int, Key(_OFFSET, "number added to the counter, modulo 2**64")] = 1

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Change the counter of the reply and seal it again."""
        [delivery] = deliveries
        renewed = resealed(delivery.octets, call.keystore, self._change)
        if renewed is None:
            return None
        octets, sealed = renewed
        return (replace(delivery, octets=octets),), {"offset": self.offset, "sealed": sealed}

    def _change(self, message: Message) -> Message:
        counter = (message.originator_counter + self.offset) % (1 << 64)
        payload = message.payload
        if isinstance(payload, AccessResponse):
            payload = replace(payload, invoke_id=invoke_id(counter))
        return replace(message, originator_counter=counter, payload=payload)
