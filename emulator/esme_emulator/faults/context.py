"""The context of a fault: repeatable chance and bounded memory, one of each for every rule."""

from collections.abc import Hashable
from typing import TYPE_CHECKING

from esme_emulator.runtime.draws import draw, draw_unit
from gbcs import EUI

if TYPE_CHECKING:
    from esme_emulator.faults.base import Call

_PURPOSE = "fault"


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

    def unit(self, call: "Call", purpose: str) -> float:
        """Draw a number above 0 and below 1 for this call."""
        return draw_unit(self._seed, _PURPOSE, self._subject(call, purpose))

    def octets(self, call: "Call", purpose: str, size: int) -> bytes:
        """Draw `size` octets, up to 64, for this call."""
        return draw(self._seed, _PURPOSE, self._subject(call, purpose), size)

    def lasting(self, device: EUI, purpose: str) -> float:
        """Draw a number above 0 and below 1 that is the same in every call of this meter."""
        return draw_unit(self._seed, _PURPOSE, self._rule + device + purpose.encode())

    def _subject(self, call: "Call", purpose: str) -> bytes:
        return self._rule + call.device + f"{call.srv} {call.number} {purpose}".encode()
