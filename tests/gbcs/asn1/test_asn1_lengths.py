"""Lengths of 128 to 255 in the form of the RTDS and in that of DER."""

import pytest

from gbcs.asn1 import Asn1Content, encode_asn1, from_json, to_json
from gbcs.asn1.lengths import widen
from gbcs.errors import DecodeError
from tests.gbcs.asn1.asn1_examples import EXAMPLES, Example, certification_request, decoded, tlv

LOG = next(
    example for example in EXAMPLES if example.type_name == "GPFDeviceLogBackup.AlertPayload"
)


def _wide(der: bytes) -> bytes:
    """Write the two lengths of the log again, by hand."""
    entries = der[-9 * 15 :]
    alert, when = der[3:8], der[8:25]
    inner = b"\x30\x82" + len(entries).to_bytes(2, "big") + entries
    body = alert + when + inner
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def test_the_example_has_two_such_lengths() -> None:
    assert LOG.octets[:2] == b"\x30\x81"
    assert LOG.octets[25:28] == b"\x30\x81\x87"


def test_both_forms_are_read_and_written() -> None:
    wide = _wide(LOG.octets)
    content = decoded(LOG.message_code, LOG.cra, wide)
    assert content == Asn1Content(LOG.type_name, LOG.value, wide_lengths=True)
    assert encode_asn1(content) == wide
    assert to_json(content)["wide_lengths"] is True
    assert from_json(LOG.type_name, to_json(content)) == content
    assert encode_asn1(Asn1Content(LOG.type_name, LOG.value)) == LOG.octets


def test_a_mixture_of_the_two_is_refused() -> None:
    body = LOG.octets[3:]
    mixed = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    with pytest.raises(DecodeError):
        decoded(LOG.message_code, LOG.cra, mixed)


def test_a_length_below_128_has_one_form() -> None:
    with pytest.raises(DecodeError):
        decoded(0x000F, 1, bytes.fromhex("0482000800DB123456789094"))


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: f"{example.type_name}-{len(example.octets)}"
)
def test_writing_wide_changes_nothing_but_lengths(example: Example) -> None:
    wide = encode_asn1(Asn1Content(example.type_name, example.value, wide_lengths=True))
    content = decoded(example.message_code, example.cra, wide)
    assert content.value == example.value
    assert content.wide_lengths is (wide != example.octets)


def test_certificates_keep_their_own_lengths() -> None:
    request = certification_request()
    assert request[:2] == b"\x30\x81"
    wide = b"\x30\x82" + (len(request) - 3).to_bytes(2, "big") + request[3:]
    content = decoded(0x000A, 2, wide)
    assert content == Asn1Content("IssueSecurityCredentials.ResponsePayload", request, True)
    assert encode_asn1(content) == wide


@pytest.mark.parametrize(
    ("size", "header"),
    [(127, "047F"), (128, "04820080"), (255, "048200FF"), (256, "04820100"), (65536, "0483010000")],
)
def test_lengths_at_the_edges(size: int, header: str) -> None:
    octets = bytes(size)
    assert widen(tlv(0x04, octets), frozenset()) == bytes.fromhex(header) + octets


def test_a_length_that_grows_past_255_because_of_its_contents() -> None:
    inner = tlv(0x04, bytes(250))
    assert widen(tlv(0x30, inner), frozenset())[:4] == b"\x30\x82\x00\xfe"
    assert widen(tlv(0x30, inner, b"\x05\x00"), frozenset())[:4] == b"\x30\x82\x01\x00"
