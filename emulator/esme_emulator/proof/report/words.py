"""The words and number formats that all forms of a proof's report share."""

from collections.abc import Callable, Iterator
from shlex import quote

from esme_emulator.proof.result import Account, ProofResult, Verdict
from esme_emulator.proof.side_by_side import Rule, SideBySide
from esme_emulator.runtime.verdicts import NOT_MEASURED
from esme_emulator.scenario.thresholds import STALENESS

SPENT = (
    ("device_hits", "device hits", "counted"),
    ("octets", "octets to and from meters", "counted"),
    (
        "radio_seconds",
        "radio time",
        "assumed: messages × costs.radio_seconds_per_message + octets / "
        "costs.octets_per_radio_second",
    ),
    ("busy_seconds", "time that meters were busy", "assumed: drawn from fleet.latency"),
    ("sms", "SMS", "assumed: wakes of fleet.wan × costs.sms_per_wake"),
    ("pounds", "pounds", "assumed: SMS × costs.sms_pounds"),
)
"""Fields of `Spent`, their titles, and their bases."""

HIT_NOTE = (
    "A hit takes 0 ms by construction: the scenario's clock stands still while the machine "
    "computes. esme load measures the time that the cache itself takes."
)
MISS_NOTE = (
    "An answered request counts once here, and once per attempt in the ledger. A miss was "
    "forwarded, or collapsed into a request that waited for the same reply of the meter, so there "
    "may be more misses than forwarded requests."
)


def figure(value: float | None) -> str:
    """Format a number for people; None becomes a dash."""
    if value is None:
        return "–"
    if float(value).is_integer():
        return number(value)
    return f"{value:,.3f}".rstrip("0") if abs(value) >= 0.001 else f"{value:.2g}"


def exact(value: float | None) -> str:
    """Format a number with all its digits, so that a narrowly missed threshold is visible."""
    if value is None or float(value).is_integer():
        return figure(value)
    return f"{value:,}"


def compared(name: str, item: Verdict) -> tuple[str, str]:
    """Return value and limit of the threshold on a figure, with digits that tell them apart."""
    parts = _parts_of_a_second(name)
    if parts is None:
        return exact(item.value), exact(item.limit)
    value, limit = (None if one is None else one / parts for one in (item.value, item.limit))
    if duration(value) != duration(limit) or item.value == item.limit:
        return duration(value), duration(limit)
    return f"{exact(value)} s", f"{exact(limit)} s"


def _parts_of_a_second(name: str) -> int | None:
    """Return how many units of a figure are a second, or None if it is not a time."""
    if name in STALENESS or name.endswith("_seconds"):
        return 1
    return 1000 if name.startswith("latency.") else None


def duration(seconds: float | None) -> str:
    """Format a time for people: in the unit that suits it, with three digits."""
    if seconds is None:
        return "–"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            shown = seconds / size
            return f"{shown:.3g} {unit}" if shown < 1000 else f"{shown:,.0f} {unit}"
    return f"{seconds:.3g} s"


def milliseconds(value: float | None) -> str:
    """Format a number of milliseconds like any other time."""
    return duration(None if value is None else value / 1000)


def number(value: float | None) -> str:
    """Format a whole number with separated thousands."""
    return NOT_MEASURED if value is None else f"{value:,.0f}"


def percent(ratio: float | None) -> str:
    """Format a ratio as a percentage; only 0 and 1 are shown as 0 % and 100 %."""
    if ratio is None:
        return NOT_MEASURED
    shown = f"{100 * ratio:.1f}"
    if shown in ("0.0", "100.0") and ratio not in (0, 1):
        shown = f"{100 * ratio:.6f}".rstrip("0")
    return f"{shown} %"


def partial(result: ProofResult) -> str:
    """Return how far an incomplete proof got, and which figures are missing."""
    return (
        f"{result.ended}; of {number(result.planned)} requests {number(result.made_direct)} were "
        f"made directly and {number(result.made_cached)} through the cache, "
        "so figures that need both runs are missing"
    )


def avoided(result: ProofResult, name: str) -> str:
    """Return how much the cache saved of a field of `Spent`."""
    if not result.complete:
        return NOT_MEASURED
    direct, cached = getattr(result.spent_direct, name), getattr(result.spent_cached, name)
    return cost(None if direct is None or cached is None else direct - cached, name)


def cost(value: float | str | None, name: str = "") -> str:
    """Format a cost. Text is a reason and stays as it is. `name` is the cost's field in `Spent`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "no latency configured"
    return duration(value) if name.endswith("_seconds") else figure(value)


MEANINGS = (
    ("device hit", "a command that a meter received"),
    ("avoided", "the share of the direct run's device hits that the cache made unnecessary"),
    ("collapsed", "a request that waited for the reply to an equal one, so it needed no command"),
    ("different", "a reply that is not what the meter itself would have said: a wrong reading"),
)
"""Words of a report, for readers who did not make it."""


def quotation(result: ProofResult) -> str:
    """Return the outcome as a paragraph that can be quoted; empty for an incomplete proof."""
    if not result.complete:
        return ""
    direct, cached = result.device_hits_direct, result.device_hits_cached
    compared, different = result.replies_compared, result.replies_different
    text = (
        f"{number(result.planned)} requests to {number(result.meters)} meters reached the meters "
        f"{number(direct)} times without the cache and {number(cached)} times with it, so "
        f"{percent(result.avoided_ratio)} of the commands were kept away. Readings were kept for "
        f"{result.retention_hours:g} hours. {number(compared)} replies were compared with what the "
        f"meters say, {number(result.hits_compared)} of them from the cache's store; "
        f"{number(different) if different else 'none'} differed."
    )
    ages = result.staleness
    if ages.hits:
        text += (
            f" Half of the readings from the store were at most {duration(ages.p50)} old, "
            f"and the oldest {duration(ages.max)}."
        )
    return text


RULE_COLUMNS = (
    *("rule", "device hits", "avoided", "wrong", "age p50", "p95", "oldest"),
    *("SMS avoided", "£ avoided", "passed"),
)
"""Columns of the table of rules; with several seeds a cell is the mean, and the range."""


def rule_cells(rule: Rule, *, ranges: bool = True) -> tuple[str, ...]:
    """Return the cells of a rule: means over the seeds, with their ranges unless left out."""

    def cell(name: str, shown: Callable[[float | None], str]) -> str:
        of = rule.spread(name)
        if of.least == of.most or not ranges:
            return shown(of.mean)
        return f"{shown(of.mean)} ({shown(of.least)} – {shown(of.most)})"

    return (
        rule.name,
        cell("device_hits_cached", number),
        cell("avoided_ratio", percent),
        cell("replies_different", number),
        cell("staleness_p50_s", duration),
        cell("staleness_p95_s", duration),
        cell("staleness_max_s", duration),
        cell("sms_avoided", number),
        cell("pounds_avoided", figure),
        f"{rule.passes} of {len(rule.results)}",
    )


def verdict_of_rules(found: SideBySide) -> str:
    """Return in a sentence which of the rules meet all thresholds, or which retention is enough."""
    seeds = f" with each of {found.seeds} seeds" * (found.seeds > 1)
    least = found.least()
    if least is None:
        return f"No rule meets all thresholds{seeds}."
    if not found.is_by_retention:
        meeting = sum(rule.meets for rule in found.rules)
        return f"{meeting} of {len(found.rules)} rules meet all thresholds{seeds}."
    return f"{least.name} is the least retention that meets all thresholds{seeds}."


def not_answered(result: ProofResult) -> Iterator[str]:
    """Yield a sentence with the reasons why the cache refused requests, or why they failed."""
    for title, counts in (("Refused", result.refusals), ("Failed", result.failures)):
        if counts:
            found = ", ".join(f"{name} {number(count)}" for name, count in counts.items())
            yield f"{title} by party and reason: {found}."


def avoided_share(account: Account | ProofResult, result: ProofResult) -> str:
    """Return the avoided share of the device hits of an SRV, of a party, or of all."""
    if not result.complete:
        return NOT_MEASURED
    direct, cached = account.device_hits_direct, account.device_hits_cached
    return percent(1 - cached / direct) if direct else "–"


def again(result: ProofResult, *, named: str) -> str:
    """Return the shell command that repeats the proof in the same folder.

    `named` are the scenario and the parties as the user named them, quoted for a shell.
    """
    return f"esme prove {named} --seed {quote(result.seed)} --meters {result.meters}"
