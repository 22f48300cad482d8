"""What a fault may draw on: chance that repeats in every run, and memory that is bounded.

Both belong to one rule. Knows no clock and not what is drawn or remembered.
"""

from collections.abc import Hashable
from typing import Protocol

from esme_emulator.runtime.draws import draw, draw_unit
from gbcs import EUI

_PURPOSE = "fault"


class Numbered(Protocol):
    """A call, as far as chance depends on it."""

    @property
    def device(self) -> EUI:
        """The meter that is called."""
        ...

    @property
    def srv(self) -> str:
        """The SRV of the command."""
        ...

    @property
    def number(self) -> int:
        """Which of the commands of this SRV to this meter it is."""
        ...


class Memory:
    """What a fault remembers, by subject; of more than `size` the one longest unused is forgotten.

    Raises `ValueError` for a size below 1.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"{size}: a memory has at least 1 entry")
        self._size = size
        self._entries: dict[Hashable, tuple[float, ...]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, subject: Hashable) -> tuple[float, ...] | None:
        """Return what is remembered of `subject`, or None."""
        return self._entries.get(subject)

    def put(self, subject: Hashable, *values: float) -> None:
        """Remember `values` of `subject` in place of what was remembered."""
        self._entries.pop(subject, None)
        if len(self._entries) >= self._size:
            del self._entries[next(iter(self._entries))]
        self._entries[subject] = values


class Means:
    """Chance and memory of the rule `rule`.

    A draw follows from seed, rule, what is drawn for and its purpose, and from nothing else; so it
    depends neither on other rules and meters, nor on what was drawn before.
    """

    __slots__ = ("_rule", "_seed", "memory")

    def __init__(self, seed: str, rule: str, memory_size: int) -> None:
        self._seed = seed
        self._rule = f"{rule} ".encode()
        self.memory = Memory(memory_size)

    def unit(self, call: Numbered, purpose: str) -> float:
        """Return a number above 0 and below 1 for this call."""
        return draw_unit(self._seed, _PURPOSE, self._subject(call, purpose))

    def octets(self, call: Numbered, purpose: str, size: int) -> bytes:
        """Return `size` octets, up to 64, for this call."""
        return draw(self._seed, _PURPOSE, self._subject(call, purpose), size)

    def lasting(self, device: EUI, purpose: str) -> float:
        """Return a number above 0 and below 1 that is this meter's in every call."""
        return draw_unit(self._seed, _PURPOSE, self._rule + device + purpose.encode())

    def _subject(self, call: Numbered, purpose: str) -> bytes:
        return self._rule + call.device + f"{call.srv} {call.number} {purpose}".encode()
