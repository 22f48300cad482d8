"""Windows of readings as a test writes them: a day, two times, or a `Window`."""

from datetime import date, datetime
from typing import TypeAlias

from gbcs.instants import DAY, EPOCH_UNIX, parse_iso
from gbcs.usecases.profile_read import Window

Instant: TypeAlias = str | date | datetime
"""A day or a time, as ISO 8601 or as an object; without a zone it is UTC."""

WindowLike: TypeAlias = Window | Instant | tuple[Instant, Instant] | None
"""A window, a day, two times (both inclusive), or None for the last whole day."""


def window_of(given: WindowLike, now: float) -> Window:
    """Return the window that `given` is at `now`, Unix time in seconds.

    >>> window_of("2026-01-14", 0.0)
    Window(start=821664000, end=821750400)

    A day is from midnight to midnight, both inclusive. Raises `ValueError`.
    """
    if isinstance(given, Window):
        return given
    if given is None:
        midnight = int(now - EPOCH_UNIX) // DAY * DAY
        return Window(midnight - DAY, midnight)
    if isinstance(given, tuple):
        start, end = (_instant(one) for one in given)
        if start > end:
            raise ValueError(f"a window from {given[0]} to {given[1]}: it ends before it begins")
        return Window(start, end)
    start = _instant(given)
    if start % DAY:
        raise ValueError(f"{given} is a time, not a day: give two times, ({str(given)!r}, …)")
    return Window(start, start + DAY)


def _instant(given: Instant) -> int:
    return parse_iso(given if isinstance(given, str) else given.isoformat())
