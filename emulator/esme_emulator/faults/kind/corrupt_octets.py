"""Corrupt octets: what noise leaves of a reply."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.parameters import Key, whole


@dataclass(frozen=True, slots=True)
class CorruptOctets(Fault):
    """Octets of the reply are others, at places that are drawn."""

    kind: ClassVar[str] = "corrupt-octets"
    stage: ClassVar[Stage] = Stage.OCTETS

    octets: Annotated[int, Key(whole(1, 1000), "how many, at most all")] = 1

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], means: Means
    ) -> tuple[tuple[Delivery, ...], Detail]:
        """Return the reply with other octets; `changed` has each offset and what it is XORed by."""
        [delivery] = deliveries
        corrupt = bytearray(delivery.octets)
        masks: dict[int, int] = {}
        for which in range(min(self.octets, len(corrupt))):
            offset = int(means.unit(call, f"offset {which}") * len(corrupt))
            while offset in masks:
                offset = (offset + 1) % len(corrupt)
            masks[offset] = 1 + int(means.unit(call, f"mask {which}") * 255)
            corrupt[offset] ^= masks[offset]
        changed = " ".join(f"{offset}:{mask:02X}" for offset, mask in masks.items())
        return (replace(delivery, octets=bytes(corrupt)),), {"changed": changed}
