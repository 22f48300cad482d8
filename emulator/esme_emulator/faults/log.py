"""Ground truth: every fault that fired, in order, as far back as the log reaches."""

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
    """One fault that changed something of one call."""

    time: float
    """Unix time in seconds."""
    rule: str
    kind: str
    device: EUI
    srv: str
    number: int
    """Which of the commands of this SRV to this meter it was, from 1."""
    detail: Detail

    def __str__(self) -> str:
        done = "".join(f" {name}={value}" for name, value in self.detail.items())
        call = f"{self.device} {self.srv} call {self.number}"
        return f"{iso(self.time)} {self.rule} ({self.kind}) {call}{done}"

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object; `time` is ISO 8601 in UTC, to the microsecond."""
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
    """The newest `size` faults that fired. Raises `ValueError` for a size below 0."""

    def __init__(self, size: int) -> None:
        self._kept: deque[FaultFired] = deque(maxlen=size)
        self.dropped = 0
        """How many are no longer kept."""

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[FaultFired]:
        return iter(self._kept)

    def append(self, fired: FaultFired) -> None:
        """Keep this one, and drop the oldest where there is no room for both."""
        if len(self._kept) == self._kept.maxlen:
            self.dropped += 1
        self._kept.append(fired)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object, oldest first."""
        return {"dropped": self.dropped, "fired": [fired.to_json() for fired in self]}


def iso(time: float) -> str:
    """Return a Unix time in ISO 8601, UTC, to the microsecond.

    >>> iso(946684800.25)
    '2000-01-01T00:00:00.250000Z'
    """
    when = EPOCH + timedelta(seconds=time - EPOCH_UNIX)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
