"""Sorts more lines than memory holds: in temporary files, which are merged when they are read.

Several processes may each fill files of one folder. Knows nothing of what a line says.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from heapq import merge
from pathlib import Path

LIMIT = 16_000_000
"""Characters that are kept in memory before they are written."""
MOST = 200
"""Files that are open at once."""


class LineSorter:
    """Writes sorted files of lines into `folder`, by name; `owner` tells its files from others'."""

    def __init__(self, folder: Path, owner: str, limit: int = LIMIT) -> None:
        self.size = 0
        """Characters in memory."""
        self._folder = folder
        self._owner = owner
        self._limit = limit
        self._lines: defaultdict[str, list[str]] = defaultdict(list)
        self._files = 0

    def add(self, name: str, line: str) -> None:
        """Add a line without its end. Raises `OSError` if it cannot be written."""
        self._lines[name].append(line)
        self.size += len(line)
        if self.size > self._limit:
            self.flush()

    def flush(self) -> None:
        """Write all lines that are in memory. Raises `OSError`."""
        self._files += 1
        for name, lines in self._lines.items():
            lines.sort()
            ends = (f"{line}\n" for line in lines)
            _write(self._folder / f"{name}.{self._owner}.{self._files}", ends)
        self._lines.clear()
        self.size = 0


def sorted_lines(folder: Path, name: str) -> Iterator[str]:
    """Yield all lines of a name that were written into `folder`, sorted, without their ends."""
    paths = sorted(folder.glob(f"{name}.*"))
    while len(paths) > MOST:
        first, paths = paths[:MOST], paths[MOST:]
        paths.append(first[0].with_name(f"{first[0].name}-"))
        _write(paths[-1], _merged(first))
        for path in first:
            path.unlink()
    return (line[:-1] for line in _merged(paths))


def _merged(paths: Iterable[Path]) -> Iterator[str]:
    with ExitStack() as stack:
        files = [stack.enter_context(path.open(encoding="utf-8", newline="\n")) for path in paths]
        yield from merge(*files)


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)
