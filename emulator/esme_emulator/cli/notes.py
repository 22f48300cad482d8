"""The consoles that commands print to: results on stdout, what accompanies them on stderr."""

import os
from typing import Any

from rich.console import Console

_NARROWEST = 20
"""Columns that a table needs at least; COLUMNS=0 would print nothing at all."""


def _console(**options: Any) -> Console:
    environment = dict(os.environ)
    columns = environment.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) < _NARROWEST:
        del environment["COLUMNS"]
    return Console(soft_wrap=True, markup=False, emoji=False, _environ=environment, **options)


out = _console()
aside = _console(stderr=True)


def warn(warnings: list[str]) -> None:
    """Say what is likely to be a mistake, a line each, and go on."""
    for warning in warnings:
        aside.print(f"esme: {warning}", highlight=False, style="yellow")
