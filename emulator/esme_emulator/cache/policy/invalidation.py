"""Entries that the store has still to drop, and that do not count until it has.

Pure. Two events make entries worthless before they expire: another supplier or consumer at a
device, and a clock that was set back, since it is unknown when the entries before it were received.
A store that is away drops nothing, and an entry may be stored just after a flush. So each flush has
a number, and only the answer to the last one ends it.
"""

from collections.abc import Sequence
from itertools import count

from esme_emulator.cache.policy.effects import Flush
from gbcs import EUI


class Flushes:
    """All flushes in progress. Times are Unix times in seconds."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._devices: dict[EUI, tuple[Flush, float]] = {}
        """Each with the time at which it began."""
        self._ahead: tuple[Flush, float] | None = None
        """With the time before the clock was set back."""

    def device(self, device: EUI, now: float) -> Flush:
        """Return a new flush of all entries of a device."""
        flush = Flush(next(self._numbers), device)
        self._devices[device] = flush, now
        return flush

    def set_back(self, latest: float, now: float) -> None:
        """Begin to flush all entries received after `now`, since the clock stood at `latest`."""
        if self._ahead is not None:
            before, until = self._ahead
            now, latest = min(now, before.received_after), max(latest, until)
        self._ahead = Flush(next(self._numbers), None, now), latest

    def done(self, flush: Flush) -> None:
        """Note that the store has dropped the entries of `flush`."""
        if flush.device is not None:
            if self._devices.get(flush.device, (None,))[0] == flush:
                del self._devices[flush.device]
        elif self._ahead is not None and self._ahead[0] == flush:
            self._ahead = None

    def pending(self) -> list[Flush]:
        """Return the flushes that the store has still to do."""
        ahead = [self._ahead[0]] if self._ahead is not None else []
        return [*ahead, *(flush for flush, _ in self._devices.values())]

    def since(self, device: EUI) -> float:
        """Return the time after which entries of a device must have been received to count."""
        return self._devices[device][1] if device in self._devices else 0.0

    def was_ahead(self, received: float) -> bool:
        """Return whether an entry may have been received before the clock was set back."""
        if self._ahead is None:
            return False
        flush, latest = self._ahead
        return flush.received_after < received <= latest


def undropped_warning(flushes: Sequence[Flush], *, served: bool) -> str:
    """Return a line about entries that an ending cache could not drop.

    `served` tells whether the next cache would serve them.
    """
    devices = [str(flush.device) for flush in flushes if flush.device is not None]
    readings, command = "readings received by a clock that was ahead", "esme cache purge"
    if len(devices) == len(flushes):
        more = f" and {len(devices) - 3} more" if len(devices) > 3 else ""
        readings = f"readings of {', '.join(devices[:3])}{more}"
        command += f" --device {devices[0] if len(devices) == 1 else 'EUI'}"
    if served:
        return f"{readings} could not be dropped, and the next cache will serve them: {command}"
    return (
        f"{readings} could not be dropped. No cache with this registry serves them, and they "
        f"expire with their retention; to drop them now: {command}"
    )
