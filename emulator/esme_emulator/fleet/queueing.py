"""Queues of a fleet: commands at meters, and replies until they are due.

Each meter handles one command at a time, and its radio sleeps without traffic. A reply may be
held back until it is overtaken.

The state of a meter is dropped as soon as it equals that of an idle meter.
"""

import heapq
from dataclasses import dataclass
from math import inf

from esme_emulator.fleet.wan import Radio
from esme_emulator.runtime.timers import Timer, Timers
from gbcs import EUI


class MeterState:
    """The queue and the radio of one meter. Times are Unix times in seconds."""

    __slots__ = ("_busy_until", "_starts", "radio")

    def __init__(self) -> None:
        self._busy_until = -inf
        self._starts: tuple[float, ...] = ()
        """When the meter begins with each waiting command."""
        self.radio = Radio()

    @property
    def over_at(self) -> float:
        """When this state equals that of a meter that never received a command."""
        return max(self._busy_until, self.radio.awake_until)

    def turn(self, arrives: float, room: int) -> float | None:
        """Return when the meter begins with a command that arrives at `arrives`.

        Returns None if the command would have to wait, and `room` commands do already.
        """
        if self._busy_until <= arrives:
            return arrives
        waiting = sum(start > arrives for start in self._starts)
        return self._busy_until if waiting < room else None

    def occupy(self, start: float, finish: float, now: float) -> None:
        """Handle a command from `start`, which `turn` returned, to `finish`."""
        self._busy_until = finish
        self._starts = tuple(other for other in (*self._starts, start) if other > now)


class MeterStates:
    """The states of the meters that are not idle."""

    def __init__(self) -> None:
        self._states: dict[int, MeterState] = {}
        self._ends: list[tuple[float, int]] = []
        """A heap with one entry for each state: a lower bound of its end."""

    def __len__(self) -> int:
        return len(self._states)

    def at(self, meter: int, now: float) -> MeterState:
        """Return the state of a meter. Drops all states that are over at `now`."""
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


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of `device` to `recipient`, with the SRV and the outcome of its command."""

    device: EUI
    recipient: EUI
    srv: str
    outcome: str
    octets: bytes
    due: float
    """When to send it, Unix time in seconds."""
    overtaken: bool = False
    """Send it directly after the meter's next reply, if that is due earlier."""
    response_topic: str = ""
    """The Response Topic of the command; empty if it named none."""


class Outbox:
    """Replies that are not due yet."""

    def __init__(self) -> None:
        self._timers: Timers[Reply] = Timers()
        self._held: dict[EUI, list[Timer[Reply]]] = {}
        """Timers of the replies that wait to be overtaken."""

    def __len__(self) -> int:
        return len(self._timers)

    def put(self, replies: tuple[Reply, ...]) -> None:
        """Add the replies of one meter to one command."""
        for reply in replies:
            if not reply.overtaken:
                self._timers.start(reply.due, reply)
                self._release(reply)
        for reply in replies:
            if reply.overtaken:
                timer = self._timers.start(reply.due, reply)
                self._held.setdefault(reply.device, []).append(timer)

    def take(self, now: float) -> list[Reply]:
        """Remove and return the replies that are due at `now`, in order."""
        due = []
        while (reply := self._timers.pop_due(now)) is not None:
            due.append(reply)
            if reply.overtaken and reply.device in self._held:
                self._forget(reply)
        return due

    def _release(self, next_reply: Reply) -> None:
        """Make replies that a meter held back due directly after its next reply."""
        for timer in self._held.pop(next_reply.device, ()):
            held = timer.subject
            if held is not None and held.due > next_reply.due:
                timer.cancel()
                self._timers.start(next_reply.due, held)

    def _forget(self, reply: Reply) -> None:
        held = [timer for timer in self._held[reply.device] if timer.subject is not reply]
        if held:
            self._held[reply.device] = held
        else:
            del self._held[reply.device]
