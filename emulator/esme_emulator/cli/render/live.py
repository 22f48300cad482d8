"""The live view of running parts: a screen on a terminal, a line now and then elsewhere.

`render` is a pure function of snapshots; `watch` shows them in real time.
"""

from collections import deque
from collections.abc import Callable, Iterable

from rich.box import SIMPLE_HEAD
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from esme_emulator.monitor.snapshot import Snapshot
from esme_emulator.runtime.clock import Clock
from gbcs.instants import EPOCH_UNIX, to_iso

REFRESH = 0.25
"""Refresh interval of the screen, in seconds of real time."""
SPAN = 8
"""Number of snapshots over which rates are calculated: two seconds."""
OUTCOMES = 8
"""Number of rows of SRVs and outcomes; the rest are added up."""
LINE_EVERY = 10.0
"""Minimum interval between two lines without a terminal, in seconds of real time."""


async def watch(take: Callable[[], Snapshot], console: Console, machine: Clock) -> None:
    """Show the snapshots that `take` returns until cancelled; `machine` is the clock of real time.

    On a terminal shows a screen. Elsewhere prints a line if something changed, at most every
    `LINE_EVERY` seconds.
    """
    if console.is_terminal:
        await _screen(take, console, machine)
    else:
        await _lines(take, console, machine)


async def _screen(take: Callable[[], Snapshot], console: Console, machine: Clock) -> None:
    looks: deque[Snapshot] = deque(maxlen=SPAN + 1)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            looks.append(take())
            live.update(render(looks[-1], looks[0]), refresh=True)
            await machine.sleep(REFRESH)


async def _lines(take: Callable[[], Snapshot], console: Console, machine: Clock) -> None:
    before = take()
    while True:
        await machine.sleep(LINE_EVERY)
        now = take()
        if has_changed(now, before):
            console.print(line(now, before), highlight=False, markup=False, soft_wrap=True)
            before = now


def has_changed(now: Snapshot, before: Snapshot) -> bool:
    """Return whether anything but the time has changed."""
    return any(
        getattr(now, name) != getattr(before, name)
        for name in ("connected", "received", "replied", "fired", "requests", "decisions")
    )


def line(now: Snapshot, before: Snapshot) -> str:
    """Return the changes since `before` as one line."""
    parts = [_time(now)]
    if not now.connected:
        parts.append(f"no broker at {now.broker}")
    if now.meters is not None:
        parts.append(f"commands {now.received} (+{max(now.received - before.received, 0)})")
        parts.append(f"replies {now.replied} (+{max(now.replied - before.replied, 0)})")
    if now.decisions is not None:
        parts.append(f"requests {now.requests}")
        parts += [f"{kind.value} {number}" for kind, number in now.decisions.items() if number]
    if now.avoided_ratio is not None:
        parts.append(f"avoided {now.avoided_ratio:.1%}")
    if now.fired:
        parts.append(f"faults {now.fired}")
    return ", ".join(parts)


def render(now: Snapshot, before: Snapshot | None = None) -> RenderableType:
    """Return the screen of the snapshot `now`, with rates since `before`."""
    tables = (_commands(now, before), _cache(now), _busiest(now))
    faults = _faults(now) if now.fired else None
    columns = Columns(filter(None, tables), padding=(0, 2))
    # A low terminal cuts off the end, so the few lines of faults come before the tables.
    blocks: list[RenderableType] = [part for part in (_head(now), faults, columns) if part]
    spaced = [part for block in blocks for part in (block, "")][:-1]
    return Panel(Group(*spaced), title="esme", title_align="left", expand=False)


def _time(now: Snapshot) -> str:
    return to_iso(int(now.now) - EPOCH_UNIX)


def _head(now: Snapshot) -> Text:
    broker = ("connected", "green") if now.connected else ("NOT CONNECTED", "bold red")
    head = Text.assemble(
        (_time(now), "bold"), f"  clock {now.clock}\n", f"broker {now.broker} ", broker
    )
    if now.meters is not None:
        head.append(f"  meters {now.meters}")
    return head


def _commands(now: Snapshot, before: Snapshot | None) -> Table | None:
    if now.meters is None:
        return None
    table = _list(("commands", ""), ("received", "replied"))
    received, replied = now.rate(before)
    table.add_row("all", "", str(now.received), str(now.replied))
    table.add_row("a second", "", f"{received:.1f}", f"{replied:.1f}")
    ranked = sorted(now.table, key=lambda row: row[2], reverse=True)
    for srv, outcome, commands, replies in ranked[:OUTCOMES]:
        table.add_row(Text(srv), Text(outcome), str(commands), str(replies))
    if others := ranked[OUTCOMES:]:
        commands, replies = sum(row[2] for row in others), sum(row[3] for row in others)
        table.add_row("others", "", str(commands), str(replies))
    return table


def _cache(now: Snapshot) -> Table | None:
    if now.decisions is None:
        return None
    table = _list(("cache",), ("requests",))
    table.add_row("all", str(now.requests))
    for kind, number in now.decisions.items():
        table.add_row(kind.value, str(number))
    if now.avoided_ratio is not None:
        table.add_row("avoided", f"{now.avoided_ratio:.1%}")
    return table


def _busiest(now: Snapshot) -> Table | None:
    if not now.busiest:
        return None
    table = _list(("busiest meters",), ("commands",))
    for device, number in now.busiest:
        table.add_row(str(device), str(number))
    return table


def _faults(now: Snapshot) -> Table:
    table = _list((f"faults: {now.fired}",), ())
    for text in now.lately:
        table.add_row(Text(text))
    return table


def _list(texts: Iterable[str], numbers: Iterable[str]) -> Table:
    """Return a table with these headings."""
    table = Table(*texts, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table
