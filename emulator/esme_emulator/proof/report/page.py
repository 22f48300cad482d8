"""The page of a report: one HTML file without external resources."""

from markupsafe import Markup

from esme_emulator.proof.report import charts
from esme_emulator.proof.report.words import (
    HIT_NOTE,
    MEANINGS,
    MISS_NOTE,
    RULE_COLUMNS,
    SPENT,
    again,
    avoided,
    cost,
    duration,
    figure,
    hit_ratio,
    limited,
    number,
    partial,
    percent,
    quotation,
    rule_cells,
    verdict_of_rules,
)
from esme_emulator.proof.result import ProofResult
from esme_emulator.proof.side_by_side import SideBySide
from esme_emulator.runtime.report_page import render_page
from esme_emulator.runtime.verdicts import met, verdict


def page(result: ProofResult, *, named: str, side_by_side: SideBySide | None = None) -> str:
    """Return the HTML of a result; `named` is that of `again`."""
    return render_page(
        "esme_emulator.proof",
        "report",
        "page.html.j2",
        result=result,
        verdict=verdict(result),
        charts=_charts(result, side_by_side),
        side_by_side=side_by_side,
        rule_columns=RULE_COLUMNS,
        rule_cells=rule_cells,
        verdict_of_rules=verdict_of_rules,
        spent=SPENT,
        hit_note=HIT_NOTE,
        miss_note=MISS_NOTE,
        again=again(result, named=named),
        avoided=avoided,
        cost=cost,
        hit_ratio=hit_ratio,
        quotation=quotation(result),
        meanings=MEANINGS,
        milliseconds=lambda value: duration(None if value is None else value / 1000),
        ages=(*result.staleness_by_srv, result.staleness),
        duration=duration,
        limited=limited,
        met=met,
        partial=partial,
        figure=figure,
        number=number,
        percent=percent,
    )


def _charts(result: ProofResult, side_by_side: SideBySide | None) -> dict[str, str]:
    """Return the charts by name, or a message instead of each if matplotlib failed."""
    drawn = charts.drawn(result, side_by_side)
    if not drawn:
        return dict.fromkeys(charts.NAMES, "This chart could not be drawn.")
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704  # our own SVG
