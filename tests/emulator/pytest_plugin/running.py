"""Run pytest on test files that a user might write, with the installed plugin."""

from importlib.metadata import entry_points

import pytest

import esme_emulator.pytest_plugin
import esme_emulator.pytest_plugin.bench  # imported once here, not again by every run
from tests.support.rtds import ROOT

INSTALLED = any(entry.name == "esme" for entry in entry_points(group="pytest11"))

INI = """
[pytest]
asyncio_mode = {mode}
asyncio_default_fixture_loop_scope = function
filterwarnings = error
addopts = --strict-markers -p no:cacheprovider
pythonpath = {root}
"""


def write(pytester: pytest.Pytester, tests: str, mode: str) -> None:
    """Write a file of tests and a pytest.ini."""
    pytester.makeini(INI.format(mode=mode, root=ROOT))
    pytester.makepyfile(tests)


def run(
    pytester: pytest.Pytester, tests: str, *options: str, mode: str = "auto"
) -> pytest.RunResult:
    """Run one file of tests within this process."""
    write(pytester, tests, mode)
    return run_here(pytester, *options)


def run_here(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run the tests in the current folder within this process, which has imported the plugin."""
    plugins = [] if INSTALLED else [esme_emulator.pytest_plugin]
    imported = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
    return pytester.runpytest_inprocess(*options, "-W", imported, plugins=plugins)


def run_apart(
    pytester: pytest.Pytester, tests: str, *options: str, mode: str = "auto"
) -> pytest.RunResult:
    """Run one file of tests in a process of its own."""
    write(pytester, tests, mode)
    loading = () if INSTALLED else ("-p", "esme_emulator.pytest_plugin")
    return pytester.runpytest_subprocess(*loading, *options, timeout=60)
