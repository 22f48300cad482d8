"""Files that hold what is nobody else's business: readings, decisions, keys.

Knows permissions. What we make is for its owner alone; what a user made is not changed.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

_MODE = 0o600


def opener(path: str, flags: int) -> int:
    """Open a file for `open(..., opener=opener)`; one that is made is for its owner alone."""
    return os.open(path, flags, _MODE)


def make_private(path: Path) -> None:
    """Make an empty file for its owner alone, unless it is there or cannot be made."""
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))


def is_exposed(path: Path) -> bool:
    """Return whether others than its owner may read a file."""
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & (stat.S_IRGRP | stat.S_IROTH))
