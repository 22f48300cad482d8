"""A bound on work that needs no clock: calls are counted, and too many end the test."""

import gc
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_THRESHOLD = 700, 10, 10
"""When garbage is collected, since what waits for it counts. Python 3.13 would wait longer."""


class TooMuchWorkError(BaseException):
    """More calls than were allowed; no `except Exception` on the way swallows it."""


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fail where what runs inside makes more than `calls` calls, of Python or of C."""
    left = calls

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal left
        if event in ("call", "c_call"):
            left -= 1
            if left < 0:
                sys.setprofile(None)
                raise TooMuchWorkError(f"more than {calls} calls")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextmanager
def within(octets: int) -> Iterator[None]:
    """Fail where what runs inside takes more than `octets` of memory at once."""
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLD)
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.set_threshold(*before)
    assert peak <= octets, f"{peak} octets of memory"
