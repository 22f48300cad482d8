"""Processor time and memory of this process and its descendants, read from /proc."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter


class Shares:
    """Use of the processor by name of the process; processes of the same name are added up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.parts: dict[str, float] = {}
        """The seconds as fractions of a core."""

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
        measured.seconds[name] = seconds - before.get(name, 0.0)
        measured.parts[name] = measured.seconds[name] / elapsed


def _seconds() -> dict[str, float]:
    """Return the processor time of this process and its descendants, in seconds.

    What a child starts counts under the name of the child.
    """
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue  # the process ended meanwhile
        parents[int(folder.name)], names[int(folder.name)] = int(stat[1]), words
    own = os.getpid()
    seconds = defaultdict(float, client=spent(own))
    for process in parents:
        child = process
        while child in parents and parents[child] != own:
            child = parents[child]
        if child in parents:
            seconds[_name(names[child])] += spent(process)
    return seconds


def spent(process: int) -> float:
    """Return the processor time of all threads of a process, in seconds."""
    spent = 0
    for account in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with suppress(OSError):
            spent += int(account.read_text().split()[0])
    return spent / 1e9


def resident(process: int | str = "self") -> int:
    """Return the resident memory of a process in octets, 0 if it has ended."""
    with suppress(OSError):
        pages = Path(f"/proc/{process}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _name(words: list[str]) -> str:
    """Return the subcommand or module that Python runs, or the name of the program."""
    if "-m" in words:
        module, *rest = words[words.index("-m") + 1 :]
        return rest[0] if module in ("cli", "esme_emulator") else module.rpartition(".")[2]
    return Path(words[0].partition(" ")[0]).name
