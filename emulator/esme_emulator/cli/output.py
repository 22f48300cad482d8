"""What commands print: results on stdout, everything else on stderr."""

import json
import os
from typing import Any

import click
from rich.console import Console

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
