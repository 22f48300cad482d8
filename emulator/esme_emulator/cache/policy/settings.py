"""The settings of a cache, each declared once: default, unit, bounds and help.

Pure. The options of the command line, the keys of a scenario's `[cache]`, the pytest marker, the
control interface and the tables of the documentation follow from `SETTINGS`.

Source of the caching rule: DCC, Testing Approach Document (1 February 2024), paragraph 17: SRVs
4.6.1, 4.8.1 and 4.8.3, kept for 25 to 72 hours. Every other setting is ours, and off by default.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, TypeVar

from annotated_types import Interval

from esme_emulator.cache.entry import CACHED_SRVS, MAX_RETENTION_HOURS, MIN_RETENTION_HOURS
from esme_emulator.cache.policy.reads import CACHEABLE_SRVS, in_order

T = TypeVar("T")

_HOUR = 3600
_SETTING = "setting"


@dataclass(frozen=True, slots=True)
class Setting:
    """How a person writes one setting. `least` and `most` are allowed values, `above` is not."""

    default: Any
    help: str
    """One sentence, with a capital letter and a full stop."""
    unit: str = ""
    least: float = -inf
    most: float = inf
    above: float = -inf

    @property
    def is_number(self) -> bool:
        """Whether the setting is a number."""
        return isinstance(self.default, int | float) and not isinstance(self.default, bool)

    @property
    def bounds(self) -> str:
        """The allowed values in words; empty if every value is allowed."""
        if self.most < inf:
            return f"{self.least:g} to {self.most:g}"
        if self.above > -inf:
            return f"more than {self.above:g}"
        return f"{self.least:g} or more" if self.least > -inf else ""

    @property
    def interval(self) -> Interval:
        """The allowed numbers, for models that check their own fields."""
        limits = {"ge": self.least, "le": self.most, "gt": self.above}
        return Interval(**{key: limit for key, limit in limits.items() if abs(limit) < inf})

    def check(self, name: str, value: Any) -> None:
        """Raise `ValueError`, one line, if a number is out of bounds or not finite."""
        if not self.is_number:
            return
        if not (self.least <= value <= self.most and self.above < value < inf):
            unit = f" {self.unit}" if self.unit else ""
            raise ValueError(f"{self.words(name)} of {value:.6g}{unit}: give {self.bounds}")

    def parse(self, name: str, text: str) -> float:
        """Return the number in `text`. Raises `ValueError`, one line."""
        whole = isinstance(self.default, int)
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            wanted = f"{'whole ' if whole else ''}number{f' of {self.unit}' if self.unit else ''}"
            raise ValueError(f"{self.words(name)} {text!r}: give a {wanted}") from None
        self.check(name, value)
        return value

    def words(self, name: str) -> str:
        """Return the name of the setting as words, without its unit."""
        return name.removesuffix(f"_{self.unit}").replace("_", " ")


def _setting(default: T, text: str, **others: Any) -> T:
    """Return a dataclass field that has a `Setting` as metadata."""
    made: T = field(default=default, metadata={_SETTING: Setting(default, text, **others)})
    return made


@dataclass(frozen=True, slots=True)
class HoldDown:
    """After `failures` timeouts in a row, requests to a meter are rejected for `seconds`."""

    failures: int
    seconds: float

    def __post_init__(self) -> None:
        if self.failures < 1 or not self.seconds > 0:
            raise ValueError("hold-down: give 1 failure or more, and more than 0 seconds")

    @classmethod
    def parse(cls, text: str) -> "HoldDown":
        """Return the hold-down that `text` names as `FAILURES,SECONDS`. Raises `ValueError`."""
        failures, _, seconds = text.partition(",")
        try:
            return cls(int(failures), float(seconds))
        except ValueError:
            raise ValueError(
                f"hold-down {text!r}: give FAILURES,SECONDS such as 3,60, both above 0"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """What a cache keeps and for how long, and how it treats meters.

    Raises `ValueError`, one line, for values that are not allowed.
    """

    retention_hours: float = _setting(
        float(MIN_RETENTION_HOURS),
        "Hours to keep readings after receipt.",
        unit="hours",
        least=MIN_RETENTION_HOURS,
        most=MAX_RETENTION_HOURS,
    )
    srvs: Collection[str] = _setting(
        CACHED_SRVS, "SRV to answer from the cache, in place of the three of the rule."
    )
    literal: bool = _setting(False, "Also keep readings of windows that are not over yet.")
    sub_window: bool = _setting(False, "Also answer from kept readings of a wider window.")
    # SMETS2 asks a meter's clock to be within 10 s of UTC. The rest is for the cache's own clock,
    # and for meters that are out of tolerance.
    clock_skew: float = _setting(
        60.0,
        "Tolerated clock skew between cache and meter. A window must be over for longer if its "
        "readings do not show how far the meter's log had come.",
        unit="seconds",
        least=0,
    )
    collapse: bool = _setting(True, "Let requests for the same readings wait for one command.")
    shadow: float = _setting(
        0.0,
        "Fraction of hits for which the meter is read as well, to compare.",
        least=0,
        most=1,
    )
    retries: int = _setting(
        0,
        "Times to resend a read that got no reply; at most a tenth of all commands.",
        least=0,
        most=10,
    )
    reply_timeout: float = _setting(
        60.0, "Seconds to wait for a meter's reply.", unit="seconds", above=0
    )
    device_limit: int = _setting(
        4, "Commands in flight to one meter, from one process; more of them wait.", least=1
    )
    device_queue: int = _setting(
        64, "Commands that wait for one meter, in one process; more of them fail.", least=0
    )
    hold_down: HoldDown | None = _setting(  # noqa: RUF009  # it makes a field
        None, "After FAILURES timeouts in a row, reject requests to that meter for SECONDS."
    )
    shared: bool = _setting(False, "Share requests and one store with other caches.")
    seed: str = ""
    """Seed of the draw of shadow hits."""

    retention: float = field(init=False)
    """How long readings are kept after receipt, in seconds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "retention", self.retention_hours * _HOUR)
        for name, setting in SETTINGS.items():
            setting.check(name, getattr(self, name))
        unknown = sorted(set(self.srvs) - CACHEABLE_SRVS)
        if unknown:
            raise ValueError(
                f"SRV {', '.join(unknown)} cannot be cached: "
                f"give some of {', '.join(in_order(CACHEABLE_SRVS))}"
            )


SETTINGS: Mapping[str, Setting] = {
    each.name: each.metadata[_SETTING]
    for each in fields(CacheSettings)
    if _SETTING in each.metadata
}
"""The settings that a person writes, by name."""
