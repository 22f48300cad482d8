"""The examples in the docstrings of the codec run as tests."""

import doctest
import importlib
import pkgutil

import gbcs


def _modules() -> list[str]:
    found = pkgutil.walk_packages(gbcs.__path__, prefix="gbcs.")
    return ["gbcs", *(module.name for module in found)]


def test_examples_of_every_module() -> None:
    attempted = 0
    for name in _modules():
        result = doctest.testmod(importlib.import_module(name))
        assert result.failed == 0, name
        attempted += result.attempted
    assert attempted > 20
