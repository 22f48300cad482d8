"""Instants in ISO 8601, as ZigBee UTCTime and as DLMS date-time."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbcs.instants import (
    EPOCH_UNIX,
    MAX_INSTANT,
    from_date_time,
    from_datetime,
    parse_iso,
    to_date_time,
    to_datetime,
    to_iso,
)

ISO = {
    "2000-01-01": 0,
    "2000-01-01T00:00:00Z": 0,
    "2000-01-01T00:00:01": 1,
    "2000-01-01T01:00:00+01:00": 0,
    "2000-03-01": 60 * 86_400,
    "2001-01-01": 366 * 86_400,
    "2014-10-01T09:00:00Z": 0x1BBE7F10,
    "2136-02-07T06:28:15Z": MAX_INSTANT,
}
"""Text and seconds since 2000, which was a leap year; in hex, ECS22c_4.8.2_SUCCESS_COMMAND."""


@pytest.mark.parametrize(("text", "instant"), ISO.items())
def test_iso_8601(text: str, instant: int) -> None:
    assert parse_iso(text) == instant
    assert parse_iso(to_iso(instant)) == instant


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01", "2026-02-29", "2026-01-01T24:30", "31.01.2026", "1769817600"],
)
def test_texts_that_are_not_dates(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date or time"):
        parse_iso(text)


@pytest.mark.parametrize("text", ["1999-12-31T23:59:59Z", "2136-02-07T06:28:16Z", "0001-01-01"])
def test_dates_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match="outside 2000-01-01 to 2136-02-07"):
        parse_iso(text)


def test_a_time_needs_a_zone() -> None:
    naive = datetime(2026, 1, 1)
    with pytest.raises(ValueError, match="no time zone"):
        from_datetime(naive)
    half_past = datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert to_datetime(from_datetime(half_past)) == datetime(2026, 1, 1, tzinfo=UTC)
    assert to_datetime(0).timestamp() == EPOCH_UNIX == 946_684_800


def test_date_time_of_the_vectors() -> None:
    """The two are the window of ECS22b_4.8.1_SINGLE_SUCCESS_COMMAND."""
    assert to_date_time(parse_iso("2014-12-31")).hex().upper() == "07DE0C1FFF000000008000FF"
    assert to_date_time(parse_iso("2015-01-01")).hex().upper() == "07DF0101FF000000008000FF"
    assert to_date_time(parse_iso("2014-12-25T23:30:00")).hex() == "07de0c19ff171e00008000ff"


@given(st.integers(0, MAX_INSTANT))
def test_forms_agree(instant: int) -> None:
    assert from_date_time(to_date_time(instant)) == instant
    assert parse_iso(to_iso(instant)) == instant
    assert from_datetime(to_datetime(instant)) == instant


def test_day_of_week_status_and_hundredths_may_be_there() -> None:
    expected = parse_iso("2014-12-31T12:34:56Z")
    for text in (
        "07DE0C1F030C223800800000",
        "07DE0C1FFF0C2238FF8000FF",
        "07DE0C1FFF0C223800000000",
    ):
        assert from_date_time(bytes.fromhex(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "FFFF0C1FFF000000008000FF",
        "07DEFF1FFF000000008000FF",
        "07DEFD1FFF000000008000FF",
        "07DE0CFFFF000000008000FF",
        "07DE0CFEFF000000008000FF",
        "07DE0C1FFFFF0000008000FF",
        "07DE0C1FFF00FF00008000FF",
        "07DE0C1FFF0000FF008000FF",
        "FFFFFFFFFFFFFFFFFF8000FF",
        "07DE0D01FF000000008000FF",
        "07DE0230FF000000008000FF",
        "07DE0C1FFF180000008000FF",
        "07DE0C1FFF003C00008000FF",
        "07CF0C1FFF000000008000FF",
        "000000000000000000000000",
        "FFFE0101FF000000008000FF",
    ],
)
def test_wildcards_and_impossible_dates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"specified|outside"):
        from_date_time(bytes.fromhex(text))


@pytest.mark.parametrize("deviation", ["003C", "FFC4", "8001", "7FFF"])
def test_a_deviation_from_utc_is_refused(deviation: str) -> None:
    with pytest.raises(ValueError, match="deviation"):
        from_date_time(bytes.fromhex(f"07DE0C1FFF00000000{deviation}FF"))


@pytest.mark.parametrize("size", [0, 4, 5, 11, 13])
def test_a_date_time_has_twelve_octets(size: int) -> None:
    with pytest.raises(ValueError, match=f"12 octets, not {size}"):
        from_date_time(bytes(size))
