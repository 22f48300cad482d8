"""Every GBZ content of the RTDS."""

import json
from collections.abc import Iterator
from functools import cache, partial
from random import Random

import pytest

from gbcs.errors import DecodeError
from gbcs.gbz import (
    Component,
    Encrypted,
    Fields,
    GbzContent,
    Opaque,
    decode_gbz,
    decrypt_components,
    encode_gbz,
    encode_payload,
    from_json,
    to_json,
)
from tests.support.rtds import named, needs_rtds, raw_keys, vectors
from tests.support.second_hand import Fields as Message
from tests.support.second_hand import fields, opened

pytestmark = needs_rtds

BROKEN_ONE_BY_ONE = (
    "CS10b_6.13_SUCCESS_RESPONSE",
    "GCS02_1.6_8F66_FUTURE_DATED_SUCCESS_ALERT_CHANGE_PAYMENT_MODE",
    "GCS13a_4.1.1_ERROR_RESPONSE",
    "GCS15d_4.4.4_SUCCESS_COMMAND",
    "GCS21e_6.2.4_ERROR_RESPONSE",
    "GCS21f_4.11.1_SUCCESS_RESPONSE",
    "GCS44_3.4_ERROR_COMMAND",
    "GCS53_NA_8F0A_ALERT",
)


@cache
def _in_gbz() -> dict[str, Message]:
    messages = {vector.name: fields(vector.octets) for vector in vectors()}
    return {name: message for name, message in messages.items() if message.family == "gbz"}


def _named(name: str) -> bytes:
    return fields(named(name).octets).content


def _opened(message: Message) -> GbzContent:
    return decrypt_components(decode_gbz(message.content), partial(opened, raw_keys(), message))


def _components() -> Iterator[tuple[str, Message, Component]]:
    for name, message in _in_gbz().items():
        for component in _opened(message).components:
            yield name, message, component


def test_every_content_encodes_to_its_own_octets() -> None:
    for name, message in _in_gbz().items():
        assert encode_gbz(decode_gbz(message.content)) == message.content, name


def test_every_content_survives_json() -> None:
    for name, message in _in_gbz().items():
        content = decode_gbz(message.content)
        again = from_json(json.loads(json.dumps(to_json(content))))
        assert again == content, name
        assert encode_gbz(again) == message.content, name


def test_every_cluster_and_command_has_a_name() -> None:
    for name, _, component in _components():
        assert component.cluster_name, name
        assert component.command_name, name


def test_no_payload_stays_octets() -> None:
    opaque = [
        (name, component.command_name)
        for name, _, component in _components()
        if isinstance(component.payload, Opaque)
        or (
            isinstance(component.payload, Encrypted)
            and isinstance(component.payload.plaintext, Opaque)
        )
    ]
    assert opaque == []


def test_every_encrypted_component_decrypts_to_fields_that_encode_to_the_plaintext() -> None:
    for name, message, component in _components():
        payload = component.payload
        if not isinstance(payload, Encrypted):
            continue
        plaintext = opened(raw_keys(), message, payload.blob)
        if plaintext is None:  # a key is missing
            assert payload.plaintext is None, name
            continue
        assert isinstance(payload.plaintext, Fields), name
        octets = encode_payload(
            component.cluster, component.frame_control, component.command, payload.plaintext
        )
        assert octets == plaintext, name


def test_plaintexts_survive_json() -> None:
    for name, message in _in_gbz().items():
        content = _opened(message)
        again = from_json(json.loads(json.dumps(to_json(content))))
        for before, after in zip(content.components, again.components, strict=True):
            if isinstance(before.payload, Encrypted):
                assert isinstance(after.payload, Encrypted)
                assert after.payload.plaintext == before.payload.plaintext, name


def _same_or_refused(octets: bytes) -> None:
    try:
        content = decode_gbz(octets)
    except DecodeError:
        return
    assert encode_gbz(content) == octets


@pytest.mark.parametrize("name", BROKEN_ONE_BY_ONE)
def test_every_truncation_is_refused_or_encodes_back(name: str) -> None:
    content = _named(name)
    for end in range(len(content)):
        _same_or_refused(content[:end])


@pytest.mark.parametrize("name", BROKEN_ONE_BY_ONE)
def test_a_truncated_component_is_refused(name: str) -> None:
    content = _named(name)
    if decode_gbz(content).alert is None:
        for end in range(len(content)):
            with pytest.raises(DecodeError):
                decode_gbz(content[:end])


@pytest.mark.parametrize("name", BROKEN_ONE_BY_ONE)
def test_every_change_of_an_octet_is_refused_or_encodes_back(name: str) -> None:
    content = _named(name)
    random = Random(name)
    for position, octet in enumerate(content):
        for changed in {octet ^ 0x01, octet ^ 0x80, 0x00, 0xFF, random.randrange(256)}:
            _same_or_refused(content[:position] + bytes((changed,)) + content[position + 1 :])


@pytest.mark.parametrize("name", BROKEN_ONE_BY_ONE)
def test_an_octet_too_many_is_refused_or_encodes_back(name: str) -> None:
    content = _named(name)
    _same_or_refused(content + b"\x00")
    if decode_gbz(content).alert is None:
        with pytest.raises(DecodeError, match="left over"):
            decode_gbz(content + b"\x00")
