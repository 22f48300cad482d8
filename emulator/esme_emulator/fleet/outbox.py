"""The queue of replies until they are due. A reply may be held back until it is overtaken."""

from dataclasses import dataclass

from esme_emulator.runtime.timers import Timer, Timers
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
