"""Journals: files of JSON lines, one for each event."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from esme_emulator.runtime.errors import UserError
from esme_emulator.runtime.files import opener

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
