"""The strings in JSON, each with the key that leads to it.

Knows JSON and nothing of messages. The text may come from anybody: its depth is bounded.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 100
"""Deepest nesting, in objects and lists."""
_LONGEST_KEY = 40
_SPACE = " \t\r\n"
_SPACES = re.compile(f"[{_SPACE}]*")
_READER = json.JSONDecoder()


class JsonError(Exception):
    """JSON that cannot be read; the text is one line for the user."""


def begins_json(text: str) -> bool:
    """Return whether `text` begins as an object, a list or a string does."""
    return text.lstrip(_SPACE).startswith(("{", "[", '"'))


def is_unfinished(text: str) -> bool:
    """Return whether `text` is the beginning of a JSON document that goes on behind it."""
    try:
        _READER.decode(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text.rstrip(_SPACE))
    except (RecursionError, ValueError):
        pass
    return False


def documents_in(text: str) -> Iterator[Any]:
    """Yield the documents in `text` one after another. Raises `JsonError`."""
    at = _behind_space(text, 0)
    while at < len(text):
        try:
            document, at = _READER.raw_decode(text, at)
        except RecursionError:
            raise _too_deep() from None
        except ValueError as error:  # also a number that Python refuses to read
            raise JsonError(f"JSON that cannot be read: {error}") from None
        yield document
        at = _behind_space(text, at)


def _behind_space(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return found.end() if found else at


def strings_in(document: Any) -> Iterator[tuple[str, str]]:
    """Yield every string with its key, such as `items[0].message`. Raises `JsonError`."""
    return _strings(document, "", 0)


def _strings(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        raise _too_deep()
    match value:
        case str():
            yield path, value
        case list():
            for number, item in enumerate(value):
                yield from _strings(item, f"{path}[{number}]", depth + 1)
        case dict():
            for key, item in value.items():
                yield from _strings(item, f"{path}.{_name(key)}".lstrip("."), depth + 1)


def _name(key: str) -> str:
    """Return a key that fits into one line: quoted if it has other characters than letters."""
    short = key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}..."
    return short if key.replace("-", "_").isidentifier() else json.dumps(short)


def _too_deep() -> JsonError:
    return JsonError(f"JSON nested deeper than {MAX_DEPTH} objects and lists")
