"""The words that policy and stores share: keys, entries, and how waiting for a lease ended."""

from dataclasses import dataclass
from typing import NamedTuple

from gbcs import EUI

CACHED_SRVS = ("4.6.1", "4.8.1", "4.8.3")
"""SRVs answered from the cache. Source: DCC, Testing Approach Document, paragraph 17."""

MIN_RETENTION_HOURS, MAX_RETENTION_HOURS = 25, 72


class Key(NamedTuple):
    """Identifies the readings of one read; every requester of them gets the same answer."""

    device: EUI
    srv: str
    start: int
    """Seconds since 2000-01-01T00:00:00Z, as is `end`; both inclusive."""
    end: int
    identity: str = ""
    """Identity of the fleet's readings, see `esme_emulator.fleet.fleet`; empty if unknown."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The readings of a successful response."""

    buffer: bytes
    """The log's buffer as A-XDR."""
    received: float
    """When the response was received, Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How waiting for another process's lease ended."""

    readings: bytes | int | None
    """The log's buffer as A-XDR, the result code of a refusal, or None if nothing came."""
    came: bool
    """Whether the holder settled its lease, with None too.

    False if the lease expired or was lost, or the wait was over first: `claim` again then.
    """
