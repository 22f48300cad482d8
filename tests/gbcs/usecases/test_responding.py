"""Responses to DLMS commands, compared with the RTDS and by hand."""

from dataclasses import replace

import pytest

from esme_emulator.estate.keys import DerivedKeystore
from gbcs import EUI, Command, EncodeError, FileKeystore, Opaque, Status, Supplementary, decode
from gbcs.dlms.access import (
    ACCESS_RESPONSE,
    Access,
    AccessRequest,
    AccessResponse,
    Choice,
)
from gbcs.dlms.data import NULL
from gbcs.usecases.responding import answering, invoke_id, refuse, respond
from tests.support.rtds import Vector, answer_to, each
from tests.support.second_hand import fields

KEYS = DerivedKeystore("responding")
METER, PARTY = EUI.parse("00DBE50000000001"), EUI.parse("90B3D51F30010000")
IN_THE_HOME = {"PCS01", "PCS02"}
BEHIND = Supplementary(EUI.parse("90B3D51F30040000"), 5, None, b"certificate")


def _command(*choices: Choice) -> Command:
    accesses = tuple(
        Access(
            choice,
            7,
            bytes(6),
            2,
            NULL,
            1 if choice.selects else None,
            NULL if choice.selects else None,
        )
        for choice in choices
    )
    return Command(
        originator=PARTY,
        recipient=METER,
        originator_counter=0x1_2345_6789,
        message_code=0x36,
        payload=AccessRequest(invoke_id(0x1_2345_6789), accesses),
    )


def test_invoke_id_has_the_low_bits_of_the_counter() -> None:
    assert invoke_id(0) == 0x20000000
    assert invoke_id(0x1_2345_6789) == 0x20456789
    assert invoke_id(2**64 - 1) == 0x20FFFFFF


def _is_sealed_answer(vector: Vector) -> bool:
    by_hand = fields(vector.octets)
    return (
        vector.direction == "RESPONSE"
        and by_hand.content[0] == ACCESS_RESPONSE
        and by_hand.signature == b""
        and vector.use_case not in IN_THE_HOME
    )


@each(_is_sealed_answer)
def test_a_response_of_the_rtds_is_made_again(vector: Vector, rtds_keystore: FileKeystore) -> None:
    """Command and results determine every octet of a response that is not signed."""
    command = decode(answer_to(vector).octets)
    results = decode(vector.octets).payload
    by_hand = fields(vector.octets)
    information = by_hand.other_information
    own_counter = int.from_bytes(information[18:], "big") if len(information) == 26 else None
    assert isinstance(command, Command)
    assert isinstance(results, AccessResponse)
    again = respond(command, results.results, rtds_keystore, own_counter, by_hand.date_time)
    assert again.hex() == vector.octets.hex()


def test_accesses_behind_a_failure_fail() -> None:
    command = _command(*Choice)
    response = decode(refuse(command, 3, KEYS), KEYS)
    assert response.mac_status is Status.VALID
    assert (response.originator, response.recipient) == (METER, PARTY)
    assert response.originator_counter == command.originator_counter
    assert response.message_code == command.message_code
    assert isinstance(response.payload, AccessResponse)
    assert [(item.choice, item.code) for item in response.payload.results] == [
        (Choice.GET, 3),
        (Choice.SET, 250),
        (Choice.ACTION, 250),
        (Choice.GET, 250),
        (Choice.SET, 250),
    ]
    assert {item.data for item in response.payload.results} == {NULL}


def test_one_access_and_no_access() -> None:
    for choices in ((Choice.GET_WITH_SELECTION,), ()):
        response = decode(refuse(_command(*choices), 3, KEYS), KEYS)
        assert isinstance(response.payload, AccessResponse)
        assert [item.code for item in response.payload.results] == [3] * len(choices)


def test_only_dlms_is_refused_so() -> None:
    with pytest.raises(EncodeError, match="only a DLMS command"):
        refuse(replace(_command(), payload=Opaque(b"")), 3, KEYS)


def test_a_response_names_the_party_behind_the_acb_without_its_certificate() -> None:
    assert answering(None, 5) is None
    assert answering(BEHIND, None) == Supplementary(BEHIND.party, 5)
    assert answering(BEHIND, 9) == Supplementary(BEHIND.party, 5, 9)
    acb = KEYS.access_control_broker
    command = replace(_command(Choice.GET), originator=acb, supplementary=BEHIND)
    response = decode(refuse(command, 3, KEYS), KEYS)
    assert response.recipient == acb
    assert response.supplementary == Supplementary(BEHIND.party, 5)
    assert response.mac_status is Status.VALID
