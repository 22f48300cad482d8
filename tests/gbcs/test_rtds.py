"""Every message of the RTDS is read, verified, decrypted, written, converted to JSON, explained."""

import json
from functools import cache

import pytest

from gbcs import CRA, FileKeystore, Message, Status, authenticate, decode, encode, sign
from gbcs.errors import AuthenticationError, DecodeError
from gbcs.explain import explain
from gbcs.json_form import from_json, to_json
from tests.support.rtds import KEYSTORE, Vector, each, named, raw_keys
from tests.support.second_hand import (
    COMMAND,
    blobs,
    fields,
    gmac,
    message_key,
    opened,
    secret_of,
)

ACB = bytes.fromhex("90B3D51F30000002")
IN_THE_HOME = {"PCS01", "PCS02"}
"""HAN-only messages: the RTDS has no MAC of a remote party for them."""

KINDS = {
    "PRECOMMAND": "pre-command",
    "COMMAND": "command",
    "RESPONSE": "response",
    "ALERT": "alert",
}


@cache
def decoded(vector: Vector) -> Message:
    return decode(vector.octets, keys())


@cache
def keys() -> FileKeystore:
    return FileKeystore.load(KEYSTORE)


def _encrypts(vector: Vector) -> bool:
    return bool(_blobs(vector))


def _blobs(vector: Vector) -> list[bytes]:
    """Return the encrypted attributes of a response or alert, read by independent code."""
    by_hand = fields(vector.octets)
    if by_hand.cra == COMMAND or by_hand.family == "asn1":
        return []
    return blobs(by_hand.content)


@each()
def test_fields_are_those_a_second_hand_reads(vector: Vector) -> None:
    message, by_hand = decoded(vector), fields(vector.octets)
    assert message.kind == KINDS[vector.direction]
    assert message.cra == by_hand.cra
    assert message.originator_counter == by_hand.counter
    assert message.originator == by_hand.originator
    assert message.recipient == by_hand.recipient
    assert message.transaction_time == by_hand.date_time
    assert message.message_code == by_hand.message_code
    assert message.signature == by_hand.signature
    assert message.mac == by_hand.mac
    assert message.use_case is not None


@each()
def test_it_encodes_to_the_same_octets_with_keys_and_without(vector: Vector) -> None:
    message = decode(vector.octets)
    assert encode(message).hex() == vector.octets.hex()
    assert encode(decoded(vector)).hex() == vector.octets.hex()
    assert {message.mac_status, message.signature_status} <= {Status.UNVERIFIED, Status.ABSENT}


@each(lambda vector: vector.use_case not in IN_THE_HOME)
def test_mac_is_valid_if_keys_exist(vector: Vector) -> None:
    message, by_hand = decoded(vector), fields(vector.octets)
    if by_hand.mac is None:
        assert message.mac_status is Status.ABSENT
        return
    sender = ACB if by_hand.cra == COMMAND else by_hand.originator
    secret = secret_of(raw_keys(), sender, by_hand.recipient)
    if secret is None:
        assert message.mac_status is Status.UNVERIFIED
        return
    assert message.mac_status is Status.VALID
    key = message_key(secret, by_hand.originator, by_hand.cra, by_hand.counter, by_hand.recipient)
    assert gmac(key, by_hand.originator, by_hand.sealed) == by_hand.mac
    authenticate(message)


@each(lambda vector: vector.use_case in IN_THE_HOME)
def test_mac_of_a_message_inside_the_home_is_not_valid(vector: Vector) -> None:
    message = decoded(vector)
    assert message.mac_status in (Status.INVALID, Status.UNVERIFIED)
    with pytest.raises(AuthenticationError):
        authenticate(message)


@each()
def test_signature_is_valid_if_keys_exist(vector: Vector) -> None:
    message, by_hand = decoded(vector), fields(vector.octets)
    if not by_hand.signature:
        assert message.signature_status is Status.ABSENT
    elif "ds" in raw_keys().get(by_hand.originator.hex(), {}):
        assert message.signature_status is Status.VALID
    else:
        assert message.signature_status is Status.UNVERIFIED


@each(_encrypts)
def test_encrypted_attributes_are_opened(vector: Vector) -> None:
    message, by_hand = decoded(vector), fields(vector.octets)
    found = _blobs(vector)
    assert [item.blob for item in message.protected] == found
    plaintexts = [opened(raw_keys(), by_hand, blob) for blob in found]
    assert [(item.status, item.plaintext) for item in message.protected] == [
        (Status.UNVERIFIED if plaintext is None else Status.VALID, plaintext)
        for plaintext in plaintexts
    ]


@each()
def test_json_gives_the_same_octets(vector: Vector) -> None:
    form = json.loads(json.dumps(to_json(decoded(vector))))
    assert encode(from_json(form)).hex() == vector.octets.hex()


@each()
def test_explanation_adds_up(vector: Vector) -> None:
    message = decoded(vector)
    lines = explain(message)
    own = [line for line in lines if not line.decrypted]
    assert b"".join(line.octets for line in own).hex() == vector.octets.hex()
    offset = 0
    for line in own:
        assert line.offset == offset
        offset += len(line.octets)
    assert all(line.field for line in lines)


@each(lambda vector: _encrypts(vector) and fields(vector.octets).family == "dlms")
def test_explanation_goes_into_encrypted_attributes_of_dlms(vector: Vector) -> None:
    message = decoded(vector)
    plaintexts = b"".join(item.plaintext or b"" for item in message.protected)
    lines = [line for line in explain(message) if line.decrypted]
    assert b"".join(line.octets for line in lines).hex() == plaintexts.hex()
    assert lines[0].offset == 0


@each(lambda vector: vector.direction == "PRECOMMAND")
def test_pre_command_is_signed(vector: Vector, rtds_keystore: FileKeystore) -> None:
    pre_command = decoded(vector)
    command = sign(pre_command, rtds_keystore)
    octets = encode(command)
    assert octets[: len(vector.octets)] == vector.octets
    assert octets[len(vector.octets)] == 64
    assert len(octets) == len(vector.octets) + 65
    received = decode(octets, rtds_keystore)
    assert received == command
    assert received.kind == "command"
    assert received.signature_status is Status.VALID
    assert sign(pre_command, rtds_keystore) == command


@each(lambda vector: vector.direction == "PRECOMMAND")
def test_signature_of_the_command_is_one_of_its_pre_command(vector: Vector) -> None:
    command = named(vector.name.removesuffix("_GBCS").replace("PRECOMMAND", "COMMAND"))
    assert fields(command.octets).signed == vector.octets[1:]
    message = decoded(command)
    assert message.cra is CRA.COMMAND
    assert message.signature_status is Status.VALID


@each()
def test_a_changed_octet_and_a_truncation_are_noticed(vector: Vector) -> None:
    """Every seventh position of each message; the first one differs between messages."""
    octets = vector.octets
    for position in range(len(octets) % 7, len(octets), 7):
        changed = bytearray(octets)
        changed[position] ^= 0xFF
        for altered in (bytes(changed), octets[:position]):
            try:
                message = decode(altered, keys())
            except DecodeError:
                continue
            assert encode(message) == altered
            assert message.mac_status is not Status.VALID
