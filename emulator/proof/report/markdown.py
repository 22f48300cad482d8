"""The summary of a report as Markdown, fit for the page of a CI job."""

from collections.abc import Iterator
from html import escape

from emulator.proof.report.page import (
    SPENT,
    cost,
    figure,
    hit_ratio,
    met,
    number,
    partial,
    percent,
    verdict,
)
from emulator.proof.result import ProofResult


def markdown(result: ProofResult) -> str:
    """Return the summary of a result."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: ProofResult) -> Iterator[str]:
    title = escape(" ".join(result.title.split()), quote=False)
    yield f"## {verdict(result)}: {title}"
    yield ""
    avoided = f"{percent(result.avoided_ratio)} of device hits avoided"
    yield (
        f"**{avoided if result.complete else escape(partial(result), quote=False)}**: "
        f"{number(result.device_hits_direct)} direct, {number(result.device_hits_cached)} through "
        f"the cache. {number(result.replies_compared)} replies compared, "
        f"{number(result.replies_different)} different; ledger difference "
        f"{number(result.ledger_difference)}."
    )
    yield ""
    yield "| threshold | is | must be | |"
    yield "|---|---:|---:|---|"
    for name, item in result.thresholds.items():
        mark = met(item) if item.met else f"**{met(item)}**"
        yield f"| {name} | {figure(item.value)} | {item.comparison} {figure(item.limit)} | {mark} |"
    yield ""
    names = ("requests", "hits", "collapsed", "forwarded", "refused", "failed", "hit ratio")
    yield f"| by SRV, party | {' | '.join(names)} |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for row in (*result.by_srv, *result.by_party):
        counts = (row.requests, row.hits, row.collapsed, row.forwarded, row.refused, row.failed)
        yield f"| {row.name} | " + " | ".join([*map(number, counts), hit_ratio(row)]) + " |"
    yield ""
    yield "| | direct | through the cache | basis |"
    yield "|---|---:|---:|---|"
    for name, title, basis in SPENT:
        direct, cached = getattr(result.spent_direct, name), getattr(result.spent_cached, name)
        yield f"| {title} | {cost(direct)} | {cost(cached)} | {basis} |"
    yield ""
    yield "| assumption | value | basis |"
    yield "|---|---:|---|"
    for given in result.assumptions:
        yield f"| `{given.key}` | {_cell(cost(given.value))} | {_cell(given.basis)} |"
    if result.ledger_lines:
        yield from ("", "What does not add up:", "", "```", *result.ledger_lines, "```")
    yield ""
    yield f"Scenario `{result.scenario}`, seed `{result.seed}`."


def _cell(text: str) -> str:
    """Return a text that stays within its cell, whatever a scenario has in it."""
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|")
