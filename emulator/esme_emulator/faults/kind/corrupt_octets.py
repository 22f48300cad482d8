"""Corrupt octets: noise changes the reply."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, FaultContext, Stage
from esme_emulator.faults.parameters import Key, whole


@dataclass(frozen=True, slots=True)
class CorruptOctets(Fault):
    """Octets of the reply are changed, at drawn positions."""

    kind: ClassVar[str] = "corrupt-octets"
    stage: ClassVar[Stage] = Stage.OCTETS

    octets: Annotated[int, Key(whole(1, 1000), "how many to change, at most all")] = 1

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
