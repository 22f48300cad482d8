"""Files: text that a user names, and private files that we create.

Knows encodings and permissions. A file that we create is readable by its owner alone; the
permissions of a user's file are not changed.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

MAX_OCTETS = 256 * 1024 * 1024
"""Longest file that is read, in octets."""

_PRIVATE = 0o600


class UnreadableError(ValueError):
    """A file that cannot be read as text. The message is the reason, without the file's name."""


def read_text(path: Path | str) -> str:
    """Return the text of a file without its byte order mark. Raises `UnreadableError`."""
    try:
        with Path(path).open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None
    except ValueError as error:  # a null byte in the path
        raise UnreadableError(str(error)) from None
    if len(octets) > MAX_OCTETS:
        raise UnreadableError(f"it is longer than {MAX_OCTETS} octets")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("it is not UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def opener(path: str, flags: int) -> int:
    """Open a file, for `open(..., opener=opener)`; create it as private."""
    return os.open(path, flags, _PRIVATE)


def make_private(path: Path) -> None:
    """Create an empty private file, unless it exists or cannot be created."""
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE))


def is_exposed(path: Path) -> bool:
    """Return whether users other than its owner can read a file."""
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & (stat.S_IRGRP | stat.S_IROTH))
