"""The page of a report: one HTML file without external resources."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from esme_emulator.proof.report import charts
from esme_emulator.proof.report.words import (
    HIT_NOTE,
    MISS_NOTE,
    SPENT,
    again,
    avoided,
    cost,
    exact,
    figure,
    hit_ratio,
    met,
    number,
    partial,
    percent,
    verdict,
)
from esme_emulator.proof.result import ProofResult


def page(result: ProofResult, *, named: str) -> str:
    """Return the HTML of a result; `named` is that of `again`."""
    environment = Environment(
        loader=PackageLoader("esme_emulator.proof", "report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        result=result,
        verdict=verdict(result),
        charts=_charts(result),
        spent=SPENT,
        hit_note=HIT_NOTE,
        miss_note=MISS_NOTE,
        again=again(result, named=named),
        avoided=avoided,
        cost=cost,
        hit_ratio=hit_ratio,
        exact=exact,
        met=met,
        partial=partial,
        figure=figure,
        number=number,
        percent=percent,
    )


def _charts(result: ProofResult) -> dict[str, str]:
    """Return the charts by name, or a message instead of each if matplotlib failed."""
    drawn = charts.drawn(result)
    if not drawn:
        return dict.fromkeys(charts.NAMES, "This chart could not be drawn.")
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704  # our own SVG
