"""Half hours from a CSV file: one row a half hour, or one row a day with 48 columns.

The layout and the units follow from the header. A time without an offset is one of `zone`, UTC by
default. A cell without a value is a gap. Energies are whole Wh, or kWh whose sums are rounded down
to whole Wh, as a register counts them; with up to three decimals nothing is rounded.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gbcs.instants import EPOCH, HALF_HOUR

Channel = Literal["import", "secondary", "export", "reactive_import", "reactive_export"]
"""A register that a file can have half hours of."""

Values = dict[int, int]
"""Energy in Wh or varh by half hour, counted from 2000-01-01T00:00:00Z."""

_TIME = re.compile(r"(start|end|from|to|time|timestamp|datetime|date ?time|interval)\b")
_CHANNEL_WORDS = (
    ("reactive_export", re.compile(r"reactive.*export|export.*reactive|kvarh? ?exp")),
    ("reactive_import", re.compile(r"reactive|k?varh")),
    ("secondary", re.compile(r"secondary|second element")),
    ("export", re.compile(r"export|generation|\bae\b")),
    ("import", re.compile(r"import|consumption|energy|usage|value|\bai\b|^k?wh$")),
)
_UNIT = re.compile(r"\b(k?)(?:wh|varh)\b")
_SHORT, _LONG = 46, 50


SEMICOLONS = "semicolons between columns: use commas there, and a point in numbers"


def has_semicolons(row: Sequence[str]) -> bool:
    """Return whether a row that was split at commas has semicolons in their place."""
    return len(row) == 1 and ";" in row[0]


def zone_of(name: str) -> tzinfo:
    """Return the zone of times without an offset. Raises `ValueError`."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name!r} is not a time zone; give UTC or Europe/London") from None


def parse_curves(
    text: str, zone: str = "UTC", unit: str | None = None, channel: str | None = None
) -> dict[str, Values]:
    """Return the half hours of each channel in `text`.

    `unit` is kWh or Wh; it need not be given if the header names it. `channel` is that of a file
    with one; None takes it from the header. Raises `ValueError`, which names the line.
    """
    lines = csv.reader(text.lstrip("\ufeff").splitlines())
    header = [re.sub(r"[_\s]+", " ", cell.strip().lower()) for cell in next(lines, [])]
    if has_semicolons(header):
        raise ValueError(f"line 1: {SEMICOLONS}")
    rows = ((lines.line_num, row) for row in lines if any(cell.strip() for cell in row))
    if len(header) > _SHORT:
        taken = channel or "import"
        found = {taken: _days(rows, header, zone_of(zone), _is_kwh(header[0], unit, "the file"))}
    else:
        found = _half_hours(rows, header, zone_of(zone), unit, channel)
    for name, values in found.items():
        if not values:
            raise ValueError(f"it has no {name.replace('_', ' ')}: give a row for each half hour")
    return found


def _is_kwh(header: str, unit: str | None, what: str) -> bool:
    match = _UNIT.search(header)
    if match:
        return bool(match[1])
    if unit is None:
        raise ValueError(f'line 1: {what} has no unit: give unit = "kWh" or "Wh" in the fleet file')
    return unit == "kWh"


class _Counter:
    """Turns the energies of one channel into whole Wh, whose sums are exact."""

    def __init__(self, kwh: bool) -> None:
        self._factor = Decimal(1000 if kwh else 1)
        self._rest = Decimal(0)
        self.values: Values = {}

    def add(self, half_hour: int, cell: str, line: int) -> None:
        """Count one cell; an empty one is a gap."""
        text = cell.strip()
        if not text or text.lower() in ("na", "n/a", "null", "none", "nan", "-"):
            return
        try:
            energy = Decimal(text) * self._factor
            if not 0 <= energy <= 10**9:
                raise InvalidOperation
        except InvalidOperation:
            raise ValueError(f"line {line}: {text[:40]!r} is not an energy from 0 on") from None
        if half_hour in self.values:
            at = (EPOCH + timedelta(seconds=half_hour * HALF_HOUR)).isoformat()
            raise ValueError(f"line {line}: the half hour from {at} is there twice: delete one")
        whole = int(energy + self._rest)
        self._rest += energy - whole
        self.values[half_hour] = whole


def _half_hours(
    rows: Iterator[tuple[int, list[str]]],
    header: list[str],
    zone: tzinfo,
    unit: str | None,
    channel: str | None,
) -> dict[str, Values]:
    times = [place for place, name in enumerate(header) if _TIME.match(name)]
    if not times:
        raise ValueError(
            "line 1: no column of times: name one start or end, or give a date and 48 columns"
        )
    place = next((each for each in times if not _ends(header[each])), times[0])
    shift = -1 if _ends(header[place]) else 0
    columns = _columns(header, times, channel)
    counters = {
        name: _Counter(_is_kwh(header[at], unit, f"column {header[at]!r}"))
        for name, at in columns.items()
    }
    clock = _Clock(zone)
    for line, row in rows:
        if len(row) <= max(place, *columns.values()):
            raise ValueError(f"line {line}: {len(row)} cells; the header has {len(header)}")
        half_hour = clock.half_hour(row[place].strip(), line) + shift
        for name, at in columns.items():
            counters[name].add(half_hour, row[at], line)
    return {name: counter.values for name, counter in counters.items()}


def _ends(name: str) -> bool:
    return re.search(r"\b(end|to|ending)\b", name) is not None


def _columns(header: list[str], times: list[int], channel: str | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, name in enumerate(header):
        if place in times or re.search(r"cost|price|charge|mpan|serial|tariff", name):
            continue
        taken = next((one for one, words in _CHANNEL_WORDS if words.search(name)), None)
        if taken is None:
            continue
        if taken in found and channel is None:
            raise ValueError(f"line 1: two columns of {taken}: {header[found[taken]]!r}, {name!r}")
        found.setdefault(taken, place)
    if not found:
        names = ", ".join(get_args(Channel))
        raise ValueError(f"line 1: no column of energy: name one such as import_kwh ({names})")
    if channel is not None:
        return {channel: found.get(channel, next(iter(found.values())))}
    return found


class _Clock:
    """Reads times. A local hour that comes twice is first in summer time, then in winter time."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._seen: set[datetime] = set()

    def half_hour(self, text: str, line: int) -> int:
        when = _read_time(text, line)
        if when.tzinfo is None:
            second = when in self._seen
            self._seen.add(when)
            local = when.replace(tzinfo=self._zone)
            later = local.replace(fold=1)
            if second and later.utcoffset() != local.utcoffset():
                local = later
            if local.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != when:
                raise ValueError(f"line {line}: {text} does not exist: the clock goes forward then")
            when = local
        seconds = (when.astimezone(UTC) - EPOCH).total_seconds()
        if seconds % HALF_HOUR:
            raise ValueError(f"line {line}: {text} does not begin a half hour")
        return int(seconds // HALF_HOUR)


def _read_time(text: str, line: int) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        for form in ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%Y%m%d%H%M"):
            try:
                return datetime.strptime(text, form)
            except ValueError:
                continue
    raise ValueError(
        f"line {line}: {text[:40]!r} is not a time: write 2026-01-31T00:30Z or 31/01/2026 00:30"
    )


def _days(
    rows: Iterator[tuple[int, list[str]]], header: list[str], zone: tzinfo, kwh: bool
) -> Values:
    first = next((at for at, name in enumerate(header) if re.search(r"\b(date|day)\b", name)), 0)
    counter = _Counter(kwh)
    for line, row in rows:
        begin, number = _day(_read_day(row[first].strip(), line), zone)
        cells = row[first + 1 :]
        given = len(cells)
        while given > number and not cells[given - 1].strip():
            given -= 1
        if given != number:
            raise ValueError(f"line {line}: {given} half hours; that day has {number} in this zone")
        for place, cell in enumerate(cells[:number]):
            counter.add(begin + place, cell, line)
    return counter.values


def _read_day(text: str, line: int) -> date:
    for form in ("%Y-%m-%d", "%d/%m/%Y", "%Y%m%d"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise ValueError(f"line {line}: {text[:40]!r} is not a day: write 2026-01-31 or 31/01/2026")


def _day(day: date, zone: tzinfo) -> tuple[int, int]:
    """Return the first half hour of a local day, and how many it has: 48, or 46 or 50."""

    def midnight(of: date) -> int:
        local = datetime(of.year, of.month, of.day, tzinfo=zone)
        return int((local.astimezone(UTC) - EPOCH).total_seconds()) // HALF_HOUR

    begin = midnight(day)
    return begin, midnight(day + timedelta(1)) - begin
