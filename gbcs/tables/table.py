"""Read CSV files of a package, this one or another, into typed rows.

A file begins with comment lines (#) that cite its sources: document, version and clause. A header
and one row a line follow. The caller turns cells into a typed row. Knows no particular table.
"""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_COMMENT = "#"
_FLAGS = {"yes": True, "no": False}


class TableError(Exception):
    """A mistake in a table: file, line and reason in one line."""


def read_table(
    name: str, header: Sequence[str], row: Callable[..., T], module: str = __file__
) -> tuple[T, ...]:
    """Return the rows of the file `name` beside the file `module`, in their order.

    `row` takes the cells of a line as strings, in the order of `header`, and returns the typed row.
    Raises `TableError` if the file has another header, a line has too few or too many cells, or
    `row` raises `KeyError` or `ValueError`.
    """
    lines = (Path(module).parent / name).read_text("utf-8").splitlines()
    comments = next((at for at, line in enumerate(lines) if not line.startswith(_COMMENT)), 0)
    cells = csv.reader(lines[comments:], strict=True)
    found = next(cells, [])
    if found != list(header):
        raise TableError(f"{name}:{comments + 1}: the header is not {','.join(header)}")
    rows: list[T] = []
    try:
        for values in cells:
            if len(values) != len(header):
                raise ValueError(f"{len(values)} cells; the header has {len(header)}")
            rows.append(row(*values))
    except KeyError as error:
        reason = f"{error} is not one of the values of its column"
    except (ValueError, csv.Error) as error:
        reason = str(error)
    else:
        return tuple(rows)
    raise TableError(f"{name}:{comments + cells.line_num}: {reason}")


def flag(cell: str) -> bool:
    """Return whether a cell says yes. Raises `ValueError` unless it is yes or no."""
    if cell not in _FLAGS:
        raise ValueError(f"{cell!r} is not yes or no")
    return _FLAGS[cell]
