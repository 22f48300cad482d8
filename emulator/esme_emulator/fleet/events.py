"""What a fleet publishes on the event hub. Times are Unix times in seconds."""

from dataclasses import dataclass

from esme_emulator.fleet.outbox import Reply
from gbcs import EUI


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A command that the fleet received and counted, and what it led to."""

    time: float
    device: EUI
    srv: str
    outcome: str
    octets: bytes
    replies: tuple[Reply, ...] = ()
    """The replies to send, each with the time at which it is due."""


@dataclass(frozen=True, slots=True)
class ReplySent:
    """A reply that the broker took from the fleet."""

    time: float
    reply: Reply
