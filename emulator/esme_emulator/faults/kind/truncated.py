"""Truncated: the end of the reply is missing."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, FaultContext, Stage
from esme_emulator.faults.parameters import Key, whole
from gbcs.message import MAX_OCTETS


@dataclass(frozen=True, slots=True)
class Truncated(Fault):
    """Only the beginning of the reply arrives."""

    kind: ClassVar[str] = "truncated"
    stage: ClassVar[Stage] = Stage.OCTETS

    keep: Annotated[
        int | None,
        Key(whole(1, MAX_OCTETS), "octets that arrive; drawn for each reply if not given"),
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
