"""What every fault is: something that may change a meter's conduct, or what becomes of its reply.

A fault is a pure function of the call, the meter's answer and a draw, so that a rerun with the
same seed suffers the same.
"""

from dataclasses import dataclass
from typing import Protocol

from emulator.device.conduct import Conduct
from gbcs import EUI, Command, Keystore


@dataclass(frozen=True, slots=True)
class Call:
    """One command as a meter receives it."""

    device: EUI
    srv: str
    number: int
    """1 for the first command of this SRV that the meter received, and so on."""
    now: float
    """Unix time in seconds."""
    command: Command
    keystore: Keystore


@dataclass(frozen=True, slots=True)
class Delivery:
    """Octets on their way back to the requester."""

    octets: bytes
    delay: float = 0.0
    """Seconds to wait, from when the meter has answered, before they are sent."""
    overtaken: bool = False
    """They leave directly behind the meter's next reply, if that comes before the delay is over."""


class Fault(Protocol):
    """One kind of misbehaviour, with its parameters."""

    def conduct(self, call: Call, conduct: Conduct, drawn: float) -> Conduct:
        """Return how the meter answers; `drawn` is above 0 and below 1."""
        ...

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], drawn: float
    ) -> tuple[Delivery, ...]:
        """Return what becomes of the reply."""
        ...
