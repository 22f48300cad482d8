"""Text files that a user names."""

from pathlib import Path

MAX_OCTETS = 256 * 1024 * 1024
"""Longest file that is read, in octets."""


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
