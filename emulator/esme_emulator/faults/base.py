"""The interface of every fault, and the data it works on.

A fault changes how a meter behaves, or what becomes of its reply. It is a pure function of the
call, the result of the faults before it, and its `FaultContext`, so a rerun with the same seed has
the same faults. It does not know other faults: `Stage` gives their order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, TypeAlias

from esme_emulator.device.behaviour import Behaviour
from esme_emulator.faults.context import FaultContext
from gbcs import EUI, Command, Keystore

Detail: TypeAlias = Mapping[str, str | int | float]
"""What a fault did, as JSON values: enough to do the same to the same reply."""

MAX_DELIVERIES = 10_000
"""Most deliveries that all faults together may make of one reply."""


class FaultError(Exception):
    """A rule that cannot be used. The text is one line with rule, key and reason."""

    def __init__(self, reason: str, key: str = "", rule: str = "") -> None:
        self.reason = reason
        self.key = key
        """The wrong key of the table; empty if no single key is wrong."""
        self.rule = rule
        """Number or name of the rule; empty if the whole text is wrong."""
        super().__init__(": ".join(part for part in (rule, key, reason) if part))

    def of(self, rule: str) -> "FaultError":
        """Return the same error with the name of its rule."""
        return FaultError(self.reason, self.key, rule)


@dataclass(frozen=True, slots=True)
class Call:
    """One command as a meter receives it."""

    device: EUI
    srv: str
    number: int
    """Number of this command among those of its SRV to this meter, from 1."""
    now: float
    """Unix time in seconds."""
    command: Command
    keystore: Keystore
    profile_of: Callable[[], str] = str
    """Returns the name of the meter's profile, or an empty text if it is unknown.

    A function, since the profile takes a draw and few rules need it.
    """


@dataclass(frozen=True, slots=True)
class Delivery:
    """Octets on their way back to the requester."""

    octets: bytes
    delay: float = 0.0
    """Seconds between the meter's answer and the sending of the octets."""
    overtaken: bool = False
    """Send them directly after the meter's next reply, if that leaves before the delay is over."""


class Stage(IntEnum):
    """The order of faults; faults of one stage apply in the order of their rules.

    The first fault that silences the meter or makes it refuse is the last that changes its
    behaviour.
    """

    SILENCE = 1
    """Whether the meter takes the command."""
    REFUSAL = 2
    """Whether it answers with a result code."""
    LOGS = 3
    """Its clock and logs."""
    MESSAGE = 4
    """Fields of the reply, which is sealed again."""
    SEAL = 5
    """The MAC of the reply."""
    OCTETS = 6
    """Octets of the reply, without regard to their meaning."""
    BLOCKS = 7
    """The reply in several parts."""
    WAY = 8
    """When, how often and in which order the parts arrive."""

    @property
    def changes_behaviour(self) -> bool:
        """Whether faults of this stage change how the meter answers, not what becomes of it."""
        return self <= Stage.LOGS


class Fault:
    """One kind of misbehaviour and its parameters: a frozen dataclass.

    Faults up to stage LOGS override `behave`, the others `deliver`. Neither may raise.
    """

    __slots__ = ()

    kind: ClassVar[str]
    """Its name in rules."""
    stage: ClassVar[Stage]

    def concerns(self, srv: str) -> bool:
        """Return whether this fault can change the answer to a command of an SRV."""
        return True

    def behave(
        self, call: Call, behaviour: Behaviour, context: FaultContext
    ) -> tuple[Behaviour, Detail] | None:
        """Return the changed behaviour and what was changed, or None to change nothing."""
        return None

    def deliver(
        self, call: Call, deliveries: tuple[Delivery, ...], context: FaultContext
    ) -> tuple[tuple[Delivery, ...], Detail] | None:
        """Return the changed deliveries and what was changed, or None to change nothing.

        There is at least one delivery, and exactly one up to stage OCTETS.
        """
        return None
