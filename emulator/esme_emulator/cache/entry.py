"""What a cache keeps, under what, and for how long."""

from dataclasses import dataclass
from typing import NamedTuple

from gbcs import EUI

CACHED_SRVS = ("4.6.1", "4.8.1", "4.8.3")
"""SRVs answered from the cache. Source: DCC, Testing Approach Document, paragraph 17."""

MIN_RETENTION_HOURS, MAX_RETENTION_HOURS = 25, 72


class Key(NamedTuple):
    """A read that is answered alike whoever asks."""

    device: EUI
    srv: str
    start: int
    """Seconds since 2000-01-01T00:00:00Z, as is `end`; both inclusive."""
    end: int
    identity: str = ""
    """Of the meters' readings, see `esme_emulator.fleet.identity`; empty if no fleet tells one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The readings that a successful response carried."""

    buffer: bytes
    """The log's buffer as A-XDR."""
    received: float
    """When the response was received, Unix time in seconds."""
