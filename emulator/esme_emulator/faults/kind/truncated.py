"""Truncated: a reply that ends too early."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from esme_emulator.faults.parameters import Key, whole
from gbcs.message import MAX_OCTETS


@dataclass(frozen=True, slots=True)
class Truncated(Fault):
    """Only the beginning of the reply arrives."""

    kind: ClassVar[str] = "truncated"
    stage: ClassVar[Stage] = Stage.OCTETS

    keep: Annotated[
        int | None, Key(whole(1, MAX_OCTETS), "octets that arrive; without it drawn for each reply")
    ] = None

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], means: Means
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Return the beginning, at least one octet; nothing is done where that is all."""
        [delivery] = deliveries
        size = len(delivery.octets)
        keep = self.keep or 1 + int(means.unit(call, "keep") * (size - 1))
        if keep >= size:
            return None
        return (replace(delivery, octets=delivery.octets[:keep]),), {"kept": keep, "of": size}
