"""Which of a meter's calls: "1", "1-3", "5-", "every 3", and several of these with commas.

Knows numbers and their text; counted from 1.
"""

import re
from typing import TypeAlias

Calls: TypeAlias = tuple[range, ...]

FORMS = 'a call "1", a range "1-3" or "5-", "every 3", or several with commas'

_ENDLESS = 1 << 62
_PART = re.compile(r"([0-9]{1,15})(?:(-)([0-9]{1,15})?)?|every ([0-9]{1,15})")


def read_calls(value: object) -> Calls:
    """Return the calls that a number or a text names.

    >>> read_calls("1-3, every 10")[0]
    range(1, 4)

    Raises `ValueError` where it is neither, or names calls that cannot be.
    """
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str):
        raise ValueError
    return tuple(_range(part.strip()) for part in value.split(","))


def write_calls(calls: Calls) -> str | None:
    """Return the text of calls, or None for all of them."""
    return ", ".join(map(_text, calls)) or None


def _range(part: str) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError
    first, dash, last, step = match.groups()
    if step is not None:
        if int(step) == 0:
            raise ValueError(f"{part!r}: there are no such calls")
        return range(int(step), _ENDLESS, int(step))
    if int(first) == 0:
        raise ValueError(f"{part!r}: calls are counted from 1")
    if not dash:
        return range(int(first), int(first) + 1)
    if last is None:
        return range(int(first), _ENDLESS)
    if int(last) < int(first):
        raise ValueError(f"{part!r}: it ends before it begins")
    return range(int(first), int(last) + 1)


def _text(calls: range) -> str:
    if calls.step > 1:
        return f"every {calls.step}"
    if calls.stop == _ENDLESS:
        return f"{calls.start}-"
    return f"{calls.start}" if len(calls) == 1 else f"{calls.start}-{calls.stop - 1}"
