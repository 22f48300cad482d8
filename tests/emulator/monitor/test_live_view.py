"""The live view: snapshots, screen and lines, in simulated time."""

import asyncio
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cli.render.live import (
    LINE_EVERY,
    OUTCOMES,
    REFRESH,
    TALL,
    has_changed,
    line,
    render,
    watch,
)
from esme_emulator.estate.parties import SUPPLIER
from esme_emulator.faults.loading import rule_from
from esme_emulator.fleet.counters import Counters, Stage
from esme_emulator.monitor.journal import Receipt, Record
from esme_emulator.monitor.snapshot import BUSIEST, LATEST, Sampler, Snapshot, busiest
from esme_emulator.runtime.clock import ManualClock
from gbcs.instants import EPOCH_UNIX, parse_iso
from tests.emulator.control.process import Process
from tests.support.estate import ESTATE, METER, OTHER_METER
from tests.support.waiting import settle

IDLE = Snapshot(
    at=100.0,
    now=float(parse_iso("2026-01-15T12:00:00Z") + EPOCH_UNIX),
    clock="scaled:60@2026-01-15T12:00:00Z=2026-11-23T12:00:00Z",
    broker="127.0.0.1:1883",
    connected=True,
    meters=1000,
    requests=0,
    decisions=dict.fromkeys(Decision, 0),
)
BUSY = replace(
    IDLE,
    at=102.0,
    received=30,
    replied=20,
    table=[("4.8.1", "answered", 25, 20), ("4.6.1", "bad-mac", 5, 0)],
    busiest=[(METER, 25), (OTHER_METER, 5)],
    fired=3,
    lately=["2026-01-15T12:00:00.000000Z mute (no-reply) 00DBE50000000000 4.8.1 call 7"],
    requests=50,
    decisions=dict.fromkeys(Decision, 0) | {Decision.HIT: 30, Decision.FORWARDED: 20},
    avoided_ratio=0.6,
)


def record(number: int) -> Record:
    """Return a request that the cache forwarded."""
    made = Record(number, IDLE.now + number, METER, "4.8.1", SUPPLIER, b"", Decision.FORWARDED)
    made.replied_at = made.time + 1.5
    made.receipts = (Receipt(made.time, "answered", ()),)
    return made


def screen(
    now: Snapshot, before: Snapshot | None = None, width: int = 100, height: int = TALL
) -> list[str]:
    """Return the lines of the screen, with frames replaced by single spaces."""
    console = Console(width=width, record=True, file=StringIO())
    console.print(render(now, before, height))
    text = console.export_text()
    return [" ".join(row.replace("│", " ").split()) for row in text.splitlines()]


# snapshots


def test_a_snapshot_of_all_parts() -> None:
    process, machine = Process(), ManualClock(5.0)
    process.work()
    process.faults.add(rule_from({"kind": "no-reply", "name": "mute"}))
    process.suffer(1)
    look = Sampler(process.parts(), machine)()
    assert (look.at, look.now, look.meters) == (5.0, process.clock.now(), 5)
    assert (look.received, look.replied, look.fired) == (3, 2, 1)
    assert look.table == [("4.6.1", "bad-mac", 1, 0), ("4.8.1", "answered", 2, 2)]
    assert look.busiest == [(METER, 2), (OTHER_METER, 1)]
    assert "mute (no-reply)" in look.lately[0]
    assert look.decisions is not None
    assert (look.requests, look.decisions[Decision.HIT]) == (4, 1)
    assert look.avoided_ratio == pytest.approx(2 / 3)


def test_a_snapshot_of_a_single_part() -> None:
    process = Process()
    process.work()
    cache = Sampler(process.parts(fleet=False), ManualClock(0.0))()
    assert (cache.meters, cache.received, cache.requests) == (None, 0, 4)
    fleet = Sampler(process.parts(cache=False), ManualClock(0.0))()
    assert (fleet.meters, fleet.requests, fleet.decisions) == (5, None, None)


async def test_busiest_meters_are_searched_at_intervals() -> None:
    process, machine = Process(), ManualClock(0.0)
    take = Sampler(process.parts(), machine)
    assert take().busiest == []
    process.work()
    assert take().busiest == []
    await machine.advance(5)
    assert take().busiest == [(METER, 2), (OTHER_METER, 1)]


def test_the_busiest_meters_come_first() -> None:
    counters = Counters()
    for number, device in enumerate(ESTATE.meters):
        counters.count(Stage.RECEIVED, device, "4.8.1", "answered", 10)
        counters.count(Stage.RECEIVED, device, "4.6.1", "bad-mac", number // 2)
        counters.count(Stage.REPLIED, device, "4.8.1", "answered", 100)
    first, second, third, fourth, fifth = ESTATE.meters
    ranked = [(fifth, 12), (third, 11), (fourth, 11), (first, 10), (second, 10)]
    assert busiest(counters) == ranked[:BUSIEST]
    assert busiest(counters, 2) == ranked[:2]


def test_very_many_meters_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esme_emulator.monitor.snapshot.MAX_ROWS", 3)
    counters = Counters()
    for device in ESTATE.meters[:3]:
        counters.count(Stage.RECEIVED, device, "4.8.1", "answered")
    assert len(busiest(counters)) == 3
    counters.count(Stage.RECEIVED, METER, "4.6.1", "answered")
    assert busiest(counters) == []


def test_rates_are_differences_of_two_snapshots() -> None:
    assert BUSY.rate(IDLE) == (15.0, 10.0)
    assert BUSY.rate(None) == BUSY.rate(BUSY) == (0.0, 0.0)
    assert replace(IDLE, at=104.0).rate(BUSY) == (0.0, 0.0), "counters that began again"


# the screen


def test_the_screen_of_a_busy_process() -> None:
    shown = screen(BUSY, IDLE)
    assert f"2026-01-15T12:00:00Z clock {BUSY.clock}" in shown
    assert "broker 127.0.0.1:1883 connected meters 1000" in shown
    text = "\n".join(shown)
    for words in ("commands 30 15.0/s replies 20 10.0/s faults 3", "4.8.1 answered 25 20"):
        assert words in text
    assert "4.6.1 bad-mac 5 0" in text
    assert "requests 50 avoided 60.0% hits 30" in shown
    assert "collapsed 0 forwarded 20 refused 0 failed 0" in shown
    for words in (f"{METER} 25", f"{OTHER_METER} 5", "mute (no-reply)"):
        assert words in text


def test_the_screen_of_an_idle_process() -> None:
    text = "\n".join(screen(IDLE))
    assert "commands 0 0.0/s" in text
    assert "busiest" not in text
    assert "faults" not in text
    assert "party" not in text
    assert "avoided" not in text


def test_the_screen_without_a_broker() -> None:
    assert "broker 127.0.0.1:1883 NOT CONNECTED meters 1000" in screen(
        replace(IDLE, connected=False)
    )


def test_the_screen_of_a_single_part() -> None:
    cache = "\n".join(screen(replace(BUSY, meters=None, busiest=(), fired=0)))
    assert "hits 30" in cache
    assert "commands" not in cache
    fleet = "\n".join(screen(replace(BUSY, decisions=None, requests=None)))
    assert "hits" not in fleet
    assert "received" in fleet


def test_a_long_list_of_outcomes_is_cut() -> None:
    table = [(f"4.8.{number}", "answered", number, 1) for number in range(1, OUTCOMES + 3)]
    text = "\n".join(screen(replace(BUSY, table=table)))
    assert f"4.8.{OUTCOMES + 2} answered {OUTCOMES + 2} 1" in text
    assert "4.8.2 " not in text
    assert "others 3 2" in text


def test_the_latest_requests_are_below_the_counts() -> None:
    shown = screen(replace(BUSY, latest=[record(2), record(1)]))
    row = f"12:00:02 forwarded 4.8.1 {METER} {SUPPLIER} 1.500 s answered"
    assert shown.index(row) > [line.startswith("requests 50") for line in shown].index(True)
    assert shown[shown.index(row) + 1].startswith("12:00:01")


def test_counts_and_requests_fill_a_terminal_of_80_by_24() -> None:
    busy = replace(BUSY, latest=[record(number) for number in range(LATEST, 0, -1)])
    shown = screen(busy, IDLE, 80, 24)
    assert len(shown) == 23, "one line is left for the cursor"
    text = "\n".join(shown)
    for words in ("requests 50", "hits 30", "avoided 60.0%", "commands 30", "faults 3"):
        assert words in text
    assert sum(str(SUPPLIER) in line for line in shown) == 13
    assert f"12:00:15 forwarded 4.8.1 {METER} {SUPPLIER} 1.500 s answered" in shown
    assert "busiest" not in text


@pytest.mark.parametrize("width", [20, 40, 80, 250])
@pytest.mark.parametrize("height", [1, 24, 100])
def test_the_screen_fits(width: int, height: int) -> None:
    console = Console(width=width, record=True, file=StringIO())
    console.print(render(replace(BUSY, latest=[record(1)]), IDLE, height))
    assert max(map(len, console.export_text().splitlines())) <= width


def test_names_are_not_markup() -> None:
    odd = replace(BUSY, table=[("[red]", "[/]", 1, 1)], lately=["[bold]x"], broker="[b]")
    text = "\n".join(screen(odd))
    for words in ("[red] [/] 1 1", "[bold]x", "broker [b] connected"):
        assert words in text


# lines


def test_a_line_shows_new_events() -> None:
    assert line(BUSY, IDLE) == (
        "2026-01-15T12:00:00Z, commands 30 (+30), replies 20 (+20), requests 50, hits 30, "
        "forwarded 20, avoided 60.0%, faults 3"
    )
    assert line(replace(IDLE, connected=False, decisions=None), IDLE) == (
        "2026-01-15T12:00:00Z, no broker at 127.0.0.1:1883, commands 0 (+0), replies 0 (+0)"
    )


def test_passing_time_prints_no_line() -> None:
    assert not has_changed(replace(IDLE, at=9e9, now=2e9), IDLE)
    assert has_changed(replace(IDLE, connected=False), IDLE)
    assert has_changed(replace(IDLE, received=1), IDLE)
    assert has_changed(BUSY, IDLE)


# watching


class Watching:
    """A view of given snapshots, in a real time that the test moves."""

    def __init__(self, terminal: bool) -> None:
        self.machine = ManualClock(0.0)
        self.look = IDLE
        self.taken = 0
        self.shown = StringIO()
        console = Console(file=self.shown, force_terminal=terminal, width=100, color_system=None)
        self.task = asyncio.create_task(watch(self._take, console, self.machine))

    def _take(self) -> Snapshot:
        self.taken += 1
        return self.look

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_lines_are_printed_on_changes_but_not_too_often() -> None:
    view = Watching(terminal=False)
    await settle()
    await view.machine.advance(LINE_EVERY)
    assert view.shown.getvalue() == ""
    view.look = BUSY
    await view.machine.advance(LINE_EVERY - 1)
    assert view.shown.getvalue() == ""
    await view.machine.advance(1)
    await view.machine.advance(10 * LINE_EVERY)
    assert view.shown.getvalue().splitlines() == [line(BUSY, IDLE)]
    await view.end()


async def test_the_screen_is_refreshed_four_times_a_second() -> None:
    view = Watching(terminal=True)
    await settle()
    assert view.taken == 1
    await view.machine.advance(1)
    assert view.taken == 1 + 1 / REFRESH
    view.look = BUSY
    await view.machine.advance(REFRESH)
    assert "15.0" in view.shown.getvalue()
    await view.end()
    assert view.task.cancelled()
    assert view.shown.getvalue().endswith("\x1b[?25h"), "the cursor is back"
