"""Standard streams that end in one line, whatever the shell connected them to.

A stream may be closed (`<&-`), full (`> /dev/full`), without a reader (`| head`), or of an encoding
that lacks a letter. Results that cannot be delivered are an error. What accompanies them, on
stderr, is not: nobody can be told, and it must not cost a verdict.
"""

import errno
import io
import os
import sys
from typing import Any, TextIO

from esme_emulator.runtime.errors import UserError


class StreamError(UserError):
    """A standard stream that cannot be used; the text is one line for the user."""


def _failed(name: str, error: OSError) -> StreamError:
    if error.errno == errno.EBADF:
        return StreamError(f"{name} is closed: connect it to a file or a pipe")
    return StreamError(f"{name}: {error.strerror}")


class _Input(io.FileIO):
    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "r", closefd=False)

    def readinto(self, buffer: Any, /) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise _failed("standard input", error) from None


class _Output(io.FileIO):
    """Fails once, so that what is left in buffers is not tried again when the process ends."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_lost = False

    def write(self, octets: Any, /) -> int:
        if self._is_lost:
            return len(octets)
        try:
            return super().write(octets)
        except BlockingIOError:
            raise
        except OSError as error:
            self._is_lost = True
            return self._lose(error, len(octets))

    def _lose(self, error: OSError, size: int) -> int:
        if error.errno == errno.EPIPE:
            raise error  # the reader has enough: click ends the process without a word
        raise _failed("standard output", error) from None


class _Notes(_Output):
    def _lose(self, _: OSError, size: int) -> int:
        return size


_STREAMS: tuple[tuple[str, type[_Input | _Output], int], ...] = (
    ("stdin", _Input, os.O_WRONLY),
    ("stdout", _Output, os.O_RDONLY),
    ("stderr", _Notes, os.O_WRONLY),
)
"""Name in `sys`, what it becomes, and how /dev/null is opened in place of a closed one.

Opened the wrong way round a stream fails when it is used, and only then. And no file or socket
gets its number.
"""


def install() -> None:
    """Replace the standard streams of this process; those of tests are left alone."""
    for name, kind, flags in _STREAMS:
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):
            continue
        encoding = "utf-8"
        if stream is None:
            descriptor = os.open(os.devnull, flags)
            os.set_inheritable(descriptor, True)
        else:
            descriptor, encoding = stream.fileno(), stream.encoding
        setattr(sys, name, _text(kind(descriptor), encoding))


def _text(raw: _Input | _Output, encoding: str) -> TextIO:
    """Return a stream of text; a letter that its encoding lacks is never a traceback."""
    if isinstance(raw, _Input):
        return io.TextIOWrapper(io.BufferedReader(raw), encoding, "surrogateescape")
    errors = "backslashreplace" if isinstance(raw, _Notes) else "replace"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=raw.isatty())
