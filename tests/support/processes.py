"""The marker `processes`, for tests that start processes or servers.

Tests receive it if their fixtures, parameters or code name a server; others are marked by hand. A
test without it fails when it starts a process, so the marker cannot be forgotten.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

MARKER = "processes"

_SERVERS = ("mosquitto", "rumqttd", "valkey")
"""Prefixes of fixtures and parameters that start a server."""

_STARTERS = frozenset({"Mosquitto", "ValkeyServer", "subprocess"})
"""Names in the code of a test that starts a process."""

_STARTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"})
"""Audit events that Python raises before it starts a process."""

_may_start = [True]


def mark(items: list[pytest.Item]) -> None:
    """Mark the tests that evidently start a process."""
    for item in items:
        names = [*getattr(item, "fixturenames", ())]
        if callspec := getattr(item, "callspec", None):
            names += [value for value in callspec.params.values() if isinstance(value, str)]
        code = getattr(getattr(item, "function", None), "__code__", None)
        named = code is not None and not _STARTERS.isdisjoint(code.co_names)
        if named or any(name.startswith(_SERVERS) for name in names):
            item.add_marker(MARKER)


@contextmanager
def only_if_marked(item: pytest.Item) -> Iterator[None]:
    """Make the start of a process fail unless `item` is marked."""
    before = _may_start[0]
    _may_start[0] = item.get_closest_marker(MARKER) is not None
    try:
        yield
    finally:
        _may_start[0] = before


def _watch(event: str, _: tuple[Any, ...]) -> None:
    if event in _STARTS and not _may_start[0]:
        pytest.fail(f"mark this test with @pytest.mark.{MARKER}, since it starts a process")


sys.addaudithook(_watch)
