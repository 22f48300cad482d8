"""Schedules: created, read and deleted by their user, and due in time."""

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.estate.parties import DISTRIBUTOR, SUPPLIER
from esme_emulator.gateway.documents import (
    DSP,
    Body,
    CreateSchedule,
    Frequency,
    Offsets,
    ReadSchedule,
    Request,
    RequestId,
    ScheduleId,
    SchedulesRead,
)
from esme_emulator.gateway.schedules import (
    MAX_SCHEDULES,
    ScheduleError,
    Schedules,
    due,
    first_run,
    run_days,
    run_window,
)
from gbcs import EUI
from tests.support.duis import METER

OFFSETS = Offsets(-1, time(), 0, time(0, 30))
DAILY = CreateSchedule(
    Frequency.DAILY,
    date(2026, 1, 31),
    "4.6",
    "4.6.1",
    METER,
    "RetrieveImportDailyReadLog",
    OFFSETS,
)
OTHER_METER = EUI.from_int(int(METER) + 1)


def unix(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOW = unix("2026-01-30T12:00:00")


def asked(body: Body, user: EUI = SUPPLIER) -> Request:
    return Request(RequestId(user, DSP, 1), 8, "5.1", "5.1", body)


def days(details: CreateSchedule, number: int, now: float = NOW) -> list[str]:
    return [day.isoformat() for day, _ in zip(run_days(details, now), range(number), strict=False)]


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        (Frequency.DAILY, ["2026-01-31", "2026-02-01", "2026-02-02"]),
        (Frequency.WEEKLY, ["2026-01-31", "2026-02-07", "2026-02-14"]),
        (Frequency.MONTHLY, ["2026-01-31", "2026-02-28", "2026-03-31"]),
        (Frequency.QUARTERLY, ["2026-01-31", "2026-04-30", "2026-07-31"]),
        (Frequency.HALF_YEARLY, ["2026-01-31", "2026-07-31", "2027-01-31"]),
        (Frequency.YEARLY, ["2026-01-31", "2027-01-31", "2028-01-31"]),
    ],
)
def test_frequencies(frequency: Frequency, expected: list[str]) -> None:
    assert days(replace(DAILY, frequency=frequency), 3) == expected


def test_the_end_date_is_included() -> None:
    assert days(replace(DAILY, end=date(2026, 2, 1)), 5) == ["2026-01-31", "2026-02-01"]
    assert days(replace(DAILY, end=date(2026, 1, 30)), 5) == []


@given(
    st.dates(),
    st.sampled_from(list(Frequency)),
    st.floats(0, 4_000_000_000),
    st.one_of(st.none(), st.times()),
)
def test_the_first_run_is_the_first_that_is_not_over(
    start: date, frequency: Frequency, now: float, at: time | None
) -> None:
    details = replace(DAILY, start=start, frequency=frequency, at=at)
    first = first_run(details, now)
    if first is None:
        assert start.year > 9000
        return
    assert due(details, first) >= now
    around = zip(range(99), run_days(details, now - 99 * 86400), strict=False)
    assert [day for _, day in around if due(details, day) >= now][:1] in ([], [first])


def test_a_schedule_from_long_ago_runs_from_now_on() -> None:
    old = replace(DAILY, start=date(1, 1, 1))
    assert days(old, 1) == ["2026-01-31"]


def test_the_window_moves_with_the_day() -> None:
    window = run_window(DAILY, date(2026, 1, 31))
    assert str(window) == "2026-01-30T00:00:00Z to 2026-01-31T00:30:00Z"
    assert run_window(replace(DAILY, offsets=None), date(2026, 1, 31)) is None


def test_windows_beyond_time_stay_within_it() -> None:
    assert str(run_window(DAILY, date(1, 1, 2))) == "2000-01-01T00:00:00Z to 2000-01-01T00:00:00Z"
    assert run_window(DAILY, date.max) is not None


def test_each_run_is_returned_once_when_it_is_due() -> None:
    schedules = Schedules()
    assert schedules.next_due() is None
    assert schedules.answer(asked(replace(DAILY, at=time(6))), NOW) == ScheduleId(1)
    first = unix("2026-01-31T06:00:00")
    assert schedules.next_due() == first
    assert schedules.due(first - 1) == []
    [run] = schedules.due(first)
    assert (run.schedule, run.user, run.due) == (1, SUPPLIER, first)
    assert str(run.window) == "2026-01-30T00:00:00Z to 2026-01-31T00:30:00Z"
    assert schedules.due(first) == []
    assert [each.due for each in schedules.due(first + 2 * 86400)] == [
        first + 86400,
        first + 2 * 86400,
    ]


def test_runs_of_several_schedules_come_in_their_order() -> None:
    schedules = Schedules()
    for hour in (8, 6, 7):
        schedules.answer(asked(replace(DAILY, at=time(hour))), NOW)
    assert [run.schedule for run in schedules.due(unix("2026-01-31T12:00:00"))] == [2, 3, 1]


def test_a_schedule_that_ended_is_never_due() -> None:
    schedules = Schedules()
    schedules.answer(asked(replace(DAILY, end=date(2026, 1, 1))), NOW)
    assert schedules.next_due() is None


def test_a_user_reads_and_deletes_its_own_schedules() -> None:
    schedules = Schedules()
    schedules.answer(asked(DAILY), NOW)
    elsewhere = replace(DAILY, device=OTHER_METER)
    schedules.answer(asked(elsewhere), NOW)
    schedules.answer(asked(DAILY, DISTRIBUTOR), NOW)
    read = schedules.answer
    assert read(asked(ReadSchedule(2)), NOW) == SchedulesRead(((2, elsewhere),))
    assert read(asked(ReadSchedule(None, METER)), NOW) == SchedulesRead(((1, DAILY),))
    assert read(asked(ReadSchedule(3)), NOW) is None
    assert schedules.of(SUPPLIER, 3, None) == []
    assert read(asked(ReadSchedule(3), DISTRIBUTOR), NOW) == SchedulesRead(((3, DAILY),))
    schedules.drop(schedules.of(SUPPLIER, None, METER))
    assert read(asked(ReadSchedule(1)), NOW) is None
    assert [run.schedule for run in schedules.due(NOW + 86400)] == [2, 3]


def test_a_user_has_so_many_schedules_for_a_device() -> None:
    schedules = Schedules()
    for _ in range(MAX_SCHEDULES):
        schedules.answer(asked(DAILY), NOW)
    with pytest.raises(ScheduleError, match="99 schedules"):
        schedules.answer(asked(DAILY), NOW)
    schedules.answer(asked(DAILY, DISTRIBUTOR), NOW)


def test_other_requests_are_not_about_schedules() -> None:
    from esme_emulator.gateway.documents import Read

    with pytest.raises(TypeError):
        Schedules().answer(asked(Read("ReadMeterBalance")), NOW)
