"""The page of a report: one HTML file without external resources."""

from markupsafe import Markup

from esme_emulator.gateway.services import titled
from esme_emulator.proof.report import charts
from esme_emulator.proof.report.words import (
    HIT_NOTE,
    MEANINGS,
    MISS_NOTE,
    RULE_COLUMNS,
    SPENT,
    again,
    avoided,
    avoided_share,
    compared,
    cost,
    duration,
    figure,
    milliseconds,
    not_answered,
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


def page(
    result: ProofResult, *, named: str, made: str = "", side_by_side: SideBySide | None = None
) -> str:
    """Return the HTML of a result; `named` is that of `again`, `made` the time of the run."""
    return render_page(
        "esme_emulator.proof",
        "report",
        "page.html.j2",
        result=result,
        made=made,
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
        avoided_share=avoided_share,
        compared=compared,
        cost=cost,
        quotation=quotation(result),
        meanings=MEANINGS,
        milliseconds=milliseconds,
        not_answered=not_answered,
        titled=titled,
        ages=(*result.staleness_by_srv, result.staleness),
        duration=duration,
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
