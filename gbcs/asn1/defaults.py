"""Fields with a DEFAULT: DER leaves them out if they hold it, but some devices write them.

A content keeps the paths of those that were written, so that it encodes to the same octets.
Knows the plain values of asn1tools: dict for SEQUENCE, list for SEQUENCE OF, tuple for CHOICE.
"""

from collections.abc import Iterator, Mapping, Set
from typing import Any


def defaulted(
    plain: Any, defaults: Mapping[str, Any], path: str = ""
) -> Iterator[tuple[str, bool]]:
    """Yield the path of each field that has a DEFAULT, and whether the field holds it.

    >>> list(defaulted([{"usage": 0}, {"usage": 1}], {"usage": 0}))
    [('[0].usage', True), ('[1].usage', False)]
    """
    for step, value in _parts(plain):
        if step[1:] in defaults:
            yield path + step, value == defaults[step[1:]]
        yield from defaulted(value, defaults, path + step)


def leave_out(plain: Any, defaults: Mapping[str, Any], written: Set[str], path: str = "") -> Any:
    """Return `plain` without the fields that hold their DEFAULT, except those at `written`.

    >>> leave_out([{"usage": 0}, {"usage": 0}], {"usage": 0}, {"[1].usage"})
    [{}, {'usage': 0}]
    """
    parts = [
        (step, leave_out(value, defaults, written, path + step))
        for step, value in _parts(plain)
        if step[1:] not in defaults or value != defaults[step[1:]] or path + step in written
    ]
    if isinstance(plain, dict):
        return {step[1:]: value for step, value in parts}
    if isinstance(plain, list):
        return [value for _, value in parts]
    return (plain[0], parts[0][1]) if parts else plain


def _parts(plain: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a value, each with the step of the path that leads to it."""
    if isinstance(plain, dict):
        for identifier, value in plain.items():
            yield f".{identifier}", value
    elif isinstance(plain, list):
        for number, value in enumerate(plain):
            yield f"[{number}]", value
    elif isinstance(plain, tuple) and isinstance(plain[0], str):
        yield f".{plain[0]}", plain[1]
