"""Other information: the message code, and the party behind the ACB."""

from dataclasses import replace

import pytest

from gbcs import EUI, DecodeError, EncodeError, Supplementary
from gbcs.other_information import read_other_information, write_other_information
from tests.support.codec_check import check_truncations

PARTY = EUI.parse("90B3D51F30040000")
CODE = 0x0037
FULL = Supplementary(PARTY, 0x0102030405060708, 0x1112131415161718)
CERTIFICATE = bytes(range(100))

FORMS = (
    ("0037", None),
    ("0037 90B3D51F30040000", Supplementary(PARTY)),
    ("0037 90B3D51F30040000 0102030405060708", replace(FULL, originator_counter=None)),
    ("0037 90B3D51F30040000 0102030405060708 1112131415161718", FULL),
    (
        "0037 90B3D51F30040000 0102030405060708" + CERTIFICATE.hex(),
        replace(FULL, originator_counter=None, certificate=CERTIFICATE),
    ),
)


@pytest.mark.parametrize(("text", "supplementary"), FORMS)
def test_every_length(text: str, supplementary: Supplementary | None) -> None:
    octets = bytes.fromhex(text)
    assert read_other_information(octets) == (CODE, supplementary)
    assert write_other_information(CODE, supplementary) == octets
    lengths = frozenset({2, 10, 18, *range(26, 200)})
    check_truncations(read_other_information, octets, prefixes=lengths)


@pytest.mark.parametrize("code", [0, 0xFFFF])
def test_every_code(code: int) -> None:
    assert read_other_information(write_other_information(code, None)) == (code, None)


@pytest.mark.parametrize("size", [0, 1, 3, 9, 11, 17, 19, 25])
def test_other_lengths_are_refused(size: int) -> None:
    with pytest.raises(DecodeError) as caught:
        read_other_information(bytes(size))
    assert caught.value.path == "message.other_information"


@pytest.mark.parametrize(
    ("code", "supplementary"),
    [
        (-1, None),
        (0x10000, None),
        (CODE, replace(FULL, party_counter=-1)),
        (CODE, replace(FULL, party_counter=1 << 64)),
        (CODE, replace(FULL, originator_counter=1 << 64)),
        (CODE, replace(FULL, party_counter=None)),
        (CODE, replace(FULL, certificate=CERTIFICATE)),
        (CODE, Supplementary(PARTY, None, None, CERTIFICATE)),
        (CODE, Supplementary(PARTY, 1, None, CERTIFICATE[:7])),
        (CODE, Supplementary(PARTY, 1, None, CERTIFICATE[:8])),
        (CODE, Supplementary(EUI(PARTY[:7]))),
        (CODE, Supplementary(EUI(PARTY + b"\x00"), 1)),
    ],
)
def test_values_that_cannot_be_encoded(code: int, supplementary: Supplementary | None) -> None:
    with pytest.raises(EncodeError) as caught:
        write_other_information(code, supplementary)
    assert caught.value.path == "message.other_information"
