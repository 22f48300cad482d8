"""Whether test and fixtures share an event loop, in which meters can answer.

Knows pytest-asyncio and its settings; nothing of what runs in the loop.
"""

import pytest
from pytest_asyncio import is_async_test

_FIXTURES, _TESTS = "asyncio_default_fixture_loop_scope", "asyncio_default_test_loop_scope"
_OWN = "function"
"""The loop of a test, or of a fixture that lasts for one test, where nothing is set."""


def trouble_of(request: pytest.FixtureRequest) -> str | None:
    """Return why no meter could answer the test of `request`, in one line; None where one can."""
    if not is_async_test(request.node):
        name = request.function.__name__
        return f"write async def {name}: in a def no loop turns, so no meter answers"
    marker = request.node.get_closest_marker("asyncio")
    marked = marker.kwargs.get("loop_scope") if marker else None
    tests = marked or request.config.getini(_TESTS) or _OWN
    fixtures = request.config.getini(_FIXTURES) or _OWN
    if tests == fixtures:
        return None
    return (
        f"this test runs in the event loop of its {tests}, and fixtures in that of the {fixtures}: "
        f"set {_FIXTURES} = {tests}, or {_TESTS} = {fixtures}, "
        f'or mark the test asyncio(loop_scope="{fixtures}")'
    )
