"""The charts of a report, as SVG elements for an HTML page.

Knows figures, and the names of the page's colours, which differ in dark mode. Imports matplotlib
when the first chart is drawn, since nothing else needs it.

Use matplotlib with its default settings, so that figures are the same on every machine.

Imports matplotlib only when something is drawn. Knows nothing of what is drawn.
"""

import io
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import accumulate
from math import ceil, floor, log10
from textwrap import fill
from typing import Any

from esme_emulator.gateway.services import titled
from esme_emulator.proof.report.words import duration
from esme_emulator.proof.result import Account, Distribution, Interval, ProofResult
from esme_emulator.proof.side_by_side import SideBySide
from esme_emulator.runtime.errors import UserError

_ENVIRONMENT = {"MPLBACKEND": "svg"}
"""matplotlib reads this once, on import. The user's own backend may not even be installed here."""


class DrawingError(UserError):
    """matplotlib is installed but does not work; the text is one line for the user."""


@contextmanager
def shipped_settings(settings: Mapping[Any, Any]) -> Iterator[None]:
    """Apply matplotlib's defaults and `settings`, and restore the user's settings afterwards.

    The user's backend, matplotlibrc, style and cache folder have no effect. Raises `ImportError`
    if matplotlib is not installed, and `DrawingError` if it cannot start.
    """
    with _silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated settings
        try:
            with _environment(_ENVIRONMENT):
                from matplotlib import rc_context, rcParamsDefault
        except (OSError, ValueError, RuntimeError) as error:
            # For example, a matplotlibrc in this folder that is not text.
            raise DrawingError(f"matplotlib does not work here: {error}") from None
        # Leave the backend out: it is for windows, and setting it loads it.
        names = (name for name in rcParamsDefault if not name.startswith("backend"))
        taken: dict[Any, Any] = {name: rcParamsDefault[name] for name in names}
        with rc_context({**taken, **settings}):
            yield


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _silent() -> Iterator[None]:
    """Suppress matplotlib's warnings about the user's matplotlibrc, fonts and cache folder."""
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


NAMES = ("over_time", "latencies", "ages", "by_srv", "by_party", "rules")
"""Names of the charts in the page."""

_log = logging.getLogger(__name__)

_DIRECT, _CACHED, _COLLAPSED = "#b4553d", "#1f6f8b", "#6fb1c4"
_REFUSED, _FAILED, _INK = "#8a8a8a", "#7a1f5c", "#20262b"
_NAMES = {
    _DIRECT: "--direct",
    _CACHED: "--cached",
    _COLLAPSED: "--collapsed",
    _REFUSED: "--refused",
    _FAILED: "--failed",
    _INK: "--ink",
}
"""CSS variables of the page, by colour."""
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_HOURS, _TICKS = (1, 2, 3, 6, 12, 24), 9
"""Steps of an axis of hours, and most steps of it."""
_LABEL = 24
"""Most characters in a line of a bar's label."""
_DECISIONS = (
    ("hits", _CACHED),
    ("collapsed", _COLLAPSED),
    ("forwarded", _DIRECT),
    ("refused", _REFUSED),
    ("failed", _FAILED),
)


def drawn(result: ProofResult, side_by_side: SideBySide | None = None) -> dict[str, str]:
    """Return the charts of a report by name, or none if any of them fails.

    A failure of matplotlib is logged and must not lose the verdict.
    """
    try:
        svgs = (
            hits_over_time(result.over_time),
            latencies(result.distribution),
            hit_ages(result.hit_ages),
            decisions(result.by_srv, "Requests by SRV"),
            decisions(result.by_party, "Requests by party"),
            "" if side_by_side is None else rules(side_by_side),
        )
    except Exception as error:  # matplotlib does not say what it raises
        reason = " ".join(str(error).split()) or type(error).__name__
        _log.warning("esme: the report has no charts: %s", reason)
        return {}
    return dict(zip(NAMES, svgs, strict=True))


def hits_over_time(intervals: Sequence[Interval]) -> str:
    """Return a chart of the device hits of both runs over scenario time."""

    def draw(axes: Any) -> None:
        times = [datetime.fromisoformat(item.start) for item in intervals]
        direct = [item.direct for item in intervals]
        cached = [item.cached for item in intervals]
        axes.fill_between(times, direct, step="post", color=_DIRECT, alpha=0.25, linewidth=0)
        axes.step(times, direct, where="post", color=_DIRECT, label="direct")
        axes.fill_between(times, cached, step="post", color=_CACHED, alpha=0.35, linewidth=0)
        axes.step(times, cached, where="post", color=_CACHED, label="through the cache")
        width = f" in {duration((times[1] - times[0]).total_seconds())}" if times[1:] else ""
        axes.set_ylabel(f"device hits{width}")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(
            _dates().ConciseDateFormatter(axes.xaxis.get_major_locator())
        )
        _legend(axes, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))

    return _svg(draw, "Device hits over time")


def latencies(distribution: Distribution) -> str:
    """Return a chart of the cumulative latency distributions of direct reads and misses.

    Hits are left out, since they take no scenario time.
    """

    def draw(axes: Any) -> None:
        for name, colour, line in (("direct", _DIRECT, "solid"), ("miss", _CACHED, "dashed")):
            counts = getattr(distribution, name)
            total = sum(counts)
            if total:
                shares = [100 * reached / total for reached in accumulate(counts)]
                shown = {"color": colour, "linestyle": line, "label": f"{name} ({total:,})"}
                axes.plot([bound / 1000 for bound in distribution.bounds], shares, **shown)
        first, last = _span(distribution)
        if first:
            axes.set_xscale("log")
            axes.set_xlim(first, last)
            axes.xaxis.set_minor_formatter("")
        axes.set_ylim(0, 103)
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.set_xlabel("seconds of scenario time")
        axes.set_ylabel("% of replies")
        _legend(axes, loc="upper left")

    return _svg(draw, "Latency distributions")


def hit_ages(hours: Sequence[int]) -> str:
    """Return a histogram of hits by their age in hours."""

    def draw(axes: Any) -> None:
        axes.bar(range(len(hours)), hours, width=0.9, align="edge", color=_CACHED)
        last = max(len(hours), 2)
        axes.set_xlim(0, last)
        step = next((step for step in _HOURS if last / step <= _TICKS), ceil(last / _TICKS))
        axes.set_xticks(range(0, last + 1, step))
        axes.set_xlabel("hours since the meter gave the readings")
        axes.set_ylabel("hits")

    return _svg(draw, "Age of the readings that hits gave")


def decisions(accounts: Sequence[Account], title: str) -> str:
    """Return a chart of the decisions on requests, one bar per account."""

    def draw(axes: Any) -> None:
        shown = list(reversed(accounts))
        names = [fill(titled(item.name), _LABEL) for item in shown]
        left = [0] * len(shown)
        for name, colour in _DECISIONS:
            numbers = [getattr(account, name) for account in shown]
            if any(numbers):
                axes.barh(names, numbers, left=left, color=colour, label=name)
                left = [start + number for start, number in zip(left, numbers, strict=True)]
        axes.set_xlabel("requests")
        axes.xaxis.get_major_locator().set_params(integer=True)
        _legend(axes, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))

    return _svg(draw, title, (5.0, 1.5 + 0.35 * max(len(accounts), 1)))


def rules(side_by_side: SideBySide) -> str:
    """Return a chart of avoided device hits and of the age of hits, a bar for each rule."""

    def draw(axes: Any) -> None:
        shown = list(reversed(side_by_side.rules))
        names = [rule.name for rule in shown]
        avoided = [rule.spread("avoided_ratio") for rule in shown]
        means = [100 * (of.mean or 0.0) for of in avoided]
        below = [mean - 100 * (of.least or 0.0) for of, mean in zip(avoided, means, strict=True)]
        above = [100 * (of.most or 0.0) - mean for of, mean in zip(avoided, means, strict=True)]
        axes.barh(names, means, xerr=(below, above), color=_CACHED, ecolor=_INK, height=0.6)
        for place, rule in enumerate(shown):
            age = rule.spread("staleness_p95_s").mean
            text = "" if age is None else f"  95 % of hits are up to {age / 3600:.3g} h old"
            axes.text(means[place] + above[place] + 1, place, text, va="center", fontsize=8)
        axes.set_xlim(0, 130)
        axes.set_xticks(range(0, 101, 20))
        axes.set_xlabel("% of device hits avoided")

    return _svg(draw, "Rules side by side", (8.0, 1.0 + 0.4 * len(side_by_side.rules)))


def _span(distribution: Distribution) -> tuple[float, float]:
    """Return the range of the meters' latencies in seconds, at least a power of ten wide."""
    both = zip(distribution.direct, distribution.miss, strict=True)
    place = next((place for place, counts in enumerate(both) if any(counts)), 0)
    first, last = distribution.bounds[max(place - 1, 0)] / 1000, distribution.bounds[-1] / 1000
    if first > 0 and last < 10 * first:
        return 10.0 ** floor(log10(first)), 10.0 ** ceil(log10(last))
    return first, last


def _legend(axes: Any, **where: Any) -> None:
    """Add a legend if something is drawn."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, **where)


def _svg(draw: Callable[[Any], None], title: str, size: tuple[float, float] = (8.0, 2.9)) -> str:
    """Return what `draw` puts on axes, as an SVG element with a title for screen readers.

    Its colours are CSS variables of the page, with their own values as fallback.
    """
    settings: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": title,
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **dict.fromkeys(_INKED, _INK),
    }
    with shipped_settings(settings):
        from matplotlib.figure import Figure

        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    element = text.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    for colour, name in _NAMES.items():
        element = element.replace(f": {colour}", f": var({name}, {colour})")
    return element.replace(">", f' role="img"><title>{title}</title>', 1)


def _dates() -> Any:
    from matplotlib import dates

    return dates
