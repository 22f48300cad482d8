"""The simple types of XML Schema that DUIS uses, from text to values and back.

Instants, days and times of day before the year 1 or after 9999 become the first or last that can
be represented: a window that begins in the year 12000 is empty, not a mistake.

Source: XML Schema Part 2 (W3C).
"""

import binascii
import re
from base64 import b64decode, b64encode
from datetime import date, datetime, time, timedelta

from gbcs.instants import EPOCH, EPOCH_UNIX, MAX_INSTANT, to_datetime

_ZONE = r"(Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
_DAY = r"(-?(?:[1-9][0-9]{4,}|[0-9]{4}))-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.[0-9]+)?|24:00:00(?:\.0+)?)"
_DATE_TIME = re.compile(f"{_DAY}T{_TIME}{_ZONE}")
_DATE = re.compile(f"{_DAY}{_ZONE}")
_TIME_OF_DAY = re.compile(f"{_TIME}{_ZONE}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_SPACES = " \t\r\n"
_LEAP_CYCLE = 400


def collapsed(text: str) -> str:
    """Return text without white space around it, and with single blanks inside."""
    return re.sub(f"[{_SPACES}]+", " ", text).strip(" ")


def integer(text: str, least: int, most: int) -> int:
    """Return an integer from `least` to `most`. Raises `ValueError`."""
    number = collapsed(text)
    if not _INTEGER.fullmatch(number) or not least <= int(number) <= most:
        raise ValueError(f"{text!r:.40} is not an integer from {least} to {most}")
    return int(number)


def check_decimal(text: str) -> None:
    """Raise `ValueError` unless `text` is a decimal number."""
    if not _DECIMAL.fullmatch(collapsed(text)):
        raise ValueError(f"{text!r:.40} is not a decimal number")


def boolean(text: str) -> bool:
    """Return a boolean. Raises `ValueError`."""
    try:
        return _BOOLEANS[collapsed(text)]
    except KeyError:
        raise ValueError(f"{text!r:.40} is not true or false") from None


def octets(text: str) -> bytes:
    """Return the octets of base64, which may contain white space. Raises `ValueError`."""
    compact = re.sub(f"[{_SPACES}]+", "", text)
    try:
        decoded = b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if base64_of(decoded) != compact:
        raise ValueError(f"{text!r:.40} is not base64")
    return decoded


def base64_of(value: bytes) -> str:
    """Return base64 in one line: with line breaks DCC's tool finds the signature invalid."""
    return b64encode(value).decode("ascii")


def instant(text: str) -> int:
    """Return a date and time as seconds since 2000; without a zone it is UTC.

    Fractions of a second are dropped. Raises `ValueError`.

    >>> instant("2000-01-01T01:00:00.00+00:30")
    1800
    """
    found = _DATE_TIME.fullmatch(collapsed(text))
    if found is None:
        raise ValueError(f"{text!r:.40} is not a date and time: write 2026-01-31T00:30:00Z")
    day = _date(found[1], found[2], found[3])
    days = day.toordinal() - EPOCH.toordinal()
    seconds = days * 86400 + _seconds(found[4], found[5], found[6]) - _offset(found[7])
    return min(max(seconds, 0), MAX_INSTANT)


def day(text: str) -> date:
    """Return a date; its zone is ignored. Raises `ValueError`."""
    found = _DATE.fullmatch(collapsed(text))
    if found is None:
        raise ValueError(f"{text!r:.40} is not a date: write 2026-01-31")
    return _date(found[1], found[2], found[3])


def time_of_day(text: str) -> time:
    """Return a time of day in UTC; without a zone it is UTC. Raises `ValueError`."""
    found = _TIME_OF_DAY.fullmatch(collapsed(text))
    if found is None:
        raise ValueError(f"{text!r:.40} is not a time of day: write 00:30:00Z")
    seconds = _seconds(found[1], found[2], found[3]) - _offset(found[4])
    return (datetime.min + timedelta(seconds=seconds % 86400)).time()


def stamp(now: float) -> str:
    """Return Unix time as DCC's responses write it.

    >>> stamp(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    text = to_datetime(now - EPOCH_UNIX).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _date(year: str, month: str, day_of_month: str) -> date:
    number = int(year[:12])
    if number == 0 and not year.strip("-0"):
        raise ValueError("there is no year 0000")
    # The calendar repeats every 400 years, so any year can be checked.
    checked = date(number % _LEAP_CYCLE + _LEAP_CYCLE, int(month), int(day_of_month))
    if number < date.min.year:
        return date.min
    return date.max if number > date.max.year else checked.replace(year=number)


def _seconds(hour: str | None, minute: str | None, second: str | None) -> int:
    """Return the second of the day; None is the end of the day, 24:00:00."""
    if hour is None or minute is None or second is None:
        return 86400
    return int(hour) * 3600 + int(minute) * 60 + int(second)


def _offset(zone: str | None) -> int:
    """Return the seconds by which a zone is ahead of UTC."""
    if zone in (None, "Z"):
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
    return -seconds if zone[0] == "-" else seconds
