"""Pictures of profiles: a winter week, a summer week and a year, drawn with matplotlib.

matplotlib is imported when a picture is drawn.
"""

import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from esme_emulator.device.profile_curves import (
    SUMMER_WEEK,
    WEEK_DAYS,
    WINTER_WEEK,
    YEAR,
    YEAR_DAYS,
    Curve,
)
from esme_emulator.proof.report.charts import shipped_settings
from gbcs.instants import EPOCH

_COLOURS = ("#1f5fa8", "#c8501e", "#3f8f3a")
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # keep text as text: small and searchable
    "svg.hashsalt": "esme",  # the same picture has the same octets
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_picture(title: str, curves: Sequence[Curve], file: Path) -> None:
    """Write a picture of `curves` to `file`, as SVG or PNG by its suffix.

    Raises `OSError` if the file cannot be written, `ImportError` if matplotlib is not installed,
    and `ValueError` for another suffix.
    """
    if file.suffix not in (".svg", ".png"):
        raise ValueError(f"{file}: a picture ends with .svg or .png")

    def week(axes: Any, name: str, first: int) -> None:
        starts = [slot / 48 for slot in range(WEEK_DAYS * 48)]
        middles = [start + 1 / 96 for start in starts]
        for curve, colour in zip(curves, _COLOURS, strict=False):
            axes.step(
                starts,
                curve.metered_watts(first, WEEK_DAYS),
                color=colour,
                alpha=0.6,
                linewidth=0.8,
                where="post",
            )
            axes.plot(
                middles,
                curve.expected_watts(first, WEEK_DAYS),
                color=colour,
                linewidth=1.3,
                label=curve.title,
            )
        axes.set_title(f"{name} week from {_date(first):%A %d %B %Y}", loc="left", fontsize=9)
        axes.set_ylabel("W")
        axes.set_xlim(0, WEEK_DAYS)
        axes.set_ylim(bottom=0)
        axes.set_xticks(
            range(WEEK_DAYS), [f"{_date(first + day):%a}" for day in range(WEEK_DAYS)], ha="left"
        )
        axes.grid(axis="x", linewidth=0.4)

    def year(axes: Any) -> None:
        days = list(range(YEAR_DAYS))
        for curve, colour in zip(curves, _COLOURS, strict=False):
            axes.plot(
                days, curve.metered_kwh(YEAR, YEAR_DAYS), color=colour, alpha=0.6, linewidth=0.8
            )
            axes.plot(days, curve.expected_kwh(YEAR, YEAR_DAYS), color=colour, linewidth=1.3)
        axes.set_title(f"Days of {_date(YEAR):%Y}", loc="left", fontsize=9)
        axes.set_ylabel("kWh a day")
        axes.set_xlim(0, YEAR_DAYS)
        axes.set_ylim(bottom=0)
        firsts = [day for day in days if _date(YEAR + day).day == 1]
        axes.set_xticks(firsts, [f"{_date(YEAR + day):%b}" for day in firsts], ha="left")
        axes.grid(axis="x", linewidth=0.4)

    with shipped_settings(_SETTINGS):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 7), layout="constrained")
        winter, summer, whole = figure.subplots(3, 1)
        week(winter, "Winter", WINTER_WEEK)
        week(summer, "Summer", SUMMER_WEEK)
        summer.set_ylim(top=max(winter.get_ylim()[1], summer.get_ylim()[1]))
        winter.set_ylim(summer.get_ylim())
        year(whole)
        winter.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=8)
        figure.suptitle(
            f"{title}: metered (thin) and without chance (line), UTC", x=0.01, ha="left"
        )
        picture = io.BytesIO()
        metadata = {"Date": None} if file.suffix == ".svg" else None
        figure.savefig(picture, format=file.suffix[1:], dpi=110, metadata=metadata)
    file.write_bytes(picture.getvalue())  # written at once, so that a failed drawing leaves no file


def _date(day: int) -> datetime:
    return EPOCH + timedelta(days=day)
