"""The queue of replies until they are due. A reply may be held back until it is overtaken."""

import heapq
from dataclasses import dataclass

from gbcs import EUI


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


class Outbox:
    """Replies that are not due yet."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Reply]] = []
        self._held: dict[EUI, list[tuple[int, Reply]]] = {}
        """Replies that wait to be overtaken, with their places; they are in the heap too."""
        self._gone: set[int] = set()
        """Places in the heap whose reply was released early."""
        self._order = 0

    def __len__(self) -> int:
        return len(self._heap) - len(self._gone)

    def put(self, replies: tuple[Reply, ...]) -> None:
        """Add the replies of one meter to one command."""
        for reply in replies:
            if not reply.overtaken:
                self._push(reply.due, reply)
                self._release(reply)
        for reply in replies:
            if reply.overtaken:
                self._held.setdefault(reply.device, []).append((self._order, reply))
                self._push(reply.due, reply)

    def take(self, now: float) -> list[Reply]:
        """Remove and return the replies that are due at `now`, in order."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            _, place, reply = heapq.heappop(self._heap)
            if place in self._gone:
                self._gone.discard(place)
                continue
            due.append(reply)
            if reply.overtaken and reply.device in self._held:
                self._forget(place, reply)
        return due

    def _push(self, due: float, reply: Reply) -> None:
        heapq.heappush(self._heap, (due, self._order, reply))
        self._order += 1

    def _release(self, next_reply: Reply) -> None:
        """Make replies that a meter held back due directly after its next reply."""
        for place, held in self._held.pop(next_reply.device, ()):
            if held.due > next_reply.due:
                self._gone.add(place)
                self._push(next_reply.due, held)

    def _forget(self, place: int, reply: Reply) -> None:
        held = [entry for entry in self._held[reply.device] if entry[0] != place]
        if held:
            self._held[reply.device] = held
        else:
            del self._held[reply.device]
