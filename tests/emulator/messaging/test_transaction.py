"""A response's counter is read from its header alone, as the codec reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.messaging.transaction import counter_in, transaction_of
from gbcs import GbcsError, Response, decode
from gbcs.tables.roles import Role
from tests.support.estate import YESTERDAY, command, meter_octets
from tests.support.rtds import Vector, vectors


@pytest.mark.parametrize("role", [Role.IS, Role.ED, Role.OU])
@pytest.mark.parametrize("srv", ["4.4.2", "4.6.1", "4.8.1", "4.10"])
def test_the_counter_of_a_response_is_that_of_its_transaction(srv: str, role: Role) -> None:
    asked, octets = command(srv, role, 1 << 40, YESTERDAY)
    assert counter_in(octets) is None, "a command"
    assert counter_in(meter_octets(asked)) == transaction_of(asked)[:3]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector.name)
def test_the_counter_in_a_message_of_the_reference_test_data(vector: Vector) -> None:
    found = counter_in(vector.octets)
    try:
        message = decode(vector.octets)
    except GbcsError:
        pytest.skip("not one message")
    if isinstance(message, Response):
        assert found == transaction_of(message)[:3]
    else:
        assert found is None


@given(st.binary(max_size=60))
def test_octets_that_are_no_response_have_no_counter(octets: bytes) -> None:
    assert counter_in(octets) is None
