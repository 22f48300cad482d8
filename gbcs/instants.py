"""Instants: seconds since 2000-01-01T00:00:00Z, the epoch of ZigBee UTCTime.

Converts between instants, DLMS date-time and ISO 8601. All of it is UTC, as GBCS requires.
"""

from calendar import timegm
from datetime import UTC, date, datetime, timedelta

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
EPOCH_UNIX = timegm(EPOCH.timetuple())
"""Unix time of the epoch, in seconds."""

MAX_INSTANT = 0xFFFFFFFF
"""The last instant, in seconds: 2136-02-07."""
HALF_HOUR = 1800
"""Half an hour, in seconds: the period of profile data."""
DAY = 86400
"""A day, in seconds."""

_FIRST_DAY = EPOCH.date()
_UTC_DEVIATION = b"\x80\x00"
_STATUS_NOT_SPECIFIED = b"\xff"


def to_datetime(instant: float) -> datetime:
    """Return `instant` (seconds since 2000) as an aware UTC datetime."""
    return EPOCH + timedelta(seconds=instant)


def day_of(day: date) -> int:
    """Return the number of days from 2000-01-01 to `day`."""
    return (day - _FIRST_DAY).days


def from_datetime(when: datetime) -> int:
    """Return `when` as whole seconds since 2000.

    Raises `ValueError` if it has no time zone, or is outside the range of instants.
    """
    if when.tzinfo is None:
        raise ValueError(f"{when.isoformat()} has no time zone: end it with Z")
    seconds = (when - EPOCH) // timedelta(seconds=1)
    if not 0 <= seconds <= MAX_INSTANT:
        raise ValueError(f"{when.isoformat()} is outside 2000-01-01 to 2136-02-07")
    return seconds


def parse_iso(text: str) -> int:
    """Return the instant of an ISO 8601 date, or date and time; without a zone it is UTC.

    >>> parse_iso("2000-01-02")
    86400
    >>> parse_iso("2000-01-01T00:30:00Z")
    1800

    Raises `ValueError` if `text` is neither, or is outside the range of instants.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a date or time: write 2026-01-31 or 2026-01-31T00:30:00Z"
        ) from None
    return from_datetime(when if when.tzinfo else when.replace(tzinfo=UTC))


def to_iso(instant: float) -> str:
    """Return `instant` (seconds since 2000) in ISO 8601, with microseconds unless it is whole.

    >>> to_iso(1800), to_iso(0.25)
    ('2000-01-01T00:30:00Z', '2000-01-01T00:00:00.250000Z')
    """
    return to_datetime(instant).isoformat().removesuffix("+00:00") + "Z"


def to_date_time(instant: int) -> bytes:
    """Return `instant` as a DLMS date-time of 12 octets, in the form of GBCS commands.

    The day of week (FF), the deviation (8000) and the clock status (FF) are not specified.
    Source: DLMS Green Book 4.1.6.1; vector ECS22b_4.8.1_SINGLE_SUCCESS_COMMAND.
    """
    when = to_datetime(instant)
    return (
        when.year.to_bytes(2, "big")
        + bytes((when.month, when.day, 0xFF, when.hour, when.minute, when.second, 0))
        + _UTC_DEVIATION
        + _STATUS_NOT_SPECIFIED
    )


def from_date_time(octets: bytes) -> int:
    """Return the instant, in seconds since 2000, of a DLMS date-time of 12 octets.

    Raises `ValueError` for another length, for a part that is a wildcard or out of range, and for
    a deviation other than UTC.
    """
    if len(octets) != 12:
        raise ValueError(f"a date-time has 12 octets, not {len(octets)}")
    if octets[9:11] not in (_UTC_DEVIATION, b"\x00\x00"):
        raise ValueError("the date-time is not in UTC: its deviation must be 0000 or 8000")
    year = int.from_bytes(octets[:2], "big")
    try:
        when = datetime(year, octets[2], octets[3], octets[5], octets[6], octets[7], tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{octets.hex().upper()} is not a fully specified date-time") from None
    return from_datetime(when)
