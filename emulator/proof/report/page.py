"""The page of a report: one HTML file that needs nothing beside it."""

from shlex import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from emulator.proof.report import charts
from emulator.proof.result import Account, ProofResult

SPENT = (
    ("device_hits", "device hits"),
    ("octets", "octets to and from meters"),
    ("radio_seconds", "radio seconds"),
    ("busy_seconds", "seconds that meters were busy"),
    ("sms", "SMS"),
    ("pounds", "pounds"),
)
"""Fields of `Spent`, and what people call them."""
HIT_NOTE = (
    "A hit is 0 by construction: the scenario's clock stands still while the machine works, so "
    "what the cache itself takes is not in it; esme load measures that."
)
MISS_NOTE = (
    "Each request that was answered counts once, however often its party sent it, and in the "
    "ledger each time. A miss is one that was forwarded, or collapsed into another and waited for "
    "the same reply of the meter, so there may be more misses than forwarded requests."
)


def figure(value: float | None) -> str:
    """Return a number as people read it, and a dash where there is none."""
    if value is None:
        return "–"
    if float(value).is_integer():
        return number(value)
    return f"{value:,.3f}".rstrip("0") if abs(value) >= 0.001 else f"{value:.2g}"


def number(value: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{value:,.0f}"


def percent(ratio: float) -> str:
    """Return a ratio as a percentage."""
    return f"{100 * ratio:.1f} %"


def hit_ratio(account: Account | ProofResult) -> str:
    """Return which part of requests was answered without asking a meter for each."""
    answered = account.hits + account.collapsed
    return percent(answered / account.requests) if account.requests else "–"


def again(result: ProofResult, *, named: str) -> str:
    """Return the command that makes the same proof again, for a shell in the same folder."""
    return f"esme prove {quote(named)} --seed {quote(result.seed)} --meters {result.meters}"


def page(result: ProofResult, *, named: str) -> str:
    """Return the HTML of a result; `named` is what the user called its scenario by."""
    environment = Environment(
        loader=PackageLoader("emulator.proof", "report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = {
        "over_time": charts.hits_over_time(result.over_time),
        "latencies": charts.latencies(result.distribution),
        "by_srv": charts.decisions(result.by_srv, "Requests by SRV"),
        "by_party": charts.decisions(result.by_party, "Requests by party"),
    }
    return environment.get_template("page.html.j2").render(
        result=result,
        verdict="PASSED" if result.passed else "FAILED",
        charts={name: Markup(svg) for name, svg in drawn.items()},  # noqa: S704  # ours alone
        spent=SPENT,
        hit_note=HIT_NOTE,
        miss_note=MISS_NOTE,
        again=again(result, named=named),
        hit_ratio=hit_ratio,
        figure=figure,
        number=number,
        percent=percent,
    )
