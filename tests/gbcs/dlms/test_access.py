"""APDUs: access-request, access-response and data-notification."""

from dataclasses import replace

import pytest
from hypothesis import given

from gbcs import DecodeError, EncodeError
from gbcs.dlms.access import (
    Access,
    AccessRequest,
    AccessResponse,
    AccessResult,
    Apdu,
    Choice,
    DataNotification,
    decode_apdu,
    encode_apdu,
)
from gbcs.dlms.data import NULL, Data, DataType, octet_string, structure
from tests.support.codec_check import check_codec
from tests.support.rtds import Vector, each
from tests.support.second_hand import fields
from tests.support.strategies import apdus

OBIS = bytes.fromhex("0000630100FF")
SEVEN = Data(DataType.UNSIGNED, 7)
TIME = bytes.fromhex("07DE0C1FFF000000008000FF")

FORMS: dict[str, Apdu] = {
    "D9 2000002A 00 00 00": AccessRequest(0x2000002A, ()),
    "D9 2000002A 00 01 01 0007 0000630100FF 02 01 00": AccessRequest(
        0x2000002A, (Access(Choice.GET, 7, OBIS, 2, NULL),)
    ),
    "D9 2000002A 0C 07DE0C1FFF000000008000FF"
    "03 02 0003 0000630100FF 02  03 001E 0000630100FF 01  04 0007 0000630100FF 02 01 1107"
    "03 1107 0200 00": AccessRequest(
        0x2000002A,
        (
            Access(Choice.SET, 3, OBIS, 2, SEVEN),
            Access(Choice.ACTION, 30, OBIS, 1, structure()),
            Access(Choice.GET_WITH_SELECTION, 7, OBIS, 2, NULL, 1, SEVEN),
        ),
        TIME,
    ),
    "D9 00000000 00 01 05 FFFF FFFFFFFFFFFF FF FF 0200 01 1107": AccessRequest(
        0, (Access(Choice.SET_WITH_SELECTION, 0xFFFF, b"\xff" * 6, 255, SEVEN, 255, structure()),)
    ),
    "DA 2000002A 00 00 00 00": AccessResponse(0x2000002A, ()),
    "DA 2000002A 00 00 02 1107 00 02 01 00 03 FA": AccessResponse(
        0x2000002A, (AccessResult(Choice.GET, 0, SEVEN), AccessResult(Choice.ACTION, 250, NULL))
    ),
    "0F FFFFFFFF 00 0901AA": DataNotification(0xFFFFFFFF, octet_string(b"\xaa")),
    "0F 2000002A 0C 07DE0C1FFF000000008000FF 00": DataNotification(0x2000002A, NULL, TIME),
}


@pytest.mark.parametrize(("octets", "apdu"), FORMS.items())
def test_every_kind(octets: str, apdu: Apdu) -> None:
    check_codec(decode_apdu, encode_apdu, apdu, bytes.fromhex(octets))


@given(apdus)
def test_any_apdu_is_read_again(apdu: Apdu) -> None:
    assert decode_apdu(encode_apdu(apdu)) == apdu


@each(lambda vector: fields(vector.octets).family == "dlms")
def test_apdus_of_the_rtds(vector: Vector) -> None:
    content = fields(vector.octets).content
    apdu = decode_apdu(content)
    assert encode_apdu(apdu).hex() == content.hex()
    counter = fields(vector.octets).counter
    assert apdu.invoke_id == 0x20000000 | counter & 0xFFFFFF


@pytest.mark.parametrize("content", [b"", b"\xd8", b"\xdb" + bytes(20), b"\x30\x00"])
def test_other_tags_are_refused(content: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_apdu(content)
    assert caught.value.path == "apdu"


GET = Access(Choice.GET, 7, OBIS, 2, NULL)
SELECT = Access(Choice.GET_WITH_SELECTION, 7, OBIS, 2, NULL, 1, SEVEN)


@pytest.mark.parametrize(
    "access",
    [
        replace(GET, class_id=-1),
        replace(GET, class_id=1 << 16),
        replace(GET, index=256),
        replace(GET, obis=OBIS[:5]),
        replace(GET, obis=OBIS + b"\x00"),
        replace(GET, data=Data(DataType.UNSIGNED, 256)),
        replace(SELECT, selector=256),
        replace(SELECT, selector=None),
        replace(SELECT, selection=None),
        replace(SELECT, selection=Data(DataType.UNSIGNED, 256)),
        replace(SELECT, choice=Choice.GET),
        replace(GET, selector=1),
    ],
)
def test_accesses_without_octets(access: Access) -> None:
    with pytest.raises(EncodeError) as caught:
        encode_apdu(AccessRequest(0, (GET, access)))
    assert caught.value.path


@pytest.mark.parametrize("code", [-1, 256, 0x300])
def test_result_codes_have_one_octet(code: int) -> None:
    with pytest.raises(EncodeError) as caught:
        encode_apdu(AccessResponse(0, (AccessResult(Choice.GET, code, NULL),)))
    assert caught.value.path.startswith("access_response")


def test_choices_with_a_selection() -> None:
    assert [choice.selects for choice in Choice] == [False, False, False, True, True]
