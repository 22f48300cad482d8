"""What every fault is: something that may change a meter's conduct, or what becomes of its reply.

A fault is a pure function of the call, what is so far, and its `Means`, so that a rerun with the
same seed suffers the same. It knows no other faults: `Stage` says in which order they come.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, TypeAlias

from esme_emulator.device.behaviour import Conduct
from esme_emulator.faults.context import Means
from gbcs import EUI, Command, Keystore

Detail: TypeAlias = Mapping[str, str | int | float]
"""What exactly a fault did: names and JSON values, enough to do the same to the same reply."""

MAX_DELIVERIES = 10_000
"""More than these are not made of one reply, by whatever faults together."""


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
    profile_of: Callable[[], str] = str
    """Returns the name of the profile of the meter, empty where nobody knows it; not every rule
    asks, and it takes a draw."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Octets on their way back to the requester."""

    octets: bytes
    delay: float = 0.0
    """Seconds to wait, from when the meter has answered, before they are sent."""
    overtaken: bool = False
    """They leave directly behind the meter's next reply, if that comes before the delay is over."""


class Stage(IntEnum):
    """When a fault has its turn; faults of one stage come in the order of their rules.

    The first that silences the meter or makes it refuse is the last to change its conduct.
    """

    SILENCE = 1
    """Whether the meter takes the command."""
    REFUSAL = 2
    """Whether it answers with a result code."""
    LOGS = 3
    """What clock and logs say."""
    MESSAGE = 4
    """What the reply says, sealed anew."""
    SEAL = 5
    """The MAC of the reply."""
    OCTETS = 6
    """Octets of the reply, whatever they mean."""
    BLOCKS = 7
    """The reply in several parts."""
    WAY = 8
    """When, how often and in which order parts arrive."""

    @property
    def changes_conduct(self) -> bool:
        """Whether faults of this stage change how the meter answers, not what becomes of it."""
        return self <= Stage.LOGS


class Fault:
    """One kind of misbehaviour, with its parameters: a frozen dataclass that overrides a method.

    Faults up to the stage LOGS override `conduct`, others `deliver`. Neither may raise.
    """

    __slots__ = ()

    kind: ClassVar[str]
    """Its name in rules."""
    stage: ClassVar[Stage]

    def concerns(self, srv: str) -> bool:
        """Return whether the answer to a command of an SRV can be another because of it."""
        return True

    def conduct(self, call: Call, conduct: Conduct, means: Means) -> tuple[Conduct, Detail] | None:
        """Return how the meter answers, and what is new in it; None where this changes nothing."""
        return None

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], means: Means
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Return what becomes of the reply, and what was done; None where this changes nothing.

        There is at least one delivery, and up to the stage OCTETS there is one.
        """
        return None
