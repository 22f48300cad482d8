"""The plan of a load: its requests, their rate, their duration and their limits.

Pure data, so that it can be sent to other processes. Times are seconds.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Literal

from esme_emulator.messaging.topics import PREFIXES
from esme_emulator.scenario.scenario import Mix, TraceLine

MAX_RATE = 1_000_000.0
"""Requests a second. Originator counters are microseconds, and must not run ahead of time."""
MAX_SECONDS = 10 * 86_400.0
MAX_IN_FLIGHT = 1_000_000
MAX_WORKERS = 64


DUIS = "duis"
"""Through the front door for DUIS, rather than on MQTT."""
Via = Literal["cache", "direct", "duis"]


class LoadError(ValueError):
    """An invalid plan; the text is one line that says what to change."""


class Arrivals(StrEnum):
    """The process by which requests arrive, or a closed loop."""

    CONSTANT = "constant"
    POISSON = "poisson"
    RAMP = "ramp"
    """The rate grows evenly from 0 to `Plan.rate`."""
    TRACE = "trace"
    """At the times in a CSV file."""
    CLOSED = "closed"
    """Each request starts when an earlier one is over: a fixed number is in flight."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A load. Raises `LoadError` if its values contradict each other."""

    arrivals: Arrivals
    mix: tuple[Mix, ...]
    seed: str
    meters: int
    via: Via = "cache"
    """A key of `PREFIXES`, or `DUIS`."""
    rate: float = 0.0
    """Requests a second of all workers; for a ramp, at its end."""
    closed: int = 0
    """Requests in flight of all workers in a closed loop."""
    trace: tuple[TraceLine, ...] = ()
    seconds: float = 10.0
    """Measured time, after the warm-up."""
    warm_up: float = 0.0
    """Requests planned in this first time are sent and not counted."""
    in_flight: int = 10_000
    """Most requests in flight of all workers; further requests are not sent."""
    timeout: float = 60.0
    """Timeout for a reply, from the time the command was sent."""
    check: float = 1.0
    """Fraction of replies to verify."""
    workers: int = 1
    clock: str = "system"
    """The clock of the meters, for `parse_clock`. Windows follow it; latency does not."""

    def __post_init__(self) -> None:
        if self.arrivals is Arrivals.CLOSED:
            _within("closed", self.closed, 1, self.in_flight, "requests in flight")
        elif self.arrivals is Arrivals.TRACE:
            if not self.trace:
                raise LoadError("the trace has no requests")
        elif not (isfinite(self.rate) and 0 < self.rate <= MAX_RATE):
            what = f"give requests a second above 0 and up to {MAX_RATE:.0f}"
            raise LoadError(f"rate {self.rate:.15g}: {what}")
        if not (isfinite(self.seconds) and 0 < self.seconds <= MAX_SECONDS):
            raise LoadError(f"seconds {self.seconds:g}: give more than 0, up to {MAX_SECONDS:.0f}")
        _within("warm-up", self.warm_up, 0, MAX_SECONDS, "seconds")
        _within("in-flight", self.in_flight, 1, MAX_IN_FLIGHT, "requests")
        if not (isfinite(self.timeout) and 0 < self.timeout <= 86_400):
            raise LoadError(f"timeout {self.timeout:g}: give seconds above 0 and up to 86400")
        _within("check", self.check, 0, 1, "a fraction")
        _within("workers", self.workers, 1, MAX_WORKERS, "processes")
        if self.workers > 1 and self.via == DUIS:
            raise LoadError(
                f"workers {self.workers}: the responses of DUIS arrive at one address, so give 1"
            )
        if self.workers > self.meters:
            raise LoadError(
                f"workers {self.workers}: each has meters of its own, "
                f"so give no more than meters, {self.meters}"
            )
        if self.workers > max(self.closed, 0) and self.arrivals is Arrivals.CLOSED:
            raise LoadError(f"closed {self.closed}: give at least one for each worker")

    @property
    def prefix(self) -> str:
        """Topic prefix of the meters or the cache; empty for DUIS."""
        return "" if self.via == "duis" else PREFIXES[self.via]

    @property
    def total(self) -> float:
        """Duration of the plan, warm-up included."""
        return self.warm_up + self.seconds

    def share(self, number: int, worker: int) -> int:
        """Return the share of `number` for `worker`, at least 1."""
        return max(1, number // self.workers + (worker < number % self.workers))


def _within(name: str, value: float, lowest: float, highest: float, what: str) -> None:
    if not lowest <= value <= highest:
        raise LoadError(f"{name} {value:g}: give {what} from {lowest:g} to {highest:.15g}")
