"""What a person sees: tables, a small chart and progress. Lines on a terminal, plain elsewhere.

Results go to stdout; what accompanies them goes to stderr, so that a pipe gets results alone.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from emulator.cache.ledger import Ledger
from emulator.counters import Counters, Stage
from gbcs.explain import Line
from gbcs.instants import to_iso
from gbcs.usecases.profile_read import Row
from gbcs.usecases.values import Reading, plain

_BAR = " ▁▂▃▄▅▆▇█"


@contextmanager
def show_progress() -> Iterator[Callable[[str, int | None], Callable[[], None]]]:
    """Yield a function that begins a bar, by title and total, and returns what to call per step.

    What is printed meanwhile goes above the bar where both are on a terminal.
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


def reading_table(rows: list[Row], console: Console) -> None:
    """Print the rows of a log, one a line."""
    if not rows:
        console.print("no entries in this window")
        return
    table = Table()
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*[_cell(name, value) for name, value in row.items()])
    console.print(table)


def _cell(name: str, value: Any) -> str:
    if name == "time":
        return to_iso(value)
    if not isinstance(value, tuple):
        return str(value)
    registers = [
        f"{place}: {number}" for place, number in enumerate(_flat(value), start=1) if number
    ]
    return ", ".join(registers) or "all 0"


def _flat(values: tuple[Any, ...]) -> Iterator[int]:
    for value in values:
        if isinstance(value, tuple):
            yield from _flat(value)
        else:
            yield value


def reading_value(reading: Reading, console: Console) -> None:
    """Print one attribute by name: a table for a log, a line for each part of a collection."""
    rows, fields = reading.rows, reading.fields
    if rows is not None:
        console.print(f"{reading.name}:", highlight=False)
        reading_table(rows, console)
    elif fields is not None:
        for name, value in fields.items():
            console.print(f"{name.replace('_', ' ')}: {_shown(value)}", highlight=False)
    elif reading.data is not None:
        console.print(f"{reading.name}: {_shown(plain(reading.data))}", highlight=False)


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)


def reading_chart(rows: list[Row], console: Console) -> None:
    """Print a bar for each column of plain numbers, one character a row."""
    if not rows:
        console.print("no entries in this window")
        return
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name != "time" and isinstance(values[0], int):
            top = max(values)
            bars = "".join(_BAR[value * 8 // top if top else 0] for value in values)
            console.print(f"{name.replace('_', ' ')}, 0 to {top}", highlight=False)
            console.print(bars, highlight=False, soft_wrap=True)
    first, last = to_iso(rows[0]["time"]), to_iso(rows[-1]["time"])
    console.print(f"{first} to {last}, {len(rows)} entries", highlight=False)


def explanation(lines: list[Line]) -> Iterator[str]:
    """Yield annotated octets as text: offset, octets, field and meaning."""
    for line in lines:
        digits = line.octets.hex().upper()
        shown = digits if len(digits) <= 32 else f"{digits[:26]}…{len(line.octets):>4}"
        mark = "~" if line.decrypted else " "
        field = "  " * line.depth + line.field
        yield f"{line.offset:6}{mark} {shown:<34}{field:<42} {line.meaning}".rstrip()


def counted(fleet: Counters | None, ledger: Ledger | None) -> dict[str, Any]:
    """Return what fleet and cache counted, as JSON has it."""
    form: dict[str, Any] = {}
    if fleet is not None:
        form["device_hits"] = fleet.device_hits
        form["replies"] = fleet.total(Stage.REPLIED)
        form["outcomes"] = {
            f"{srv} {outcome}": number for (srv, outcome), number in fleet.outcomes().items()
        }
    if ledger is not None:
        form["requests"] = ledger.requests
        form["retries"] = ledger.retries
        form["shadow"] = ledger.shadow
        form["decisions"] = {
            f"{srv} {decision}": number
            for (srv, decision), number in sorted(ledger.decisions.items())
        }
        form["reasons"] = {str(name): number for name, number in sorted(ledger.reasons.items())}
    return form


def plain_table(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print rows under their names."""
    table = Table()
    for name in rows[0] if rows else ():
        number = isinstance(rows[0][name], int)
        table.add_column(name.replace("_", " "), justify="right" if number else "left")
    for row in rows:
        table.add_row(*map(str, row.values()))
    if rows:
        console.print(table)
