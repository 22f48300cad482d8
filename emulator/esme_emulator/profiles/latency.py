"""Distributions of latency, for the answer of a meter or the transport of a link.

A latency maps a draw to seconds; the caller makes the draw. The text of a latency has one grammar
in profiles, in scenarios and on the command line, and may name a file of measurements.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, inf, isfinite, log
from pathlib import Path
from statistics import NormalDist
from typing import Protocol

from esme_emulator.runtime.files import read_text

_NORMAL = NormalDist()
_Z99 = _NORMAL.inv_cdf(0.99)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
MAX_SECONDS = 86_400.0
"""Longest latency, written or drawn: a day."""
FORMS = (
    "none, a time such as 150ms or 2s, uniform:LOW,HIGH, normal:MEAN,SD, lognormal:MEDIAN,P99 "
    "such as lognormal:2s,15s, or empirical:FILE, or empirical:FILE#COLUMN for a CSV file"
)


class Latency(Protocol):
    """A distribution of seconds."""

    def seconds(self, drawn: float) -> float:
        """Return the quantile `drawn`, above 0 and below 1, in seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """A constant, in seconds."""

    value: float

    def seconds(self, drawn: float) -> float:
        """Return the constant."""
        return self.value


NONE = Fixed(0.0)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform from `low` to `high` seconds."""

    low: float
    high: float

    def seconds(self, drawn: float) -> float:
        """Return the quantile `drawn`."""
        return self.low + (self.high - self.low) * drawn


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal, by mean and standard deviation in seconds, truncated at 0."""

    mean: float
    deviation: float

    def seconds(self, drawn: float) -> float:
        """Return the quantile `drawn` of the truncated distribution."""
        below = _NORMAL.cdf(-self.mean / self.deviation)
        quantile = min(below + (1 - below) * drawn, 1 - 2**-53)
        seconds = self.mean + self.deviation * _NORMAL.inv_cdf(quantile)
        return min(max(0.0, seconds), MAX_SECONDS)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal, by its median and 99th percentile in seconds."""

    median: float
    p99: float

    def seconds(self, drawn: float) -> float:
        """Return the quantile `drawn`."""
        sigma = log(self.p99 / self.median) / _Z99
        exponent = min(sigma * _NORMAL.inv_cdf(drawn), log(MAX_SECONDS / self.median))
        return min(self.median * exp(exponent), MAX_SECONDS)


@dataclass(frozen=True, slots=True)
class Empirical:
    """Measurements in seconds: at least one, sorted."""

    values: tuple[float, ...]

    def seconds(self, drawn: float) -> float:
        """Return the quantile `drawn`, interpolated linearly between ranks."""
        rank = drawn * (len(self.values) - 1)
        low = int(rank)
        lower, upper = self.values[low], self.values[min(low + 1, len(self.values) - 1)]
        return lower + (upper - lower) * (rank - low)


def parse_latency(text: str) -> Latency:
    """Return the latency that `text` names, and read the file that it may name.

    Raises `ValueError` with the reason, or with the accepted forms.

    >>> parse_latency("lognormal:2s,15s").seconds(0.5)
    2.0
    """
    if text == "none":
        return NONE
    if (file := latency_file(text)) is not None:
        return _measured(text, file)
    kind, colon, values = text.partition(":")
    times = [_parse_seconds(text, part) for part in (values if colon else kind).split(",")]
    match (kind if colon else None, times):
        case (None, [value]):
            return Fixed(value)
        case ("uniform", [low, high]) if low < high:
            return Uniform(low, high)
        case ("normal", [mean, deviation]) if deviation > 0:
            return Normal(mean, deviation)
        case ("lognormal", [median, p99]) if 0 < median < p99:
            return LogNormal(median, p99)
        case ("uniform", [_, _]):
            raise ValueError(f"latency {text!r}: LOW must be below HIGH")
        case ("normal", [_, _]):
            raise ValueError(f"latency {text!r}: SD must be above 0")
        case ("lognormal", [_, _]):
            raise ValueError(f"latency {text!r}: MEDIAN must be above 0 and below P99")
    raise ValueError(f"{text!r} is not a latency: give {FORMS}")


def latency_text(latency: Latency) -> str:
    """Return the text that `parse_latency` turns into `latency`; `empirical` if it is from a file.

    >>> latency_text(parse_latency("lognormal:2s,15s"))
    'lognormal:2s,15s'
    """
    match latency:
        case Fixed(0):
            return "none"
        case Fixed(value):
            return f"{value:g}s"
        case Uniform(low, high):
            return f"uniform:{low:g}s,{high:g}s"
        case Normal(mean, deviation):
            return f"normal:{mean:g}s,{deviation:g}s"
        case LogNormal(median, p99):
            return f"lognormal:{median:g}s,{p99:g}s"
    return "empirical"


def check_form(text: str) -> str:
    """Return `text` if it is a latency, whether or not the file that it names can be read.

    Raises `ValueError`.
    """
    if not text.isprintable():
        raise ValueError(f"{text!r} is not a latency: give {FORMS}")
    if latency_file(text) is None:
        parse_latency(text)
    return text


def located_latency(latency: str, folder: Path) -> str:
    """Return a latency; if it names a file, with the path of that file in `folder`."""
    kind, colon, file = latency.partition(":")
    return f"{kind}{colon}{folder / file}" if latency_file(latency) else latency


def latency_file(latency: str) -> Path | None:
    """Return the file that a latency names, or None if it names no file."""
    kind, _, file = latency.partition(":")
    path, _, _ = file.partition("#")
    return Path(path) if kind == "empirical" and path.strip() else None


def _parse_seconds(text: str, part: str) -> float:
    match = _SECONDS.fullmatch(part.strip())
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else inf
    if not isfinite(seconds):
        raise ValueError(f"{text!r} is not a latency: give {FORMS}")
    if seconds > MAX_SECONDS:
        raise ValueError(
            f"latency {text!r}: {part.strip()} is longer than a day: give 86400s or less"
        )
    return seconds


def _measured(text: str, path: Path) -> Empirical:
    _, hash_mark, column = text.partition("#")
    try:
        lines = _lines(path)
        found = _column(lines, column) if hash_mark else enumerate(lines, start=1)
        measured = [_number(line, value) for line, value in found if value.strip()]
    except ValueError as error:
        raise ValueError(f"latency {text!r}: {error}") from None
    if not measured:
        raise ValueError(f"latency {text!r}: {path} has no values")
    return Empirical(tuple(sorted(measured)))


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path).splitlines()
    except ValueError as error:
        raise ValueError(f"cannot read {path}: {error}") from None


def _column(lines: list[str], name: str) -> Iterable[tuple[int, str]]:
    """Yield line number and value of a column of a CSV file; its first line names the columns."""
    rows = csv.DictReader(lines, restval="")
    try:
        columns = rows.fieldnames or ()
        if name not in columns:
            named = ", ".join(columns) or "no columns"
            raise ValueError(f"there is no column {name!r}; the first line names {named}")
        for row in rows:
            yield rows.line_num, row[name]
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from None


def _number(line: int, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = inf
    if not isfinite(seconds) or seconds < 0:
        raise ValueError(
            f"line {line}: {text.strip()[:40]!r} is not a number of seconds; give one a line, or "
            "empirical:FILE#COLUMN for a column of a CSV file"
        )
    if seconds > MAX_SECONDS:
        raise ValueError(
            f"line {line}: {text.strip()[:40]} seconds are longer than a day: give 86400 or less"
        )
    return seconds
