"""The fraction of a core that this process and its children use, read from /proc."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

_TICK = os.sysconf("SC_CLK_TCK")


class Shares:
    """Fractions of a core by name of the process; processes of the same name are added up."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}

    def __str__(self) -> str:
        return ", ".join(f"{name} {part:.0%}" for name, part in self.parts.items())

    def spent(self, rate: float) -> dict[str, float]:
        """Return the processor time of one of `rate` events a second, in seconds by name."""
        return {name: part / rate for name, part in self.parts.items()}


def microseconds(spent: dict[str, float]) -> str:
    """Return a sum of processor times, and its parts."""
    parts = ", ".join(f"{name} {each * 1e6:.0f}" for name, each in spent.items())
    return f"{sum(spent.values()) * 1e6:.0f} µs of processor time each ({parts})"


@contextmanager
def shares() -> Iterator[Shares]:
    """Measure until the end of the block, and fill in the yielded shares then."""
    measured = Shares()
    before, start = _seconds(), perf_counter()
    yield measured
    elapsed = perf_counter() - start
    for name, seconds in sorted(_seconds().items()):
        measured.parts[name] = (seconds - before.get(name, 0.0)) / elapsed


def _seconds() -> dict[str, float]:
    """Return the processor time of this process and its children, in seconds."""
    own = os.getpid()
    seconds: dict[str, float] = defaultdict(float)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue  # the process ended meanwhile
        if int(folder.name) == own:
            seconds["client"] += _spent(stat)
        elif int(stat[1]) == own:
            seconds[_name(words)] += _spent(stat)
    return seconds


def _spent(stat: list[str]) -> float:
    return (int(stat[11]) + int(stat[12])) / _TICK


def _name(words: list[str]) -> str:
    """Return the subcommand or module that Python runs, or the name of the program."""
    if "-m" in words:
        module, *rest = words[words.index("-m") + 1 :]
        return rest[0] if module in ("cli", "esme_emulator") else module.rpartition(".")[2]
    return Path(words[0].partition(" ")[0]).name
