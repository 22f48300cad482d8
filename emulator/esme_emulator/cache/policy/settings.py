"""How a cache is to behave: the rule and its options, checked before anything runs.

Source of the rule: DCC, Testing Approach Document (1 February 2024), paragraph 17: SRVs 4.6.1,
4.8.1 and 4.8.3, kept for 25 to 72 hours. Everything else is an option of ours, off by default.
"""

from collections.abc import Collection
from dataclasses import dataclass
from math import inf

from esme_emulator.cache.entry import CACHED_SRVS, MAX_RETENTION_HOURS, MIN_RETENTION_HOURS
from esme_emulator.cache.policy.reads import CACHEABLE_SRVS, in_order

DEVICE_LIMIT, DEVICE_QUEUE = 4, 64
"""Commands under way to one meter, and waiting for it, where the user says nothing."""

CLOCK_SKEW = 60.0
"""Default of the tolerated clock skew, in seconds.

SMETS2 asks a meter's clock to be within 10 s of UTC; the rest is for the cache's own clock, and for
meters that are out of tolerance.
"""

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class HoldDown:
    """After so many `failures` of a meter in a row, requests for it fail at once, for `seconds`."""

    failures: int
    seconds: float

    def __post_init__(self) -> None:
        if self.failures < 1 or not self.seconds > 0:
            raise ValueError("hold-down: give 1 failure or more, and seconds above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """What a cache keeps and for how long, and how it treats meters.

    Raises `ValueError`, one line, for what cannot be.
    """

    retention: float
    """Seconds from receipt for which readings are served: 25 to 72 hours."""
    reply_timeout: float = 60.0
    """Seconds after which a command that a meter did not reply to is given up, or tried again."""
    srvs: Collection[str] = CACHED_SRVS
    """Service references answered from the cache."""
    literal: bool = False
    """Keep readings whose window is not over too, as the rule literally says."""
    sub_window: bool = False
    """Answer a window from readings of a wider one too."""
    clock_skew: float = CLOCK_SKEW
    """Tolerated clock skew between cache and meter in seconds. A window has to be over for longer
    if its readings do not show how far the meter's log had come."""
    collapse: bool = True
    """Let requests for the same readings wait for one command to the meter."""
    shadow: float = 0.0
    """The part of hits, 0 to 1, for which the meter is asked all the same, to compare."""
    seed: str = ""
    """Draws which hits these are."""
    retries: int = 0
    """How often a read that got no reply is sent again; at most a tenth of all that is sent."""
    device_limit: int = DEVICE_LIMIT
    """Commands of this process under way to one meter at once; more of them wait in order."""
    device_queue: int = DEVICE_QUEUE
    """Commands that wait so for one meter; more of them fail."""
    hold_down: HoldDown | None = None
    shared: bool = False
    """Whether other caches serve the same requests from the same store."""

    def __post_init__(self) -> None:
        if not MIN_RETENTION_HOURS * _HOUR <= self.retention <= MAX_RETENTION_HOURS * _HOUR:
            raise ValueError(
                f"retention of {self.retention / _HOUR:.6g} hours: "
                f"give {MIN_RETENTION_HOURS} to {MAX_RETENTION_HOURS}"
            )
        unknown = sorted(set(self.srvs) - CACHEABLE_SRVS)
        if unknown:
            raise ValueError(
                f"SRV {', '.join(unknown)} cannot be cached: "
                f"give some of {', '.join(in_order(CACHEABLE_SRVS))}"
            )
        if not 0 <= self.shadow <= 1:
            raise ValueError(f"shadow of {self.shadow:g}: give 0 to 1")
        if not 0 <= self.clock_skew < inf:
            raise ValueError(f"clock skew of {self.clock_skew:g} s: give 0 or more")
        if not self.reply_timeout > 0:
            raise ValueError(f"reply timeout of {self.reply_timeout:g} s: give more than 0")
        if self.retries < 0 or self.device_limit < 1 or self.device_queue < 0:
            raise ValueError("retries and device queue: give 0 or more; device limit: 1 or more")
