"""The forms of a report that CI servers read: a Markdown summary and JUnit XML."""

from collections.abc import Iterator
from dataclasses import replace
from html import escape
from itertools import chain

from esme_emulator.gateway.services import titled
from esme_emulator.proof.report.words import (
    RULE_COLUMNS,
    SPENT,
    again,
    avoided_share,
    compared,
    cost,
    duration,
    milliseconds,
    not_answered,
    number,
    partial,
    percent,
    quotation,
    rule_cells,
    verdict_of_rules,
)
from esme_emulator.proof.result import Account, ProofResult
from esme_emulator.proof.side_by_side import SideBySide
from esme_emulator.runtime.verdicts import (
    NOT_MEASURED,
    Case,
    case_of,
    cell,
    junit_xml,
    marked,
    verdict,
)


def markdown(
    result: ProofResult, *, named: str, made: str = "", side_by_side: SideBySide | None = None
) -> str:
    """Return the summary of a result; `named` is that of `again`, `made` the time of the run."""
    lines = _lines(result, named, made)
    if side_by_side is not None:
        lines = chain(lines, _side_by_side(side_by_side))
    return "\n".join(lines) + "\n"


def _side_by_side(found: SideBySide) -> Iterator[str]:
    yield from ("", "### Rules side by side", "", verdict_of_rules(found), "")
    yield f"| {' | '.join(RULE_COLUMNS)} |"
    yield f"|---|{'---:|' * (len(RULE_COLUMNS) - 1)}"
    for rule in found.rules:
        yield f"| {' | '.join(rule_cells(rule))} |"


def _lines(result: ProofResult, named: str, made: str) -> Iterator[str]:
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
    if said := quotation(result):
        yield from (said, "")
    yield "| threshold | is | must be | |"
    yield "|---|---:|---:|---|"
    for name, item in result.thresholds.items():
        value, limit = compared(name, item)
        yield f"| {name} | {value} | {item.comparison} {limit} | {marked(item)} |"
    yield ""
    names = ("requests", "hits", "collapsed", "forwarded", "refused", "failed", "avoided")
    yield f"| by SRV, party | {' | '.join(names)} |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for row in (*result.by_srv, *result.by_party):
        yield _ledger(titled(row.name), row, result)
    yield _ledger("**all**", result, result)
    yield ""
    for line in (*not_answered(result), *(f"**{one}.**" for one in result.never_answered)):
        yield from (cell(line), "")
    if result.shadow:
        yield (
            f"Shadow audit: {number(result.shadow)} hits also read from the meter, "
            f"{number(result.shadow_compared)} compared, {number(result.shadow_different)} "
            f"different ({percent(result.shadow_difference_ratio)})."
        )
        yield ""
    yield "| latency | requests | p50 | p99 | p99.9 | longest |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name in ("direct", "hit", "miss"):
        of, replies = getattr(result.latency, name), sum(getattr(result.distribution, name))
        figures = " | ".join(map(milliseconds, (of.p50, of.p99, of.p99_9, of.max)))
        yield f"| {name} | {number(replies)} | {figures} |"
    yield ""
    yield "| age of hits | hits | p50 | p95 | oldest |"
    yield "|---|---:|---:|---:|---:|"
    for ages in (*result.staleness_by_srv, result.staleness):
        figures = " | ".join(map(duration, (ages.p50, ages.p95, ages.max)))
        yield f"| {titled(ages.name)} | {number(ages.hits)} | {figures} |"
    yield ""
    yield "| | direct | through the cache | basis |"
    yield "|---|---:|---:|---|"
    for name, title, basis in SPENT:
        direct, cached = getattr(result.spent_direct, name), getattr(result.spent_cached, name)
        yield f"| {title} | {cost(direct, name)} | {cost(cached, name)} | {basis} |"
    yield ""
    yield "| assumption | value | basis |"
    yield "|---|---:|---|"
    for given in result.assumptions:
        yield f"| `{given.key}` | {cell(cost(given.value))} | {cell(given.basis)} |"
    if result.ledger_lines:
        yield from ("", "Ledger differences:", "", "```", *result.ledger_lines, "```")
    yield ""
    about = f"Scenario `{result.scenario}`, seed `{result.seed}`, {number(result.meters)} meters"
    yield f"{about}; run on {made}." if made else f"{about}."
    yield from ("Reproduce:", "", "```", again(result, named=named), "```", "")
    yield ", ".join(f"{name} {version}" for name, version in result.versions.items())


def _ledger(name: str, of: Account | ProofResult, result: ProofResult) -> str:
    counts = (of.requests, of.hits, of.collapsed, of.forwarded, of.refused, of.failed)
    return f"| {name} | " + " | ".join([*map(number, counts), avoided_share(of, result)]) + " |"


def junit(result: ProofResult) -> str:
    """Return the verdict as JUnit XML, with one test case per threshold.

    An incomplete proof is an error, and its thresholds are skipped.
    """
    return junit_xml(f"esme prove {result.scenario}", result.scenario, _cases(result))


def _cases(result: ProofResult) -> Iterator[Case]:
    measured = Case("measured to the end")
    if not result.complete:
        measured = replace(measured, outcome="error", message=partial(result))
    elif not result.replies_compared:
        measured = replace(measured, outcome="failure", message="nothing was measured")
    yield measured
    for name, item in result.thresholds.items():
        must = f"{name} {item.comparison} {item.limit:.12g}"
        value = NOT_MEASURED if item.value is None else f"{item.value:.12g}"
        yield case_of(item, must, name, value, "\n".join(result.ledger_lines))
