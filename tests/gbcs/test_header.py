"""The envelope of a message, compared with one built by hand."""

from dataclasses import replace

import pytest

from gbcs import EUI, DecodeError, EncodeError
from gbcs.header import (
    Envelope,
    add_mac,
    open_envelope,
    write_envelope,
    write_sealed,
    write_signed,
)
from tests.support.codec_check import check_codec
from tests.support.second_hand import MAC_HEAD, SECURITY, fields, lv

METER, PARTY = EUI.parse("00DB1234567890A0"), EUI.parse("90B3D51F30010000")
COUNTER = 0x0102030405060708
CONTENT = bytes(range(200))
TIME = bytes.fromhex("07DE0C1FFF000000008000FF")
SIGNATURE, MAC = bytes(range(64)), bytes(range(100, 112))

HEADER = bytes.fromhex(
    "DF 09 01 0102030405060708 08 90B3D51F30010000 08 00DB1234567890A0 00 02 0037 81 C8"
)
TIMED = bytes.fromhex(
    "DF 09 02 0102030405060708 08 00DB1234567890A0 08 90B3D51F30010000"
    "0C 07DE0C1FFF000000008000FF 02 0037 81 C8"
)
PRE_COMMAND = Envelope(1, COUNTER, PARTY, METER, b"", b"\x00\x37", CONTENT, None, None)
RESPONSE = Envelope(2, COUNTER, METER, PARTY, TIME, b"\x00\x37", CONTENT, b"", None)

MESSAGES = {
    "pre-command": (PRE_COMMAND, HEADER + CONTENT),
    "command": (replace(PRE_COMMAND, signature=b""), HEADER + CONTENT + b"\x00"),
    "signed command": (
        replace(PRE_COMMAND, signature=SIGNATURE),
        HEADER + CONTENT + b"\x40" + SIGNATURE,
    ),
    "sealed command": (
        replace(PRE_COMMAND, signature=b"", mac=MAC),
        MAC_HEAD + lv(SECURITY + HEADER + CONTENT + b"\x00" + MAC),
    ),
    "signed and sealed command": (
        replace(PRE_COMMAND, signature=SIGNATURE, mac=MAC),
        MAC_HEAD + lv(SECURITY + HEADER + CONTENT + b"\x40" + SIGNATURE + MAC),
    ),
    "response with a time": (RESPONSE, TIMED + CONTENT + b"\x00"),
    "sealed response with a time": (
        replace(RESPONSE, mac=MAC),
        MAC_HEAD + lv(SECURITY + TIMED + CONTENT + b"\x00" + MAC),
    ),
    "signed response": (
        replace(RESPONSE, signature=SIGNATURE),
        TIMED + CONTENT + b"\x40" + SIGNATURE,
    ),
}


def _open(octets: bytes) -> Envelope:
    return replace(open_envelope(octets), sealed=b"")


@pytest.mark.parametrize(("envelope", "octets"), MESSAGES.values(), ids=MESSAGES)
def test_envelopes(envelope: Envelope, octets: bytes) -> None:
    is_pre_command = envelope.signature is None
    command_without_mac = envelope.cra == 1 and envelope.mac is None
    prefixes = frozenset({len(HEADER + CONTENT)} if command_without_mac else ())
    if is_pre_command:
        assert _open(octets) == envelope
        assert write_envelope(envelope) == octets
        assert _open(octets + b"\x00") == replace(envelope, signature=b"")
    else:
        check_codec(_open, write_envelope, envelope, octets, prefixes=prefixes)


@pytest.mark.parametrize(("envelope", "octets"), MESSAGES.values(), ids=MESSAGES)
def test_octets_under_signature_and_mac(envelope: Envelope, octets: bytes) -> None:
    opened, by_hand = open_envelope(octets), fields(octets)
    assert opened.signed == by_hand.signed == write_signed(envelope)
    if envelope.mac is not None:
        assert opened.sealed == by_hand.sealed == write_sealed(envelope)
        assert add_mac(opened.sealed, MAC) == octets


def test_a_pre_command_is_not_sealed() -> None:
    for envelope in (PRE_COMMAND, replace(PRE_COMMAND, mac=MAC)):
        with pytest.raises(EncodeError, match="sign it first"):
            write_sealed(envelope)
    with pytest.raises(EncodeError, match="sign it first"):
        write_envelope(replace(PRE_COMMAND, mac=MAC))


@pytest.mark.parametrize(
    "envelope",
    [
        replace(RESPONSE, cra=-1),
        replace(RESPONSE, cra=256),
        replace(RESPONSE, counter=-1),
        replace(RESPONSE, counter=1 << 64),
        replace(RESPONSE, originator=EUI(METER[:7])),
        replace(RESPONSE, recipient=EUI(METER + b"\x00")),
        replace(RESPONSE, transaction_time=b"\x00"),
        replace(RESPONSE, transaction_time=TIME + b"\x00"),
        replace(RESPONSE, signature=SIGNATURE[:63]),
        replace(RESPONSE, signature=SIGNATURE + b"\x00"),
        replace(RESPONSE, signature=None),
        replace(RESPONSE, mac=b""),
        replace(RESPONSE, mac=MAC[:11]),
        replace(RESPONSE, mac=MAC + b"\x00"),
    ],
)
def test_values_that_cannot_be_encoded(envelope: Envelope) -> None:
    """An envelope that could not be read again is not written."""
    with pytest.raises(EncodeError) as caught:
        write_envelope(envelope)
    assert caught.value.path.startswith("message")


@pytest.mark.parametrize("position", [1, 11, 20])
def test_lengths_of_transaction_id_and_euis_are_fixed(position: int) -> None:
    octets = bytearray(HEADER + CONTENT)
    octets[position] += 1
    with pytest.raises(DecodeError) as caught:
        open_envelope(bytes(octets))
    assert caught.value.path.startswith("message")


def test_the_length_of_the_mac_header_counts_the_rest() -> None:
    _, octets = MESSAGES["sealed command"]
    head, body = octets[:7], octets[9:]
    assert octets[7:9] == b"\x81" + bytes((len(body),))
    for size in (0, 5, 127, len(body) - 1, len(body) + 1, 1000):
        with pytest.raises(DecodeError):
            open_envelope(head + lv(bytes(size))[: -size or None] + body)
