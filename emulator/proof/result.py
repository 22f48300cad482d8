"""The result of a proof: its numbers, its verdict, and the forms it is shown in."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latency in milliseconds: what half and 99 in a hundred stay below; None where none were."""

    p50: float | None
    p99: float | None

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Percentiles":
        """Return the percentiles, by nearest rank, of latencies in seconds."""
        ordered = sorted(seconds)
        if not ordered:
            return cls(None, None)
        return cls(*[round(_nearest_rank(ordered, part) * 1000, 3) for part in (0.50, 0.99)])


def _nearest_rank(ordered: list[float], part: float) -> float:
    return ordered[math.ceil(part * len(ordered)) - 1]


@dataclass(frozen=True, slots=True)
class Latencies:
    """Latency of direct reads, of cache hits, and of reads that the cache sent on."""

    direct: Percentiles
    hit: Percentiles
    miss: Percentiles
    unit: str = "ms"


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What a proof counted. Requests and decisions are those of the run through the cache."""

    seed: str
    meters: int
    distinct_reads: int
    """Different (device, SRV, window) among the requests."""
    requests: int
    device_hits_direct: int
    device_hits_cached: int
    hits: int
    collapsed: int
    forwarded: int
    refused: int
    failed: int
    ledger_difference: int
    """Commands or decisions that one ledger has and the other has not, of both runs."""
    replies_compared: int
    replies_different: int
    """Replies, of both runs, with other readings than the meter's or with other octets."""
    latency: Latencies
    thresholds: dict[str, int] = field(init=False)
    passed: bool = field(init=False)

    def __post_init__(self) -> None:
        thresholds = {
            "ledger_difference": 0,
            "replies_different": 0,
            "device_hits_cached": self.distinct_reads,
            "replies_compared": 2 * self.requests,
        }
        object.__setattr__(self, "thresholds", thresholds)
        met = all(getattr(self, name) == value for name, value in thresholds.items())
        object.__setattr__(self, "passed", met and self.requests > 0)

    @property
    def avoided_ratio(self) -> float:
        """The part of the device hits that the cache avoided, 0 to 1."""
        if not self.device_hits_direct:
            return 0.0
        return 1 - self.device_hits_cached / self.device_hits_direct

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON has it."""
        return {**asdict(self), "avoided_ratio": round(self.avoided_ratio, 6)}

    def as_json(self) -> str:
        """Return the result as one line of JSON."""
        return json.dumps(self.as_dict())
