"""The charts of a report, as SVG that stands in a page by itself.

Knows figures and nothing of the page. matplotlib is imported when the first chart is drawn, since
nothing else needs it.
"""

import io
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from emulator.proof.result import Account, Distribution, Interval

_DIRECT, _CACHED = "#b4553d", "#1f6f8b"
_DECISIONS = (
    ("hits", "#1f6f8b"),
    ("collapsed", "#6fb1c4"),
    ("forwarded", "#b4553d"),
    ("refused", "#8a8a8a"),
    ("failed", "#2b2b2b"),
)


def hits_over_time(intervals: Sequence[Interval]) -> str:
    """Return a chart of device hits: those of the direct run above those through the cache."""

    def draw(axes: Any) -> None:
        times = [datetime.fromisoformat(item.start) for item in intervals]
        direct = [item.direct for item in intervals]
        cached = [item.cached for item in intervals]
        axes.fill_between(times, direct, step="post", color=_DIRECT, alpha=0.25, linewidth=0)
        axes.step(times, direct, where="post", color=_DIRECT, label="direct")
        axes.fill_between(times, cached, step="post", color=_CACHED, alpha=0.35, linewidth=0)
        axes.step(times, cached, where="post", color=_CACHED, label="through the cache")
        axes.set_ylabel("device hits")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(
            _dates().ConciseDateFormatter(axes.xaxis.get_major_locator())
        )
        _legend(axes, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))

    return _svg(draw, "Device hits over time")


def latencies(distribution: Distribution) -> str:
    """Return a chart of latencies: which part of the replies came within how long."""

    def draw(axes: Any) -> None:
        kinds = (("direct", _DIRECT), ("hit", _CACHED), ("miss", "#8a6d3b"))
        for name, colour in kinds:
            counts = getattr(distribution, name)
            total = sum(counts)
            if total:
                shares, reached = [], 0
                for count in counts:
                    reached += count
                    shares.append(100 * reached / total)
                label = f"{name} ({total:,})"
                axes.step(distribution.bounds, shares, where="post", color=colour, label=label)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(left=0)
        axes.set_ylim(0, 103)
        axes.set_xlabel("milliseconds of the scenario's time")
        axes.set_ylabel("% of replies")
        _legend(axes, loc="lower right")

    return _svg(draw, "Latency distributions")


def decisions(accounts: Sequence[Account], title: str) -> str:
    """Return a chart of what became of requests, a bar for each of `accounts`."""

    def draw(axes: Any) -> None:
        shown = list(reversed(accounts))
        names = [item.name for item in shown]
        left = [0] * len(shown)
        for name, colour in _DECISIONS:
            numbers = [getattr(account, name) for account in shown]
            if any(numbers):
                axes.barh(names, numbers, left=left, color=colour, label=name)
                left = [start + number for start, number in zip(left, numbers, strict=True)]
        axes.set_xlabel("requests")
        _legend(axes, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))

    return _svg(draw, title, (5.0, 1.5 + 0.35 * max(len(accounts), 1)))


def _legend(axes: Any, **where: Any) -> None:
    """Name what is drawn, where anything is."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, **where)


def _svg(draw: Callable[[Any], None], title: str, size: tuple[float, float] = (8.0, 2.9)) -> str:
    """Return what `draw` puts on axes, as an SVG element with a title for those who hear it."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": title,
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with rc_context(settings):  # type: ignore[arg-type, unused-ignore]
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    element = text.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    return element.replace(">", f' role="img"><title>{title}</title>', 1)


def _dates() -> Any:
    from matplotlib import dates

    return dates
