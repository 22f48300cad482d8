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

from esme_emulator.monitor.snapshot import LATEST, Snapshot
from esme_emulator.runtime.clock import Clock
from gbcs.instants import EPOCH_UNIX, to_iso

REFRESH = 0.25
"""Refresh interval of the screen, in seconds of real time."""
SPAN = 8
"""Number of snapshots over which rates are calculated: two seconds."""
OUTCOMES = 8
"""Number of rows of SRVs and outcomes; the rest are added up."""
TALL = 40
"""Lines of a terminal from which on the tables are shown below the requests."""
_FRAME = 11
"""Lines around the requests on a low terminal: frame, head, counts, headings, gaps and cursor."""
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
            live.update(render(looks[-1], looks[0], console.height), refresh=True)
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


def render(now: Snapshot, before: Snapshot | None = None, height: int = TALL) -> RenderableType:
    """Return the screen of the snapshot `now`, with rates since `before`.

    Counts come first, then the latest requests. A terminal of fewer lines than `TALL` shows as many
    of these as fit, and nothing else.
    """
    blocks: list[RenderableType | None] = [_head(now), _counts(now, before)]
    if height < TALL:
        blocks.append(_requests(now, max(height - _FRAME, 1)))
    else:
        tables = filter(None, (_commands(now), _busiest(now), _faults(now)))
        blocks += [_requests(now), Columns(tables, padding=(0, 2))]
    spaced = [part for block in blocks if block is not None for part in (block, "")][:-1]
    return Panel(Group(*spaced), title="esme", title_align="left", expand=False)


def _time(now: Snapshot) -> str:
    return to_iso(int(now.now) - EPOCH_UNIX)


def _head(now: Snapshot) -> Text:
    broker = ("connected", "green") if now.connected else ("NOT CONNECTED", "bold red")
    times = (_time(now), "bold"), f"  clock {now.clock}\n"
    head = Text.assemble(*times, f"broker {now.broker} ", broker, no_wrap=True, overflow="ellipsis")
    if now.meters is not None:
        head.append(f"  meters {now.meters}")
    return head


def _counts(now: Snapshot, before: Snapshot | None) -> RenderableType | None:
    """Return lines of the cache's counts, and one of the meters'."""
    lines = []
    if now.decisions is not None:
        counts = [("requests", f"{now.requests}")]
        if now.avoided_ratio is not None:
            counts.append(("avoided", f"{now.avoided_ratio:.1%}"))
        first, *others = [(kind.value, f"{number}") for kind, number in now.decisions.items()]
        lines += [_line_of([*counts, first]), _line_of(others)]
    if now.meters is not None:
        received, replied = now.rate(before)
        counts = [("commands", f"{now.received} {received:.1f}/s")]
        counts.append(("replies", f"{now.replied} {replied:.1f}/s"))
        if now.fired:
            counts.append(("faults", f"{now.fired}"))
        lines.append(_line_of(counts))
    return Group(*lines) if lines else None


def _line_of(counts: list[tuple[str, str]]) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for name, number in counts:
        line.append(f"{name} ", style="dim").append(f"{number}  ", style="bold")
    return line


def _requests(now: Snapshot, number: int = LATEST) -> Table | None:
    """Return the latest requests, newest first."""
    if not now.latest:
        return None
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # no column for frames
    for heading in ("time", "decision", "SRV", "device", "party"):
        table.add_column(heading, no_wrap=True)
    table.add_column("reply", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for record in now.latest[:number]:
        table.add_row(
            to_iso(int(record.time) - EPOCH_UNIX)[11:19],
            str(record.decision),
            Text(record.srv),
            str(record.device),
            "" if record.party is None else str(record.party),
            "" if record.seconds is None else f"{record.seconds:.3f} s",
            Text(record.reason or ", ".join(receipt.outcome for receipt in record.receipts)),
        )
    return table


def _commands(now: Snapshot) -> Table | None:
    if now.meters is None:
        return None
    table = _list(("commands", ""), ("received", "replied"))
    ranked = sorted(now.table, key=lambda row: row[2], reverse=True)
    for srv, outcome, commands, replies in ranked[:OUTCOMES]:
        table.add_row(Text(srv), Text(outcome), str(commands), str(replies))
    if others := ranked[OUTCOMES:]:
        commands, replies = sum(row[2] for row in others), sum(row[3] for row in others)
        table.add_row("others", "", str(commands), str(replies))
    return table if ranked else None


def _busiest(now: Snapshot) -> Table | None:
    if not now.busiest:
        return None
    table = _list(("busiest meters",), ("commands",))
    for device, number in now.busiest:
        table.add_row(str(device), str(number))
    return table


def _faults(now: Snapshot) -> Table | None:
    if not now.lately:
        return None
    table = _list(("latest faults",), ())
    for text in now.lately:
        table.add_row(Text(text))
    return table


def _list(texts: Iterable[str], numbers: Iterable[str]) -> Table:
    """Return a table with these headings."""
    table = Table(*texts, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table
