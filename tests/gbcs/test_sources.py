"""Forms in which messages are written, and the files they are in."""

import base64
from pathlib import Path

import pytest

from gbcs.sources import SourceError, files_under, messages_in, octets_in

ONE = bytes.fromhex("DF090100") + bytes(range(60))
TWO = bytes.fromhex("DD000000") + bytes(range(60, 0, -1))
SEGMENT = bytes.fromhex("E0010203")


def _wrapped(octets: bytes, width: int) -> bytes:
    digits = octets.hex()
    lines = [digits[at : at + width] for at in range(0, len(digits), width)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    "content",
    [
        ONE,
        ONE.hex().encode(),
        ONE.hex().upper().encode(),
        b"  " + ONE.hex(" ").encode() + b"\r\n",
        ONE.hex("\n").encode(),
        _wrapped(ONE, 16),
        _wrapped(ONE, 64) + b"\n\n",
        base64.b64encode(ONE),
        base64.encodebytes(ONE),
        base64.b64encode(ONE) + b"\n",
    ],
)
def test_one_message(content: bytes) -> None:
    assert octets_in(content) == ONE
    assert messages_in(content) == [ONE]


@pytest.mark.parametrize(
    "content",
    [
        b"\n".join((ONE.hex().encode(), TWO.hex().upper().encode(), SEGMENT.hex().encode())),
        b"\r\n\r\n".join((ONE.hex().encode(), base64.b64encode(TWO), SEGMENT.hex().encode())),
        b"\n" + ONE.hex(" ").encode() + b"\n" + TWO.hex().encode() + b"\n" + SEGMENT.hex().encode(),
    ],
)
def test_a_message_a_line(content: bytes) -> None:
    assert messages_in(content) == [ONE, TWO, SEGMENT]


def test_octets_may_hold_anything() -> None:
    octets = b"\xdf\n\xdd\n\xe0\r\n 00"
    assert messages_in(octets) == [octets]
    assert octets_in(octets) == octets


def test_hex_of_anything_is_octets() -> None:
    assert octets_in(b"0102") == b"\x01\x02"
    assert messages_in(b"01\n02") == [b"\x01\x02"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"nonsense",
        b"DF0",
        b"DF09 0x01",
        b"DF09\nnonsense!",
        base64.b64encode(b"something else"),
        base64.b64encode(ONE)[:-3],
        b"\x00\x01\x02",
        b"\xff\xfe",
        "DF09é".encode(),
        b'{"kind": "command"}',
    ],
)
def test_nonsense_is_one_line_of_error(content: bytes) -> None:
    for read in (octets_in, messages_in):
        with pytest.raises(SourceError) as caught:
            read(content)
        assert "\n" not in str(caught.value)


def test_a_file_is_itself_and_a_folder_its_files(tmp_path: Path) -> None:
    names = ("b.hex", "a/2.hex", "a/1.hex", "a/b/c.bin")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(ONE)
    assert list(files_under(tmp_path / "b.hex")) == [tmp_path / "b.hex"]
    found = [str(path.relative_to(tmp_path)) for path in files_under(tmp_path)]
    assert found == ["a/1.hex", "a/2.hex", "a/b/c.bin", "b.hex"]
    assert list(files_under(tmp_path / "absent")) == [tmp_path / "absent"]
