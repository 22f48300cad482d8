"""Schedules of reads (5.1, 5.2, 5.3): created, read, deleted, and when they are due.

A schedule runs on its start date and then every day, week, month, three months, half year or year,
until its end date, included. A month that lacks the day of the start date has its run on the last
day. Runs that became due since the last call of `due` are all returned by the next.

Source: DUIS XML schema 5.4. Times of day without ScheduleExecutionStartTime, the inclusion of the
end date and the last day of months are our conclusions.
"""

from bisect import insort
from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from esme_emulator.gateway.documents import (
    Content,
    CreateSchedule,
    Frequency,
    ReadSchedule,
    Request,
    ScheduleId,
    SchedulesRead,
)
from gbcs import EUI
from gbcs.instants import EPOCH, EPOCH_UNIX, MAX_INSTANT, to_datetime
from gbcs.usecases.read_request import Window

MAX_SCHEDULES = 99
"""Most schedules of a user for one device, and in one response. Source: the schema."""

_DAYS = {Frequency.DAILY: 1, Frequency.WEEKLY: 7}
_MONTHS = {
    Frequency.MONTHLY: 1,
    Frequency.QUARTERLY: 3,
    Frequency.HALF_YEARLY: 6,
    Frequency.YEARLY: 12,
}


class ScheduleError(ValueError):
    """A schedule that cannot be created; one line. Answer E11."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a schedule."""

    schedule: int
    user: EUI
    details: CreateSchedule
    due: float
    """Unix time in seconds."""
    window: Window | None


def run_window(details: CreateSchedule, day: date) -> Window | None:
    """Return the window that a run on `day` reads, both ends included; None if it has none."""
    offsets = details.offsets
    if offsets is None:
        return None
    return Window(
        _instant(day, offsets.start_days, offsets.start_time),
        _instant(day, offsets.end_days, offsets.end_time),
    )


def _instant(day: date, days: int, at: time) -> int:
    seconds = (day.toordinal() + days - EPOCH.toordinal()) * 86400
    seconds += at.hour * 3600 + at.minute * 60 + at.second
    return min(max(seconds, 0), MAX_INSTANT)


def first_run(details: CreateSchedule, now: float) -> date | None:
    """Return the day of the first run that is due at `now` or later, None if there is none."""
    return next((day for day in run_days(details, now)), None)


def run_days(details: CreateSchedule, now: float) -> Iterator[date]:
    """Yield the days of the runs due at `now` or later; endless unless the schedule ends."""
    last = details.end or date.max
    today = to_datetime(now - EPOCH_UNIX).date()
    step = max(0, _steps(details, today) - 1)  # the run of this step may be over, or not
    while True:
        try:
            day = _day(details, step)
        except (OverflowError, ValueError):  # after the year 9999
            return
        if day > last:
            return
        if due(details, day) >= now:
            yield day
        step += 1


def _steps(details: CreateSchedule, today: date) -> int:
    """Return about how many runs there are before `today`: so many, or one less or more."""
    start = details.start
    if details.frequency in _DAYS:
        return (today - start).days // _DAYS[details.frequency]
    months = (today.year - start.year) * 12 + today.month - start.month
    return months // _MONTHS[details.frequency]


def _day(details: CreateSchedule, step: int) -> date:
    """Return the day of run number `step`, from 0."""
    start = details.start
    if details.frequency in _DAYS:
        return start + timedelta(days=step * _DAYS[details.frequency])
    months = start.month - 1 + step * _MONTHS[details.frequency]
    year, month = start.year + months // 12, months % 12 + 1
    return date(year, month, min(start.day, monthrange(year, month)[1]))


def due(details: CreateSchedule, day: date) -> float:
    """Return when the run on `day` is due, as Unix time in seconds."""
    return datetime.combine(day, details.at or time(), UTC).timestamp()


@dataclass(slots=True)
class _Schedule:
    user: EUI
    details: CreateSchedule
    days: Iterator[date] = field(repr=False)


class Schedules:
    """All schedules, in memory, by their numbers. A user sees its own only."""

    def __init__(self) -> None:
        self._schedules: dict[int, _Schedule] = {}
        self.last = 0
        """The highest number that a schedule ever had. Numbers are not used again."""
        self._queue: list[tuple[float, int, date]] = []
        """Next run of each schedule: when, number, day."""

    def answer(self, request: Request, now: float) -> Content | None:
        """Carry out an admitted request of 5.1 or 5.2; `of` and `drop` are 5.3.

        Return the content of its response (I0), or None for I99 without content. Raises
        `ScheduleError` if a user has too many schedules for a device.
        """
        user = request.id.originator
        match request.body:
            case CreateSchedule() as details:
                return self._create(user, details, now)
            case ReadSchedule(schedule=number, device=device):
                found = self.of(user, number, device)[:MAX_SCHEDULES]
                schedules = tuple((one, self._schedules[one].details) for one in found)
                return SchedulesRead(schedules) if schedules else None
        raise TypeError(f"not a request about schedules: {type(request.body).__name__}")

    def _create(self, user: EUI, details: CreateSchedule, now: float) -> ScheduleId:
        if len(self.of(user, None, details.device)) >= MAX_SCHEDULES:
            raise ScheduleError(f"{user} has {MAX_SCHEDULES} schedules for {details.device}")
        self.restore(self.last + 1, user, details, now)
        return ScheduleId(self.last)

    def restore(self, number: int, user: EUI, details: CreateSchedule, created: float) -> None:
        """Add a schedule that was created at a Unix time in seconds, with its runs since."""
        self.last = max(self.last, number)
        self._schedules[number] = _Schedule(user, details, run_days(details, created))
        self._plan(number)

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget schedules, those that are not known aside."""
        for number in numbers:
            self._schedules.pop(number, None)
        self._queue = [entry for entry in self._queue if entry[1] in self._schedules]

    def __len__(self) -> int:
        """Return the number of schedules that have runs to come."""
        return len(self._queue)

    def of(self, user: EUI, number: int | None, device: EUI | None) -> list[int]:
        """Return the numbers of the schedules of a user: that one, or all for a device."""
        return [
            one
            for one, schedule in self._schedules.items()
            if schedule.user == user and (one == number or schedule.details.device == device)
        ]

    def _plan(self, number: int) -> None:
        """Queue the next run of a schedule, if it has one."""
        schedule = self._schedules[number]
        day = next(schedule.days, None)
        if day is not None:
            insort(self._queue, (due(schedule.details, day), number, day))

    def next_due(self) -> float | None:
        """Return the Unix time of the next run, None if there is none."""
        return self._queue[0][0] if self._queue else None

    def due(self, now: float) -> list[Run]:
        """Return the runs that are due by `now`, in their order; each is returned once."""
        runs = []
        while self._queue and self._queue[0][0] <= now:
            when, number, day = self._queue.pop(0)
            schedule = self._schedules[number]
            window = run_window(schedule.details, day)
            runs.append(Run(number, schedule.user, schedule.details, when, window))
            self._plan(number)
        return runs
