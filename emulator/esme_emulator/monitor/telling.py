"""Telling one more listener, where a part tells a single one."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def both(told: Callable[[T], None] | None, too: Callable[[T], None]) -> Callable[[T], None]:
    """Return what tells `told`, where there is one, and `too` after it."""
    if told is None:
        return too

    def tell(what: T) -> None:
        told(what)
        too(what)

    return tell
