"""Shared by all tests: the RTDS keystore, a Hypothesis profile, and the marker `processes`."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from gbcs import FileKeystore
from tests.support import processes
from tests.support.rtds import ABSENT, KEYSTORE

settings.register_profile("unhurried", settings(), deadline=None)
settings.register_profile("few", settings(), deadline=None, max_examples=20)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def rtds_keystore() -> FileKeystore:
    if not KEYSTORE.is_file():
        pytest.skip(ABSENT)
    return FileKeystore.load(KEYSTORE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    processes.mark(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with processes.only_if_marked(item):
        return (yield)
