"""Octets that are not a message, or not an authentic one, from the RTDS and by hand."""

from collections.abc import Iterator
from functools import cache, partial

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gbcs import EUI, DecodeError, FileKeystore, Keystore, KeyUsage, Status, decode, encode
from gbcs.message import MAX_OCTETS
from tests.support.codec_check import check_truncations, outcome
from tests.support.rtds import KEYSTORE, Vector, each
from tests.support.second_hand import SECURITY, fields, grouping, lv, seal

METER, OTHER_METER = EUI.parse("00DB1234567890A0"), EUI.parse("00DB123456789001")
SUPPLIER = EUI.parse("90B3D51F30010000")
CODE = b"\x00\x36"


@cache
def _keys() -> Keystore:
    return FileKeystore.load(KEYSTORE)


def _signed(content: bytes, cra: int = 2, information: bytes = CODE) -> bytes:
    """Return a message without MAC header and with an empty signature."""
    return grouping(cra, 7, METER, SUPPLIER, information, content) + b"\x00"


def _refused(octets: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode(octets)
    assert caught.value.path
    assert caught.value.reason
    assert "\n" not in str(caught.value)
    return caught.value


# Messages of the RTDS, spoilt.


@each(lambda vector: vector.reads_a_log)
def test_every_truncation_is_refused(vector: Vector) -> None:
    check_truncations(lambda octets: decode(octets, _keys()), vector.octets)


@each()
def test_trailing_octets_are_refused(vector: Vector) -> None:
    if vector.direction == "PRECOMMAND":
        assert decode(vector.octets + b"\x00").kind == "command"
        _refused(vector.octets + b"\x01")
    else:
        _refused(vector.octets + b"\x00")
        _refused(vector.octets + vector.octets)


def _changed(octets: bytes) -> Iterator[bytes]:
    """Yield `octets` with one octet changed: the lowest, the highest, another and all bits."""
    for position, octet in enumerate(octets):
        for change in {0x01, 0x80, 1 << position % 8, 0xFF}:
            yield octets[:position] + bytes((octet ^ change,)) + octets[position + 1 :]


@each(lambda vector: vector.reads_a_log)
def test_every_single_octet_change_is_noticed(vector: Vector) -> None:
    for octets in _changed(vector.octets):
        found = outcome(partial(decode, octets, _keys()), DecodeError)
        if isinstance(found, DecodeError):
            assert found.path, octets.hex()
        else:
            assert found.mac_status is not Status.VALID, octets.hex()
            assert encode(found) == octets


class Confused(Keystore):
    """The keys of the RTDS, except that `eui` has those of `other`, or none."""

    def __init__(self, eui: EUI, other: EUI | None) -> None:
        super().__init__()
        self._others = {eui: other}

    def private_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePrivateKey | None:
        other = self._others.get(eui, eui)
        return None if other is None else _keys().private_key(other, usage)

    def public_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePublicKey | None:
        other = self._others.get(eui, eui)
        return None if other is None else _keys().public_key(other, usage)


@each(lambda vector: vector.reads_a_log)
def test_a_wrong_key_shows(vector: Vector) -> None:
    message = decode(vector.octets, Confused(METER, OTHER_METER))
    assert message.mac_status is Status.INVALID
    assert {item.status for item in message.protected} <= {Status.INVALID}
    assert all(item.plaintext is None for item in message.protected)


@each(lambda vector: vector.reads_a_log)
def test_a_missing_key_shows(vector: Vector) -> None:
    message = decode(vector.octets, Confused(METER, None))
    assert message.mac_status is Status.UNVERIFIED
    assert {item.status for item in message.protected} <= {Status.UNVERIFIED}


@each(lambda vector: bool(fields(vector.octets).signature))
def test_a_signature_by_another_shows(vector: Vector) -> None:
    originator = EUI(fields(vector.octets).originator)
    assert decode(vector.octets, _keys()).signature_status is Status.VALID
    other = decode(vector.octets, Confused(originator, OTHER_METER))
    assert other.signature_status is Status.INVALID
    nobody = decode(vector.octets, Confused(originator, None))
    assert nobody.signature_status is Status.UNVERIFIED


# The envelope, by hand.


def test_other_first_octets_are_refused() -> None:
    assert _refused(b"").path == "message"
    for first in set(range(256)) - {0xDD, 0xDF}:
        assert _refused(bytes((first,)) + bytes(60)).path == "message"


@pytest.mark.parametrize("cra", [0, 4, 0x80, 0xFF])
def test_an_unknown_cra_flag_is_refused(cra: int) -> None:
    assert _refused(_signed(b"", cra)).path == "message.cra"


@pytest.mark.parametrize("size", [0, 1, 3, 9, 11, 17, 19, 25])
def test_other_information_of_odd_length_is_refused(size: int) -> None:
    octets = _signed(b"", information=bytes(size))
    assert _refused(octets).path == "message.other_information"


@pytest.mark.parametrize("size", [2, 10, 18, 26, 27, 300])
def test_other_information_of_other_lengths_is_read(size: int) -> None:
    octets = _signed(b"", information=bytes(range(1, 256))[:2] + bytes(size - 2))
    assert encode(decode(octets)) == octets


@pytest.mark.parametrize("size", [1, 2, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(size: int) -> None:
    octets = grouping(2, 7, METER, SUPPLIER, CODE, b"") + lv(bytes(size))
    assert _refused(octets).path == "message.signature"


@pytest.mark.parametrize("size", [1, 5, 11, 13])
def test_a_date_time_of_another_length_is_refused(size: int) -> None:
    octets = grouping(2, 7, METER, SUPPLIER, CODE, b"", bytes(size)) + b"\x00"
    assert _refused(octets).path == "message.transaction_time"


def test_lengths_are_in_their_shortest_form() -> None:
    plain = _signed(b"\x0f" + bytes(4) + b"\x00\x00")
    sealed = seal(bytes(16), METER, plain)
    assert decode(plain)
    assert decode(sealed)
    for octets, length in ((plain, b"\x07\x0f"), (plain, b"\x02" + CODE), (plain, b"\x00\x02")):
        assert octets.count(length) == 1
        for longer in (b"\x81", b"\x82\x00", b"\x83\x00\x00", b"\x84\x00\x00\x00"):
            error = _refused(octets.replace(length, longer + length))
            assert "shortest form" in error.reason
    assert "shortest form" in _refused(sealed[:7] + b"\x81" + sealed[7:]).reason


def test_a_length_takes_at_most_four_octets() -> None:
    head = grouping(2, 7, METER, SUPPLIER, CODE, b"")[:-1]
    for length in (b"\x80", b"\x85" + bytes(5), b"\xff" + bytes(127)):
        assert "1 to 4 are allowed" in _refused(head + length).reason
    assert "left" in _refused(head + b"\x84\xff\xff\xff\xff").reason


@pytest.mark.parametrize("position", range(7))
def test_mac_header_is_empty(position: int) -> None:
    octets = bytearray(seal(bytes(16), METER, _signed(b"")))
    octets[position] ^= 1
    _refused(bytes(octets))


def test_any_other_security_header_is_refused() -> None:
    octets = seal(bytes(16), METER, _signed(b""))
    for position in range(len(SECURITY)):
        changed = bytearray(SECURITY)
        changed[position] ^= 1
        _refused(octets.replace(SECURITY, bytes(changed)))


def test_a_response_or_alert_has_a_signature_length() -> None:
    """Only a pre-command, which is a command, lacks the signature length."""
    assert decode(_signed(b"", cra=1)[:-1]).kind == "pre-command"
    for cra in (2, 3):
        _refused(_signed(b"", cra)[:-1])


def test_a_message_behind_a_mac_header_is_signed() -> None:
    pre_command = grouping(1, 7, SUPPLIER, METER, CODE, b"")
    _refused(seal(bytes(16), SUPPLIER, pre_command))


def test_too_many_octets_are_refused() -> None:
    assert str(MAX_OCTETS) in _refused(bytes(MAX_OCTETS + 1)).reason
