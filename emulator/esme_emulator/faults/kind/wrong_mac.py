"""Wrong MAC: a reply that nobody may believe."""

from dataclasses import dataclass, replace
from typing import ClassVar

from esme_emulator.faults.base import Call, Delivery, Detail, Fault, Stage
from esme_emulator.faults.context import Means
from gbcs import GbcsError, decode


@dataclass(frozen=True, slots=True)
class WrongMac(Fault):
    """The MAC of the reply is another; the message is whole."""

    kind: ClassVar[str] = "wrong-mac"
    stage: ClassVar[Stage] = Stage.SEAL

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], means: Means
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Return the reply with a drawn MAC, where it has one."""
        [delivery] = deliveries
        octets = delivery.octets
        try:
            mac = decode(octets).mac
        except GbcsError:
            return None
        if not mac:
            return None
        drawn = means.octets(call, "mac", len(mac))
        if drawn == mac:
            drawn = bytes(octet ^ 0xFF for octet in mac)
        wrong = octets[: -len(mac)] + drawn
        return (replace(delivery, octets=wrong),), {"mac": drawn.hex().upper()}
