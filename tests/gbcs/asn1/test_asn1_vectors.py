"""Every ASN.1 content of the RTDS."""

import json
from functools import cache

import pytest
from cryptography import x509

from gbcs.asn1 import Asn1Content, Certificate, decode_asn1, encode_asn1, from_json, to_json
from gbcs.asn1.named_numbers import (
    CellUsage,
    CredentialsReplacementMode,
    KeyUsage,
    RemotePartyRole,
    StatusCode,
)
from gbcs.errors import DecodeError
from gbcs.eui import EUI
from tests.support.rtds import named, needs_rtds, vectors
from tests.support.second_hand import Fields, fields

pytestmark = needs_rtds

BROKEN_ONE_BY_ONE = (
    "CS03A1_8.7.1_ERROR_COMMAND",
    "CS06_11.3_8F66_FUTURE_DATED_SUCCESS_ALERT",
    "CS02aSignature_NA_SUCCESS_RESPONSE",
    "CS02bSupplierByTransCoS_6.23_IMMEDIATE_SUCCESS_RESPONSE",
)
"""Vectors in which the test changes every octet; in short ones, to every value."""


@cache
def _messages() -> dict[str, Fields]:
    return {vector.name: fields(vector.octets) for vector in vectors()}


@cache
def _in_asn1() -> dict[str, Fields]:
    return {name: message for name, message in _messages().items() if message.family == "asn1"}


def _decoded(message: Fields) -> Asn1Content:
    content = decode_asn1(message.message_code, message.cra, message.content)
    assert content is not None, message
    return content


def _named(name: str) -> Fields:
    return fields(named(name).octets)


def test_exactly_the_asn1_contents_are_taken_for_asn1() -> None:
    for name, message in _messages().items():
        if name not in _in_asn1():
            assert decode_asn1(message.message_code, message.cra, message.content) is None, name


def test_every_content_encodes_to_its_own_octets() -> None:
    for name, message in _in_asn1().items():
        assert encode_asn1(_decoded(message)) == message.content, name


def test_every_content_survives_json() -> None:
    for name, message in _in_asn1().items():
        content = _decoded(message)
        text = json.dumps(to_json(content))
        again = from_json(content.type_name, json.loads(text))
        assert again == content, name
        assert encode_asn1(again) == message.content, name


def test_no_number_of_a_vector_lacks_a_name() -> None:
    counters = ("counter", "seqnumber", "alertcode")

    def numbers(value: object, name: str = "") -> list[str]:
        if isinstance(value, dict):
            return [found for key in value for found in numbers(value[key], key)]
        if isinstance(value, list):
            return [found for entry in value for found in numbers(entry, name)]
        return [name] if isinstance(value, int) and not name.lower().endswith(counters) else []

    for name, message in _in_asn1().items():
        assert not numbers(to_json(_decoded(message))["value"], name), name


@pytest.mark.parametrize("name", BROKEN_ONE_BY_ONE)
def test_truncations_and_trailing_octets_are_refused(name: str) -> None:
    message = _named(name)
    for end in range(len(message.content)):
        with pytest.raises(DecodeError):
            decode_asn1(message.message_code, message.cra, message.content[:end])
    with pytest.raises(DecodeError):
        decode_asn1(message.message_code, message.cra, message.content + b"\x00")


@pytest.mark.parametrize("name", BROKEN_ONE_BY_ONE)
def test_a_changed_octet_is_refused_or_comes_back_out(name: str) -> None:
    message = _named(name)
    values = range(256) if len(message.content) < 60 else (0x00, 0x01, 0x30, 0x80, 0x81, 0xFF)
    for position in range(len(message.content)):
        for value in values:
            changed = bytearray(message.content)
            changed[position] = value
            try:
                content = decode_asn1(message.message_code, message.cra, bytes(changed))
            except DecodeError:
                continue
            assert content is not None
            assert encode_asn1(content) == changed


def test_changes_in_and_around_certificates_are_refused_or_come_back_out() -> None:
    message = _named("CS02bSupplierBySupplier_6.15.1_FUTURE_DATED_ERROR_COMMAND")
    for position in range(0, len(message.content), 3):
        changed = bytearray(message.content)
        changed[position] ^= 0x01
        try:
            content = decode_asn1(message.message_code, message.cra, bytes(changed))
        except DecodeError:
            continue
        assert content is not None
        assert encode_asn1(content) == changed


def test_the_lengths_of_rtds_are_kept_apart_from_those_of_der() -> None:
    wide = [message for message in _in_asn1().values() if _decoded(message).wide_lengths]
    for message in wide:
        content = _decoded(message)
        der = encode_asn1(Asn1Content(content.type_name, content.value))
        assert len(der) < len(message.content)
        again = decode_asn1(message.message_code, message.cra, der)
        assert again == Asn1Content(content.type_name, content.value)


def test_the_explanation_of_a_replacement_of_credentials() -> None:
    content = _decoded(_named("CS02bSupplierBySupplier_6.15.1_FUTURE_DATED_ERROR_COMMAND"))
    control = content.value.authorising_remote_party_control
    assert control.credentials_replacement_mode is CredentialsReplacementMode.SUPPLIER_BY_SUPPLIER
    assert control.authorising_remote_party_seq_number == 1004
    cells = [each.target_trust_anchor_cell for each in content.value.replacements]
    assert [cell.trust_anchor_cell_remote_party_role for cell in cells] == (
        [RemotePartyRole.SUPPLIER] * 3
    )
    assert [cell.trust_anchor_cell_key_usage for cell in cells] == (
        [KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_AGREEMENT, KeyUsage.KEY_AGREEMENT]
    )
    assert cells[2].trust_anchor_cell_usage is CellUsage.PREPAYMENT_TOP_UP


def test_every_certificate_opens_with_cryptography() -> None:
    for message in _in_asn1().values():
        for certificate in _certificates(_decoded(message).value):
            assert x509.load_der_x509_certificate(certificate).version is x509.Version.v3


def _certificates(value: object) -> list[Certificate]:
    if isinstance(value, Certificate):
        return [value]
    if isinstance(value, tuple):
        return [found for each in value for found in _certificates(each)]
    names = getattr(value, "__dataclass_fields__", ())
    return [found for name in names for found in _certificates(getattr(value, name))]


def test_an_outcome_names_device_and_party() -> None:
    message = _named("CS02gLoadControllerBySupplier_6.15.1_8F67_FUTURE_DATED_ERROR_ALERT")
    outcome = _decoded(message).value.execution_outcome.replacement_outcomes[0]
    assert outcome.status_code is StatusCode.NO_TRUST_ANCHOR
    assert outcome.existing_subject_unique_id == EUI.parse("90B3D51F30010008")
    assert isinstance(outcome.existing_subject_unique_id, EUI)
