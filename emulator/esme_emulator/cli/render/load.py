"""The output of `esme load`: a bar with live figures on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from esme_emulator.cli.render.screen import print_rows
from esme_emulator.load.result import DuisFigures, LoadResult
from esme_emulator.load.tally import Live, Quantiles
from esme_emulator.load.words import ORIGINS, headline, value
from esme_emulator.runtime.verdicts import met

_LINES = 20
"""Approximate number of plain lines during a load."""
_WHICH = ""
"""Title of the column that names the requests of a row."""
_SILENT = (
    "; nothing answers: see that these meters, and with --via cache a cache, use this broker, "
    "with the same --seed and --base"
)


@contextmanager
def show_live(total: float) -> Iterator[Callable[[Live], None]]:
    """Yield a function that shows the figures of each second on stderr; `total` is in seconds."""
    console = Console(stderr=True, soft_wrap=True, markup=False, emoji=False)
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description:<8}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
        )
        with Progress(*columns, console=console) as bars:
            task = bars.add_task("warm-up", total=total, said="")

            def move(live: Live) -> None:
                title = "warm-up" if live.warming_up else "load"
                done = min(live.elapsed, total)
                bars.update(task, completed=done, description=title, said=_said(live))

            yield move
    else:
        due = 0.0

        def line(live: Live) -> None:
            nonlocal due
            if live.elapsed >= due:
                due = live.elapsed + total / _LINES
                title = "warm-up " if live.warming_up else ""
                console.print(f"{title}{live.elapsed:4.0f} s: {_said(live)}", highlight=False)

        yield line


def _said(live: Live) -> str:
    p99 = "none" if live.p99 is None else f"{live.p99:.1f} ms"
    return (
        f"{live.sent_rate:.0f}/s sent, {live.answered_rate:.0f}/s answered, "
        f"{live.in_flight} in flight, p99 {p99}, {live.failed} failed"
        f"{_SILENT if live.silent else ''}"
    )


def load_table(result: LoadResult, console: Console) -> None:
    """Print the result of a load."""
    _line(console, headline(result) + ("" if result.complete else " (partial)"))
    requests = result.requests
    rows = [_row("all", requests.planned, requests.failed, result.latency["all"])]
    for name, title in ORIGINS.items():
        of = result.latency[name]
        if of.count:
            rows.append(_row(f"  {title}", of.count, None, of))
    for part in (*result.by_srv, *result.by_party):
        counts = part.requests
        rows.append(_row(f"  {part.name}", counts.planned, counts.failed, part.latency))
    print_rows(rows, console, right=set(rows[0]) - {_WHICH})
    _line(console, "latency of answered requests in ms, from the planned time of each request")
    _line(
        console,
        f"{result.sent_rate:g}/s sent, {result.achieved_rate:g}/s answered; "
        f"answered {requests.answered}, refused {requests.refused}, invalid {requests.invalid}, "
        f"no reply {requests.no_reply}, not sent {requests.not_sent}, "
        f"unfinished {requests.unfinished}; {result.checked} replies verified",
    )
    if result.duis is not None:
        _line(console, _duis(result.duis))
    generator = result.generator
    if generator.cpu_microseconds_per_request is not None and generator.sent_late.count:
        _line(
            console,
            f"generator: {generator.cpu_microseconds_per_request:g} µs a request, "
            f"busiest worker {generator.busiest_worker:.0%} of a core; "
            f"sent late p50 {generator.sent_late.p50:.1f}, p99 {generator.sent_late.p99:.1f} ms",
        )
    for note in result.notes:
        _line(console, f"note: {note}")
    for item in result.thresholds:
        _line(console, f"{met(item)}: {item.threshold}, is {value(item)}")
    if not result.complete:
        _line(console, f"PARTIAL: {result.ended}")


def _duis(figures: DuisFigures) -> str:
    times = figures.acknowledgement
    text = f"acknowledged {times.count}"
    if times.count:
        text += f": p50 {times.p50:.1f}, p99 {times.p99:.1f} ms"
    codes = (f"{code} {number}" for code, number in figures.codes.items())
    return "; ".join((text, *codes))


def _line(console: Console, text: str) -> None:
    """Print a line, wrapped on a terminal only."""
    console.print(text, highlight=False, soft_wrap=not console.is_terminal)


def _row(name: str, requests: int, failed: int | None, of: Quantiles) -> dict[str, str]:
    times = {
        "p50": of.p50,
        "p90": of.p90,
        "p95": of.p95,
        "p99": of.p99,
        "p99.9": of.p99_9,
        "max": of.max,
    }
    return {
        _WHICH: name,
        "requests": str(requests),
        "failed": "" if failed is None else str(failed),
        **{title: _milliseconds(value) for title, value in times.items()},
    }


def _milliseconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"
