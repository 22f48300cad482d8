"""Wrong MAC: the reply is not authentic."""

from dataclasses import dataclass, replace
from typing import ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, FaultContext, Stage
from gbcs import GbcsError, decode


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
