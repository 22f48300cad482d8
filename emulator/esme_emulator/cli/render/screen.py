"""What commands print: results on stdout, everything else on stderr; tables and progress.

Frames and bars are for terminals; elsewhere tables are plain.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any, Protocol

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

_NARROWEST = 20
"""Columns that a table needs. With COLUMNS=0 rich would print nothing at all."""


def _console(**options: Any) -> Console:
    environment = dict(os.environ)
    columns = environment.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) < _NARROWEST:
        del environment["COLUMNS"]
    return Console(soft_wrap=True, markup=False, emoji=False, _environ=environment, **options)


out = _console()
aside = _console(stderr=True)


def warn(warnings: list[str]) -> None:
    """Print one line for each likely mistake to stderr."""
    for warning in warnings:
        aside.print(f"esme: {warning}", highlight=False, style="yellow")


def announce(form: dict[str, Any], as_json: bool) -> None:
    """Print what was started or counted: one line of JSON on stdout, or lines on stderr.

    A value of None is left out of the lines.
    """
    if as_json:
        click.echo(json.dumps(form))
        return
    for name, value in form.items():
        title = name.replace("_", " ")
        match value:
            case None:
                lines = []
            case dict():
                lines = [f"{title}, {part}: {number}" for part, number in value.items()]
            case list():
                lines = [f"{title}: {', '.join(value)}"]
            case _:
                lines = [f"{title}: {value}"]
        for line in lines:
            aside.print(line, highlight=False, markup=False)


BARS = " ▁▂▃▄▅▆▇█"
"""Bars from empty to full, in eighths."""

_ENDLESS = 1 << 20
"""A width in columns that no table reaches."""


class Step(Protocol):
    """Advances a bar."""

    def __call__(self, steps: int = 1) -> None:
        """Advance by so many steps."""


@contextmanager
def show_progress() -> Iterator[Callable[[str, int | None], Step]]:
    """Yield a function that begins a bar, by title and total, and returns what advances it.

    A bar whose total is None goes away when the next one begins. Output appears above the bar if
    both are on a terminal.
    """
    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        redirect_stdout=sys.stdout.isatty(),
    ) as bars:

        def begin(title: str, total: int | None) -> Step:
            for former in bars.tasks:
                if former.total is None:
                    bars.remove_task(former.id)
            task = bars.add_task(title, total=total)
            return lambda steps=1: bars.advance(task, steps)

        yield begin


_FEWEST = 500
"""Minimum number of steps between two lines of progress."""


def progress_lines(console: Console) -> Callable[[str, int], Step]:
    """Return a function like that of `show_progress`, which prints lines in place of a bar.

    There is a line for each tenth, and one at the end.
    """

    def begin(title: str, total: int) -> Step:
        done, each = 0, max(total // 10, _FEWEST)

        def step(steps: int = 1) -> None:
            nonlocal done
            before, done = done, done + steps
            if before // each < done // each or before < done == total:
                console.print(f"{title}: {done:,} of {total:,}", highlight=False)

        return step

    return begin


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


def plural(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun, such as `1 meter` and `2,000 meters`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def label(name: str) -> str:
    """Return the name of a field as words."""
    return name.replace("_", " ")
