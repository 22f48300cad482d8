"""The interface of every fault, and the data it works on.

A fault changes how a meter behaves, or what becomes of its reply. It is a pure function of the
call, the result of the faults before it, and its `FaultContext`, so a rerun with the same seed has
the same faults. It does not know other faults: `Stage` gives their order.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import Field

from esme_emulator.device.meter import Behaviour
from esme_emulator.runtime.config import Takes, closest
from esme_emulator.runtime.draws import draw, draw_unit
from gbcs import EUI, Command, Keystore

_PURPOSE = "fault"
"""Purpose of all draws of faults: keeps them apart from other draws of the same seed."""

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
    def changes_logs(self) -> bool:
        """Whether its faults change the readings of a meter."""
        return self is Stage.LOGS

    @property
    def changes_behaviour(self) -> bool:
        """Whether faults of this stage change how the meter answers, not what becomes of it."""
        return self <= Stage.LOGS


class Memory:
    """Values by subject. Beyond `size` subjects, the least recently written one is forgotten.

    Raises `ValueError` if `size` is below 1.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"memory size {size}: give 1 or more")
        self._size = size
        self._entries: dict[Hashable, tuple[float, ...]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, subject: Hashable) -> tuple[float, ...] | None:
        """Return the values of `subject`, or None if it has none."""
        return self._entries.get(subject)

    def put(self, subject: Hashable, *values: float) -> None:
        """Replace the values of `subject`."""
        self._entries.pop(subject, None)
        if len(self._entries) >= self._size:
            del self._entries[next(iter(self._entries))]
        self._entries[subject] = values


class FaultContext:
    """Chance and memory of the rule named `rule`.

    A draw depends only on seed, rule, subject and purpose, so other rules, other meters and earlier
    draws do not change it.
    """

    __slots__ = ("_rule", "_seed", "memory")

    def __init__(self, seed: str, rule: str, memory_size: int) -> None:
        self._seed = seed
        self._rule = f"{rule} ".encode()
        self.memory = Memory(memory_size)

    def unit(self, call: Call, purpose: str) -> float:
        """Draw a number above 0 and below 1 for this call."""
        return draw_unit(self._seed, _PURPOSE, self._subject(call, purpose))

    def octets(self, call: Call, purpose: str, size: int) -> bytes:
        """Draw `size` octets, up to 64, for this call."""
        return draw(self._seed, _PURPOSE, self._subject(call, purpose), size)

    def lasting(self, device: EUI, purpose: str) -> float:
        """Draw a number above 0 and below 1 that is the same in every call of this meter."""
        return draw_unit(self._seed, _PURPOSE, self._rule + device + purpose.encode())

    def _subject(self, call: Call, purpose: str) -> bytes:
        return self._rule + call.device + f"{call.srv} {call.number} {purpose}".encode()


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


_YEAR = 366 * 86400

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=_YEAR), Takes(f"seconds from 0 to {_YEAR:,}")]
"""Annotations of the parameters of faults."""


def choice(names: Mapping[str, Any]) -> Takes:
    """Accept one of these names; it is read as its value."""
    texts = {value: name for name, value in names.items()}

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError
        if value not in names:
            raise ValueError(f"{value!r:.60} is unknown; {closest(value, names)}")
        return names[value]

    schema = {"type": "string", "enum": list(names)}
    return Takes(f"one of {', '.join(names)}", read, texts.__getitem__, schema)
