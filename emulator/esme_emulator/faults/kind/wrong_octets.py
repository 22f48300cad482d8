"""Wrong octets: the reply is damaged, or its MAC, counter or recipient is wrong.

A counter or recipient is changed before the reply is sealed again, so that its MAC is valid.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from esme_emulator.estate.parties import PARTIES
from esme_emulator.faults.base import Call, Delivery, Detail, Fault, FaultContext, Stage
from esme_emulator.runtime.config import Device, Takes
from gbcs import (
    UNSEALED,
    AuthenticationError,
    GbcsError,
    Keystore,
    Message,
    decode,
    encode,
)
from gbcs.dlms.access import AccessResponse
from gbcs.message import MAX_OCTETS
from gbcs.usecases.responding import invoke_id


def resealed(
    octets: bytes, keystore: Keystore, change: Callable[[Message], Message]
) -> tuple[bytes, bool] | None:
    """Return the changed message and whether its MAC is new, or None if it cannot be decoded.

    The MAC stays if the message has none, or if its key is unknown. Encrypted data stays as it is.
    """
    # Encrypting another plaintext under a key and IV that are used elsewhere would break GCM.
    try:
        changed = change(decode(octets))
        if changed.mac is None:
            return encode(changed), False
        try:
            return encode(replace(changed, mac=UNSEALED), keystore), True
        except AuthenticationError:
            return encode(changed), False
    except GbcsError:
        return None


@dataclass(frozen=True, slots=True)
class CorruptOctets(Fault):
    """Octets of the reply are changed, at drawn positions."""

    kind: ClassVar[str] = "corrupt-octets"
    stage: ClassVar[Stage] = Stage.OCTETS

    octets: Annotated[int, Field(ge=1, le=1000, description="how many to change, at most all")] = 1

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail]:
        """Change octets; `changed` in the detail lists each offset and its XOR mask."""
        [delivery] = deliveries
        corrupt = bytearray(delivery.octets)
        masks: dict[int, int] = {}
        for which in range(min(self.octets, len(corrupt))):
            offset = int(context.unit(call, f"offset {which}") * len(corrupt))
            while offset in masks:
                offset = (offset + 1) % len(corrupt)
            masks[offset] = 1 + int(context.unit(call, f"mask {which}") * 255)
            corrupt[offset] ^= masks[offset]
        changed = " ".join(f"{offset}:{mask:02X}" for offset, mask in masks.items())
        return (replace(delivery, octets=bytes(corrupt)),), {"changed": changed}


@dataclass(frozen=True, slots=True)
class Truncated(Fault):
    """Only the beginning of the reply arrives."""

    kind: ClassVar[str] = "truncated"
    stage: ClassVar[Stage] = Stage.OCTETS

    keep: Annotated[
        Annotated[int, Field(ge=1, le=MAX_OCTETS)] | None,
        Field(description="octets that arrive; drawn for each reply if not given"),
    ] = None

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Keep the beginning, at least one octet; a reply that is shorter stays as it is."""
        [delivery] = deliveries
        size = len(delivery.octets)
        keep = self.keep or 1 + int(context.unit(call, "keep") * (size - 1))
        if keep >= size:
            return None
        return (replace(delivery, octets=delivery.octets[:keep]),), {"kept": keep, "of": size}


@dataclass(frozen=True, slots=True)
class WrongMac(Fault):
    """The MAC of the reply is wrong; the rest is intact."""

    kind: ClassVar[str] = "wrong-mac"
    stage: ClassVar[Stage] = Stage.SEAL

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Replace the MAC, if the reply has one, with a drawn one."""
        [delivery] = deliveries
        octets = delivery.octets
        try:
            mac = decode(octets).mac
        except GbcsError:
            return None
        if not mac:
            return None
        drawn = context.octets(call, "mac", len(mac))
        if drawn == mac:
            drawn = bytes(octet ^ 0xFF for octet in mac)
        wrong = octets[: -len(mac)] + drawn
        return (replace(delivery, octets=wrong),), {"mac": drawn.hex().upper()}


_LIMIT = 1_000_000_000


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueError
    return value


@dataclass(frozen=True, slots=True)
class WrongCounter(Fault):
    """The originator counter of the reply is not that of the command; its MAC is valid.

    The long invoke id follows the counter. Encrypted data stays encrypted under the right counter.
    """

    kind: ClassVar[str] = "wrong-counter"
    stage: ClassVar[Stage] = Stage.MESSAGE

    offset: Annotated[
        int,
        Field(
            ge=-_LIMIT,
            le=_LIMIT,
            description="number added to the counter, modulo 2**64",
            json_schema_extra={"not": {"const": 0}},
        ),
        AfterValidator(_not_zero),
        Takes(f"a whole number from {-_LIMIT:,} to {_LIMIT:,}, but 0"),
    ] = 1

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


@dataclass(frozen=True, slots=True)
class WrongRecipient(Fault):
    """The reply is addressed to another EUI, and sealed for it if its key is known."""

    kind: ClassVar[str] = "wrong-recipient"
    stage: ClassVar[Stage] = Stage.MESSAGE

    recipient: Annotated[
        Device | None,
        Field(description="EUI to address; without it an emulated party other than the requester"),
    ] = None

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Change the recipient and seal the reply again, unless it is already for that EUI."""
        [delivery] = deliveries
        asked = call.command.originator
        to = self.recipient or next(party.eui for party in PARTIES if party.eui != asked)
        if to == asked:
            return None
        renewed = resealed(
            delivery.octets, call.keystore, lambda message: replace(message, recipient=to)
        )
        if renewed is None:
            return None
        octets, sealed = renewed
        return (replace(delivery, octets=octets),), {"recipient": str(to), "sealed": sealed}
