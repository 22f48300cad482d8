"""Derived properties of a message."""

from dataclasses import FrozenInstanceError, replace

import pytest

from gbcs import CRA, EUI, Alert, Command, Opaque, Response, Status, Supplementary

METER, PARTY = EUI.parse("00DB1234567890A0"), EUI.parse("90B3D51F30010000")
ACB, BEHIND = EUI.parse("90B3D51F30000002"), EUI.parse("90B3D51F30040000")

COMMAND = Command(
    originator=PARTY,
    recipient=METER,
    originator_counter=1,
    message_code=0x37,
    payload=Opaque(b""),
)
RESPONSE = Response(
    originator=METER,
    recipient=PARTY,
    originator_counter=1,
    message_code=0x37,
    payload=Opaque(b""),
)
ALERT = Alert(
    originator=METER,
    recipient=PARTY,
    originator_counter=1,
    message_code=0xFFFF,
    payload=Opaque(b""),
)


def test_kinds() -> None:
    assert [message.kind for message in (COMMAND, RESPONSE, ALERT)] == [
        "command",
        "response",
        "alert",
    ]
    assert replace(COMMAND, signature=None).kind == "pre-command"
    assert (COMMAND.cra, RESPONSE.cra, ALERT.cra) == (CRA.COMMAND, CRA.RESPONSE, CRA.ALERT)
    assert [int(flag) for flag in CRA] == [1, 2, 3]


def test_device_and_remote_party() -> None:
    for message in (COMMAND, RESPONSE, ALERT):
        assert message.device == METER
        assert message.remote_party == PARTY
    behind = Supplementary(BEHIND, 5)
    through_acb = replace(COMMAND, originator=ACB, supplementary=behind)
    answer = replace(RESPONSE, recipient=ACB, supplementary=behind)
    for message in (through_acb, answer):
        assert message.device == METER
        assert message.remote_party == BEHIND


def test_use_case_follows_from_the_code() -> None:
    assert COMMAND.use_case is not None
    assert COMMAND.use_case.name == "ECS22b"
    assert ALERT.use_case is None


def test_results_of_verification_do_not_count_in_comparisons() -> None:
    checked = replace(RESPONSE, mac_status=Status.VALID, signature_status=Status.INVALID)
    assert checked == RESPONSE
    assert hash(checked) == hash(RESPONSE)
    assert replace(RESPONSE, originator_counter=2) != RESPONSE
    assert replace(RESPONSE, mac=bytes(12)) != RESPONSE


def test_a_message_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        COMMAND.message_code = 5  # type: ignore[misc]
