"""Tables, annotated octets and progress, with frames and bars on a terminal and plain elsewhere."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from esme_emulator.cache.policy.ledger import Ledger, audit_of
from esme_emulator.fleet.counters import Counters, Stage
from gbcs.explain import Line

BARS = " ▁▂▃▄▅▆▇█"
"""Bars from empty to full, in eighths."""

_ENDLESS = 1 << 20
"""A width in columns that no table reaches."""


@contextmanager
def show_progress() -> Iterator[Callable[[str, int | None], Callable[[], None]]]:
    """Yield a function that begins a bar, by title and total, and returns a function per step.

    Output appears above the bar if both are on a terminal.
    """
    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns,
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        redirect_stdout=sys.stdout.isatty(),
    ) as bars:

        def begin(title: str, total: int | None) -> Callable[[], None]:
            task = bars.add_task(title, total=total)
            return lambda: bars.advance(task)

        yield begin


_FEWEST = 500
"""Minimum number of steps between two lines of progress."""


def progress_lines(console: Console) -> Callable[[str, int], Callable[[], None]]:
    """Return a function like that of `show_progress`, which prints lines in place of a bar.

    There is a line for each tenth, and one at the end.
    """

    def begin(title: str, total: int) -> Callable[[], None]:
        done, each = 0, max(total // 10, _FEWEST)

        def step() -> None:
            nonlocal done
            done += 1
            if done % each == 0 or done == total:
                console.print(f"{title}: {done:,} of {total:,}", highlight=False)

        return step

    return begin


def explanation(lines: list[Line]) -> Iterator[str]:
    """Yield annotated octets as text: offset, octets, field and meaning."""
    for line in lines:
        digits = line.octets.hex().upper()
        shown = digits if len(digits) <= 32 else f"{digits[:26]}…{len(line.octets):>4}"
        mark = "~" if line.decrypted else " "
        field = "  " * line.depth + line.field
        yield f"{line.offset:6}{mark} {shown:<34}{field:<42} {line.meaning}".rstrip()


def counted(fleet: Counters | None, ledger: Ledger | None) -> dict[str, Any]:
    """Return the counters of fleet and cache as JSON."""
    form: dict[str, Any] = {}
    if fleet is not None:
        form["device_hits"] = fleet.device_hits
        form["replies"] = fleet.total(Stage.REPLIED)
        form["unsent"] = fleet.total(Stage.UNSENT)
        form["outcomes"] = {
            f"{srv} {outcome}": number for (srv, outcome), number in fleet.outcomes().items()
        }
    if ledger is not None:
        form["requests"] = ledger.requests
        form["retries"] = ledger.retries
        audit = audit_of(ledger)
        form["shadow"] = audit.asked
        form["shadow_compared"] = audit.compared
        form["shadow_different"] = audit.different
        form["shadow_difference_ratio"] = audit.difference_ratio
        form["decisions"] = {
            f"{srv} {decision}": number
            for (srv, decision), number in sorted(ledger.decisions.items())
        }
        form["reasons"] = {str(name): number for name, number in sorted(ledger.reasons.items())}
    return form


def plain_table(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print rows under their names, with numbers aligned to the right."""
    if rows:
        numbers = {name for name, value in rows[0].items() if isinstance(value, int)}
        shown = [{label(name): str(value) for name, value in row.items()} for row in rows]
        print_rows(shown, console, right=set(map(label, numbers)))


def print_rows(rows: Sequence[Mapping[str, str]], console: Console, right: Set[str]) -> None:
    """Print one row or more as a table that cuts no cell off.

    A table that is wider than the terminal is printed without a frame. If it is still too wide,
    each row becomes a few lines. Without a terminal no table is too wide. The columns in `right`
    are aligned to the right.
    """
    unlimited = console.options.update(max_width=_ENDLESS)
    bare = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for table in (Table(), bare):
        for name in rows[0]:
            table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row.values())
        wide = Measurement.get(console, unlimited, table).maximum
        if wide <= console.width or not console.is_terminal:
            table.width = wide
            console.print(table)
            return
    for row in rows:
        (_, first), *others = row.items()
        console.print(first, highlight=False)
        for name, text in others:
            if text:
                console.print(f"  {name}: {text}", highlight=False)


def label(name: str) -> str:
    """Return the name of a field as words."""
    return name.replace("_", " ")
