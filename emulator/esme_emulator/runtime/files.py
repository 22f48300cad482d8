"""Files: text that a user names, private files that we create, and journals of JSON lines.

Knows encodings and permissions. A file that we create is readable by its owner alone; the
permissions of a user's file are not changed.
"""

import json
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TypeVar

from esme_emulator.runtime.errors import UserError

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
    return text_of(octets)


def text_of(octets: bytes) -> str:
    """Return the text of a file with the content `octets`, as `read_text` does."""
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


class TemporaryFilesError(UserError):
    """Temporary files that cannot be written; the text is one line for the user."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield an empty, private folder for large files; it is removed at the end.

    Raises `TemporaryFilesError` for an `OSError` within the block.
    """
    try:
        with TemporaryDirectory(prefix="esme-") as folder:
            yield Path(folder)
    except OSError as error:
        raise TemporaryFilesError(
            f"temporary files in {gettempdir()}: {error.strerror}. "
            "Set TMPDIR to a folder with more room"
        ) from None


T = TypeVar("T")

_log = logging.getLogger(__name__)


class JournalError(UserError):
    """A journal that cannot be opened; the text is one line for the user."""


@contextmanager
def journal(path: Path | None, form: Callable[[T], object]) -> Iterator[Callable[[T], None] | None]:
    """Yield a function that appends `form(thing)` to `path`, or None if `path` is None.

    A full disk ends the journal with a warning, and the program goes on. Raises `JournalError` if
    the file cannot be opened.
    """
    if path is None:
        yield None
        return
    try:
        file = open(path, "a", encoding="utf-8", buffering=1, opener=opener)  # noqa: SIM115  # closed below
    except OSError as error:
        raise JournalError(f"journal {path}: {error.strerror}") from None
    failed = False

    def write(thing: T) -> None:
        nonlocal failed
        if failed:
            return
        try:
            file.write(json.dumps(form(thing)) + "\n")
        except OSError as error:
            failed = True
            _log.warning("journal %s: %s; nothing more is written to it", path, error.strerror)

    try:
        yield write
    finally:
        with suppress(OSError):  # the disk is full, which was logged
            file.close()
