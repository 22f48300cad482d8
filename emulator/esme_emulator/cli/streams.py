"""Standard streams whose failures are one line.

A stream may be closed (`<&-`), full (`> /dev/full`), without a reader (`| head`), or in an encoding
that lacks a character. It is an error if results cannot be written to stdout, but not if notes
cannot be written to stderr: that cannot be reported, and the exit code must not depend on it.
"""

import errno
import io
import os
import sys
from typing import Any, TextIO

from esme_emulator.runtime.errors import UserError


class StreamError(UserError):
    """A standard stream that failed; the text is one line for the user."""


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
    """Fails once, so that the rest of its buffer is not written again when the process ends."""

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
            raise error  # the reader is gone: click exits without a message
        raise _failed("standard output", error) from None


class _Notes(_Output):
    def _lose(self, _: OSError, size: int) -> int:
        return size


_STREAMS: tuple[tuple[str, type[_Input | _Output], int], ...] = (
    ("stdin", _Input, os.O_WRONLY),
    ("stdout", _Output, os.O_RDONLY),
    ("stderr", _Notes, os.O_WRONLY),
)
"""Name in `sys`, replacement, and the mode in which /dev/null replaces a closed stream.

/dev/null is opened in the opposite mode, so the stream fails when it is used and only then. Opening
it also keeps files and sockets from getting the stream's descriptor.
"""


def install() -> None:
    """Replace the standard streams of this process, unless a test has replaced them."""
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
    """Return a text stream that replaces characters that its encoding lacks."""
    if isinstance(raw, _Input):
        return io.TextIOWrapper(io.BufferedReader(raw), encoding, "surrogateescape")
    errors = "backslashreplace" if isinstance(raw, _Notes) else "replace"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=raw.isatty())
