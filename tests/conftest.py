"""What all tests share: keys of the RTDS, and Hypothesis without a clock."""

import pytest
from hypothesis import settings

from gbcs import FileKeystore
from tests.support.rtds import ABSENT, KEYSTORE

_current = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("unhurried", _current, deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def rtds_keystore() -> FileKeystore:
    if not KEYSTORE.is_file():
        pytest.skip(ABSENT)
    return FileKeystore.load(KEYSTORE)
