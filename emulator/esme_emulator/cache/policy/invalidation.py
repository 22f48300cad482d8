"""What the store has still to drop, and what in it does not count until it has.

Pure. Two things make readings worthless before their time: another supplier or consumer at a
device, and a clock that was set back, since nobody knows when those were received that came before.
A store that is away drops nothing, and what came meanwhile may land behind what was dropped, so
each flush has a number, and the last one is the one to be done.
"""

from collections.abc import Sequence
from itertools import count

from esme_emulator.cache.policy.effects import Flush
from gbcs import EUI


class Flushing:
    """All flushes that are under way. Times are Unix times in seconds."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._devices: dict[EUI, tuple[Flush, float]] = {}
        """With when it was asked for."""
        self._ahead: tuple[Flush, float] | None = None
        """With what time it was before the clock was set back."""

    def device(self, device: EUI, now: float) -> Flush:
        """Have all dropped that is kept of a device."""
        flush = Flush(next(self._numbers), device)
        self._devices[device] = flush, now
        return flush

    def set_back(self, latest: float, now: float) -> None:
        """Have all dropped that was received later than `now`, since it had been `latest`."""
        if self._ahead is not None:
            before, until = self._ahead
            now, latest = min(now, before.received_after), max(latest, until)
        self._ahead = Flush(next(self._numbers), None, now), latest

    def done(self, flush: Flush) -> None:
        """Note that the store has dropped what it had."""
        if flush.device is not None:
            if self._devices.get(flush.device, (None,))[0] == flush:
                del self._devices[flush.device]
        elif self._ahead is not None and self._ahead[0] == flush:
            self._ahead = None

    def pending(self) -> list[Flush]:
        """Return what is still to be dropped."""
        ahead = [self._ahead[0]] if self._ahead is not None else []
        return [*ahead, *(flush for flush, _ in self._devices.values())]

    def since(self, device: EUI) -> float:
        """Return after when readings of a device must have been received to count."""
        _, since = self._devices.get(device, (None, 0.0))
        return since

    def was_ahead(self, received: float) -> bool:
        """Return whether readings may have been received before the clock was set back."""
        if self._ahead is None:
            return False
        flush, latest = self._ahead
        return flush.received_after < received <= latest


def what_remains(flushes: Sequence[Flush], *, served: bool) -> str:
    """Return a line about readings that a cache which ends could not drop.

    `served` says whether the next cache would serve them.
    """
    devices = [str(flush.device) for flush in flushes if flush.device is not None]
    readings, command = "readings of a clock that was ahead", "esme cache purge"
    if len(devices) == len(flushes):
        more = f" and {len(devices) - 3} more" if len(devices) > 3 else ""
        readings = f"readings of {', '.join(devices[:3])}{more}"
        command += f" --device {devices[0] if len(devices) == 1 else 'EUI'}"
    if served:
        return f"{readings} could not be dropped, and the next cache will serve them: {command}"
    return (
        f"{readings} could not be dropped. No cache with this registry serves them, and they leave "
        f"the store with their retention; to drop them now: {command}"
    )
