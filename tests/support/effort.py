"""Bounds on work and memory that need no clock, so that slow machines change nothing."""

import gc
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_THRESHOLD = 700, 10, 10
"""Thresholds of the garbage collector, since uncollected garbage counts. 3.13 has higher ones."""


class TooMuchWorkError(BaseException):
    """More calls than allowed. Not an `Exception`, so that the code under test cannot catch it."""


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fail if the block makes more than `calls` calls of Python or C functions."""
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
    """Fail if the block has more than `octets` of memory allocated at any moment."""
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
