"""The log of faults that fired, and the event of one: ground truth for tests and users."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from esme_emulator.faults.base import Detail
from gbcs import EUI
from gbcs.instants import EPOCH, EPOCH_UNIX


@dataclass(frozen=True, slots=True)
class FaultFired:
    """A fault changed one call or its reply."""

    time: float
    """Unix time in seconds."""
    rule: str
    kind: str
    device: EUI
    srv: str
    number: int
    """Number of the command among those of its SRV to this meter, from 1."""
    detail: Detail

    def __str__(self) -> str:
        done = "".join(f" {name}={value}" for name, value in self.detail.items())
        call = f"{self.device} {self.srv} call {self.number}"
        return f"{iso(self.time)} {self.rule} ({self.kind}) {call}{done}"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; `time` is ISO 8601 in UTC, to the microsecond."""
        return {
            "time": iso(self.time),
            "rule": self.rule,
            "kind": self.kind,
            "device": str(self.device),
            "srv": self.srv,
            "number": self.number,
            "detail": dict(self.detail),
        }


class FaultLog:
    """The newest `size` faults that fired. Raises `ValueError` if `size` is negative."""

    def __init__(self, size: int) -> None:
        self._kept: deque[FaultFired] = deque(maxlen=size)
        self.dropped = 0
        """Number of older ones that were dropped."""

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[FaultFired]:
        return iter(self._kept)

    def append(self, fired: FaultFired) -> None:
        """Add a fault; drop the oldest if the log is full."""
        if len(self._kept) == self._kept.maxlen:
            self.dropped += 1
        self._kept.append(fired)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object with the oldest fault first."""
        return {"dropped": self.dropped, "fired": [fired.to_json() for fired in self]}


def iso(time: float) -> str:
    """Return a Unix time as ISO 8601 in UTC, to the microsecond.

    >>> iso(946684800.25)
    '2000-01-01T00:00:00.250000Z'
    """
    when = EPOCH + timedelta(seconds=time - EPOCH_UNIX)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
