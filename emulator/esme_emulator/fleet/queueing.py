"""Waiting at meters: each does one thing at a time, and its radio sleeps when nothing happens.

Knows times; nothing of what is said. What it keeps of a meter is dropped when it is over.
"""

import heapq
from math import inf

from esme_emulator.fleet.wan import Radio


class MeterState:
    """What one meter is busy with, and its radio. Times are Unix times in seconds."""

    __slots__ = ("_busy_until", "_starts", "radio")

    def __init__(self) -> None:
        self._busy_until = -inf
        self._starts: tuple[float, ...] = ()
        """When the meter begins with commands that wait."""
        self.radio = Radio()

    @property
    def over_at(self) -> float:
        """When this is the same as of a meter that nobody ever asked."""
        return max(self._busy_until, self.radio.awake_until)

    def turn(self, arrives: float, room: int) -> float | None:
        """Return when the meter begins with a command that arrives then.

        None where it would have to wait, and `room` others do already.
        """
        if self._busy_until <= arrives:
            return arrives
        waiting = sum(start > arrives for start in self._starts)
        return self._busy_until if waiting < room else None

    def occupy(self, start: float, finish: float, now: float) -> None:
        """Be busy with a command from `start`, which `turn` gave, to `finish`."""
        self._busy_until = finish
        self._starts = tuple(other for other in (*self._starts, start) if other > now)


class MeterStates:
    """The states of all meters of a fleet that have one at present."""

    def __init__(self) -> None:
        self._states: dict[int, MeterState] = {}
        self._ends: list[tuple[float, int]] = []
        """One entry for every state: no sooner than then it is over."""

    def __len__(self) -> int:
        return len(self._states)

    def at(self, meter: int, now: float) -> MeterState:
        """Return the state of a meter, and drop those that are over at `now`."""
        while self._ends and self._ends[0][0] <= now:
            _, other = self._ends[0]
            over_at = self._states[other].over_at
            if over_at > now:
                heapq.heapreplace(self._ends, (over_at, other))
            else:
                heapq.heappop(self._ends)
                del self._states[other]
        state = self._states.get(meter)
        if state is None:
            state = self._states[meter] = MeterState()
            heapq.heappush(self._ends, (now, meter))
        return state
