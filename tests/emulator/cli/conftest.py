"""Each test of the command line runs in an empty folder."""

import pytest


@pytest.fixture(autouse=True)
def _in_empty_folder(empty_folder: None) -> None:
    pass
