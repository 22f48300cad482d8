"""SRV and result of messages in a few words."""

import pytest

from gbcs import decode
from gbcs.message import CRA
from gbcs.usecases.outcome import outcome_of, srv_of
from tests.support.estate import KEYS, command, meter_octets
from tests.support.rtds import Vector, each, vectors


def test_a_log_has_rows_and_without_a_key_it_is_encrypted() -> None:
    read, _ = command("4.8.1")
    octets = meter_octets(read)
    assert srv_of(read) == "4.8.1"
    assert outcome_of(read) == ""
    assert outcome_of(decode(octets, KEYS)) == "49 rows"
    assert outcome_of(decode(octets)) == "encrypted"


@each(lambda vector: "_RESPONSE" in vector.name or "_ALERT" in vector.name)
def test_results_are_what_the_names_of_the_vectors_say(vector: Vector) -> None:
    message = decode(vector.octets)
    outcome = outcome_of(message)
    if message.cra is CRA.ALERT:
        assert len(outcome) == 4
        assert "_8F" not in vector.name or f"_{outcome}_" in vector.name
    elif "_SUCCESS_" in vector.name:
        assert outcome in ("", "success", "encrypted") or outcome.endswith((" row", " rows"))
    elif "_ERROR_" in vector.name or "_NOT_FOUND_" in vector.name:
        assert outcome != "success"


def test_the_results_of_the_vectors_in_short() -> None:
    if not vectors():
        pytest.skip("no RTDS")
    srvs = {srv_of(decode(vector.octets)) for vector in vectors()}
    assert {"", "4.8.1", "6.15.1/6.21"} <= srvs
