"""Text files that a user names."""

from pathlib import Path


class UnreadableError(ValueError):
    """A file that is no text; the message is the reason, without the name of the file."""


def read_text(path: Path) -> str:
    """Return the text of a file, without a byte order mark. Raises `UnreadableError`."""
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise UnreadableError("it is not UTF-8") from None
