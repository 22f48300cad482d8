"""The words and number formats that all forms of a load's report share."""

from esme_emulator.load.result import LoadResult
from esme_emulator.load.tally import PARTS
from esme_emulator.load.thresholds import RATE, LoadVerdict

NOT_MEASURED = "not measured"


def verdict(result: LoadResult) -> str:
    """Return `PASSED`, `FAILED` or `PARTIAL`."""
    if not result.complete:
        return "PARTIAL"
    return "PASSED" if result.passed else "FAILED"


def met(item: LoadVerdict) -> str:
    """Return whether a threshold is met, in words."""
    return NOT_MEASURED if item.met is None else "met" if item.met else "not met"


def value(item: LoadVerdict) -> str:
    """Return the value of a threshold's figure with its unit."""
    if item.value is None:
        return NOT_MEASURED if item.met is None else "no answer in time"
    if item.figure in PARTS:
        return milliseconds(item.value)
    return f"{item.value:g}/s" if item.figure == RATE else share(item.value)


def share(ratio: float) -> str:
    """Format a ratio as a percentage; only 0 and 1 are shown as 0 % and 100 %."""
    shown = f"{100 * ratio:.2f}"
    if shown in ("0.00", "100.00") and ratio not in (0, 1):
        shown = f"{100 * ratio:.6f}"
    return f"{shown.rstrip('0').rstrip('.')} %"


def milliseconds(time: float | None) -> str:
    """Format milliseconds for people, in seconds from one second on; None becomes a dash."""
    if time is None:
        return "–"
    return f"{time:.1f} ms" if time < 1000 else f"{time / 1000:.2f} s"
