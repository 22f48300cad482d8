"""Requests, the commands that are sent for them, and flights: requests that wait for one reading.

Data alone; what happens to them is the policy's.
"""

from dataclasses import dataclass
from enum import Enum, auto

from esme_emulator.cache.entry import Key
from esme_emulator.cache.policy.reads import Read
from esme_emulator.cache.policy.timers import Ticket
from esme_emulator.messaging.transaction import Transaction
from gbcs import EUI, Command, Message
from gbcs.usecases.profile_read import Window


@dataclass(slots=True, eq=False)
class Request:
    """A command that a party sent, once it is known to be one."""

    command: Command
    octets: bytes
    srv: str
    transaction: Transaction
    touched: tuple[tuple[str, Window | None], ...]
    """The SRVs it asks for, with the dates."""
    parties: tuple[EUI, ...]
    """Who must be entitled: the party, and the originator where that is neither it nor the ACB."""
    read: Read | None = None
    """What it reads, None where the cache does not answer it."""
    asked: float = 0.0
    """When it came, Unix time in seconds."""
    entitled: tuple[int, int] | None = None
    """The version of the registry by which all of them were, and the day; None: none yet."""

    @property
    def key(self) -> Key | None:
        """What it reads as a store knows it."""
        read = self.read
        if read is None:
            return None
        return Key(self.device, read.kept_as, read.window.start, read.window.end)

    @property
    def party(self) -> EUI:
        """Who asks: the party behind the ACB, where there is one."""
        return self.transaction.party

    @property
    def device(self) -> EUI:
        """Whom it is for."""
        return self.command.recipient

    @property
    def window(self) -> Window | None:
        """The dates that it asks for under the SRV of its use case."""
        return self.touched[0][1]


@dataclass(slots=True, eq=False)
class Flight:
    """Requests that wait for the same readings; one of them leads: the meter is asked for it."""

    number: int
    key: Key
    read: Read
    waiting: list[Request]
    leader: Request | None = None
    """Whose command went to the meter; it is not among those who wait."""
    why: str = "miss"
    """Why the meter is asked, in the words of RFC 9211."""
    detail: str = ""
    leased: bool = False
    keeps: bool = True
    """Whether what comes may be kept: not where its device was flushed meanwhile."""
    ticket: "Ticket[Due] | None" = None
    """When waiting for another cache is over."""
    waits: int = 0
    """How often it was."""
    landed: "Landed | None" = None


@dataclass(frozen=True, slots=True)
class Landed:
    """What came for a flight, while it is being kept."""

    readings: bytes | int
    received: float
    """When, Unix time in seconds."""
    detail: str = ""
    """Why it is not kept; empty where it is."""
    open: bool = False
    """Whether its window was not over when the meter was asked."""
    response: Message | None = None
    octets: bytes = b""
    """The meter's response to the leader, as it came; none where it was cut from a wider entry."""


class Kind(Enum):
    """What a command is sent for."""

    FLIGHT = auto()
    BYPASS = auto()
    """For its requester alone; the reply is passed on as it comes."""
    SHADOW = auto()
    """To compare with what was served; the reply is for nobody."""


@dataclass(slots=True, eq=False)
class Leg:
    """A command on its way to a meter, or waiting for its turn."""

    request: Request
    kind: Kind
    flight: Flight | None = None
    detail: str = ""
    served: bytes = b""
    """The readings that were served, of a shadow."""
    sent: float | None = None
    """When it was first sent, Unix time in seconds."""
    attempts: int = 0
    ticket: "Ticket[Due] | None" = None


Due = Leg | Flight
"""What deadlines are of."""
