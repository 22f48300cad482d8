"""The output of proofs: the verdict, cache rules side by side, and two reports compared."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from esme_emulator.cli.render.screen import plural, print_rows
from esme_emulator.proof.report.words import (
    RULE_COLUMNS,
    compared,
    duration,
    figure,
    milliseconds,
    number,
    partial,
    percent,
    rule_cells,
    verdict_of_rules,
)
from esme_emulator.proof.result import Percentiles, ProofResult
from esme_emulator.proof.side_by_side import SideBySide
from esme_emulator.runtime.reports import Figure
from esme_emulator.runtime.verdicts import verdict


def proof_table(result: ProofResult, console: Console) -> None:
    """Print the verdict of a proof and its main figures."""
    title = f"{result.title}: {plural(result.meters, 'meter')}, seed {result.seed}"
    table = Table(title=title)
    for column in ("", "direct", "through the cache"):
        table.add_column(column, justify="right" if column else "left")
    direct, cached = result.spent_direct, result.spent_cached
    table.add_row("device hits", number(direct.device_hits), number(cached.device_hits))
    table.add_row("answered from the cache", "", number(result.hits))
    table.add_row("collapsed into another", "", number(result.collapsed))
    table.add_row("forwarded to the meter", "", number(result.forwarded))
    table.add_row("refused, failed", "", f"{number(result.refused)}, {number(result.failed)}")
    table.add_row("octets to and from meters", number(direct.octets), number(cached.octets))
    if direct.sms:
        table.add_row("SMS", number(direct.sms), number(cached.sms))
    latency = result.latency
    table.add_row("latency p50, p99, from cache", "", _latency(latency.hit))
    table.add_row(
        "latency p50, p99, from meter",
        _latency(latency.direct),
        _latency(latency.miss),
    )
    ages = result.staleness
    if ages.hits:
        times = f"{duration(ages.p50)}, {duration(ages.p95)}"
        table.add_row("age of hits p50, p95", "", times)
    console.print(table)
    kept = f"the cache kept {percent(result.avoided_ratio)} of the device hits away"
    if result.avoided_ratio is None:
        kept = "there were no device hits that a cache could avoid"
    _line(
        console,
        f"{verdict(result)}: {kept if result.complete else partial(result)}; "
        f"{number(result.replies_compared)} replies compared, {number(result.replies_different)} "
        f"different; ledger difference {number(result.ledger_difference)}",
    )
    if not result.replies_compared:
        _line(console, "  no reply was compared, so nothing was measured")
    for name, item in result.thresholds.items():
        if item.met is False:
            value, limit = compared(name, item)
            _line(console, f"  {name} is {value} and must be {item.comparison} {limit}")
    for what, counts in (("refused", result.refusals), ("failed", result.failures)):
        for name, count in counts.items():
            _line(console, f"  {number(count)} {what}: {name}")
    if result.duis_codes:
        codes = ", ".join(f"{code} {number(count)}" for code, count in result.duis_codes.items())
        _line(console, f"  through a front door for DUIS, response codes: {codes}")
    for line in result.never_answered:
        _line(console, f"  {line}")
    for line in result.ledger_lines[:3]:
        _line(console, f"  {line}")


def rules_table(side_by_side: SideBySide, title: str, console: Console) -> None:
    """Print the results of the same requests under different cache rules, and the verdict.

    With several seeds the numbers are means; the report has their ranges.
    """
    _line(console, f"{title}: the same requests under different rules")
    rows = [
        dict(zip(RULE_COLUMNS, rule_cells(rule, ranges=False), strict=True))
        for rule in side_by_side.rules
    ]
    print_rows(rows, console, right=set(RULE_COLUMNS[1:]))
    _line(console, verdict_of_rules(side_by_side))


def figures_table(
    names: tuple[str, str],
    of: tuple[dict[str, Any], dict[str, Any]],
    figures: Sequence[Figure],
    console: Console,
) -> None:
    """Print two reports side by side; `of` has their settings and how they ended."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("", no_wrap=True)
    for column in (*names, "difference"):
        table.add_column(column, justify="right", overflow="fold")
    for name, one in of[0].items():
        if not isinstance(one, bool | dict):
            other = of[1][name]
            shown = [_broken(item) if name == "start" else str(item) for item in (one, other)]
            table.add_row(name, *shown, "" if one == other else "differs")
    table.add_section()
    for item in figures:
        difference = None
        if item.first is not None and item.second is not None:
            difference = item.second - item.first
        table.add_row(item.name, figure(item.first), figure(item.second), figure(difference))
    console.print(table)


def _latency(percentiles: Percentiles) -> str:
    if percentiles.p50 is None or percentiles.p99 is None:
        return "none"
    return f"{milliseconds(percentiles.p50)}, {milliseconds(percentiles.p99)}"


def _broken(time: object) -> str:
    """Return a time that can be wrapped between date and hour."""
    return str(time).replace("T", " ", 1)


def _line(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)
