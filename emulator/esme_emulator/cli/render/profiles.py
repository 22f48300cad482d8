"""Profiles as tables, charts, pictures and JSON, with the source of each figure.

matplotlib is imported when a picture is drawn.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from esme_emulator.cli.render.screen import BARS
from esme_emulator.device.profile_curves import (
    SUMMER_WEEK,
    WEEK_DAYS,
    WINTER_WEEK,
    YEAR,
    YEAR_DAYS,
    Curve,
    peak,
)
from esme_emulator.profiles import LoadProfile, MeterProfile, WanProfile, source_of
from gbcs.instants import EPOCH

Profile = LoadProfile | MeterProfile | WanProfile

_WEEKS = 52


def profile_form(profile: Profile) -> dict[str, Any]:
    """Return a profile as JSON; a load profile has its peaks too."""
    form: dict[str, Any] = _form(profile)
    if isinstance(profile, LoadProfile):
        form["peaks"] = {
            season: {"watts": round(highest.watts), "at": highest.at}
            for season, highest in _peaks(profile)
        }
    if isinstance(profile, MeterProfile):
        for key in ("primary", "secondary", "export"):
            load = getattr(profile, key)
            form[key] = profile_form(load) if load else None
    return form


def _form(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _form(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return list(value)
    return value


def _peaks(load: LoadProfile) -> Iterator[tuple[str, Any]]:
    yield "winter", peak(load, WINTER_WEEK)
    yield "summer", peak(load, SUMMER_WEEK)


def profiles_tables(
    loads: Sequence[LoadProfile],
    meters: Sequence[MeterProfile],
    wans: Sequence[WanProfile],
    console: Console,
) -> None:
    """Print a table for each kind of profile, with a row for each profile."""
    table = _table("Loads", "name", "kWh a year", "winter peak", "summer peak")
    for load in loads:
        highest = [f"{of.watts:,.0f} W at {of.at}" for _, of in _peaks(load)]
        table.add_row(load.name, f"{load.annual_kwh:,.0f}", *highest)
    console.print(table)
    table = _table("Meters", "name", "share", "kind", "loads")
    total = sum(meter.share for meter in meters)
    for meter in meters:
        kind = f"{meter.generation} {meter.variant}, {meter.payment}, {meter.tariff}, {meter.wan}"
        named = [load.name for load in (meter.primary, meter.secondary, meter.export) if load]
        loads_named = ", ".join(named).replace("+", ", ")
        table.add_row(meter.name, f"{meter.share / total:.0%}", kind, loads_named)
    console.print(table)
    table = _table("WANs", "name", "latency", "woken by", "lost", "octets/s")
    for wan in wans:
        woken = f"{wan.wake_sms} SMS" if wan.wake_sms else "always awake"
        limit = str(wan.octets_per_second) if wan.octets_per_second else "no limit"
        table.add_row(wan.name, wan.latency, woken, f"{wan.loss:.1%}", limit)
    console.print(table)


def profile_table(profile: Profile, console: Console) -> None:
    """Print each figure of a profile and its source."""
    table = _table(f"{profile.name}: {profile.title}", "figure", "value", "source")
    shown = ""
    for figure, value in _figures(profile):
        source = source_of(profile.sources, figure)
        table.add_row(figure, value, "the same" if source and source == shown else source)
        shown = source
    console.print(table)
    if isinstance(profile, LoadProfile):
        for season, highest in _peaks(profile):
            console.print(
                f"{season} peak {highest.watts:,.0f} W at {highest.at} UTC", highlight=False
            )
    if isinstance(profile, MeterProfile):
        for load in (profile.primary, profile.secondary, profile.export):
            if load is not None:
                profile_table(load, console)


def _figures(profile: Profile) -> Iterator[tuple[str, str]]:
    for name, value in _form(profile).items():
        if name in ("name", "title", "sources"):
            continue
        if name == "shape":
            yield from _shape(profile)
        elif isinstance(value, dict):
            yield name, value["name"]
        elif name == "block_thresholds":
            if value:
                yield "block_thresholds_kwh", ", ".join(f"{limit / 1000:g}" for limit in value)
        elif value is not None:
            yield name, f"{value:,g}" if isinstance(value, float) else str(value)


def _shape(profile: Any) -> Iterator[tuple[str, str]]:
    for name, value in _form(profile.shape).items():
        if isinstance(value, list):
            slot = value.index(max(value))
            yield f"half_hours.{name}", f"48, highest at {slot // 2:02}:{slot % 2 * 30:02}"
        else:
            yield f"sun.{name}", f"{value:g}"


def profile_chart(curves: Sequence[Curve], console: Console) -> None:
    """Print bars for a weekday and a weekend day of winter and summer, and for the year."""
    for curve in curves:
        console.print(curve.title, highlight=False)
        days = {
            f"{season} {day}": curve.expected_watts(week + place, 1)
            for season, week in (("winter", WINTER_WEEK), ("summer", SUMMER_WEEK))
            for day, place in (("weekday", 0), ("weekend", WEEK_DAYS - 2))
        }
        top = max(map(max, days.values()))
        for name, watts in days.items():
            console.print(
                f"{name:>14} {_bars(watts, top)} up to {max(watts):,.0f} W", highlight=False
            )
        kwh = curve.expected_kwh(YEAR, _WEEKS * WEEK_DAYS)
        weeks = [sum(kwh[week * WEEK_DAYS : (week + 1) * WEEK_DAYS]) for week in range(_WEEKS)]
        console.print(
            f"{'a year':>14} {_bars(weeks, max(weeks))} up to {max(weeks):,.0f} kWh a week",
            highlight=False,
        )


def _bars(values: Sequence[float], top: float) -> str:
    return "".join(BARS[round(8 * value / top) if top else 0] for value in values)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, overflow="fold")
    return table


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

    from esme_emulator.proof.report.charts import shipped_settings

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
