"""Text forms of messages, and files with messages."""

import base64
import codecs
import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gbcs import DecodeError
from gbcs.sources import SourceError, files_under, messages_in
from gbcs.xml_payloads import MAX_DEPTH
from tests.support.effort import at_most, within

ONE = bytes.fromhex("DF090100") + bytes(range(60))
TWO = bytes.fromhex("DD000000") + bytes(range(60, 0, -1))
SEGMENT = bytes.fromhex("E0010203")
HIGH = b"\xdf" + b"\xff\xfe\xfb" * 20
"""Octets whose base64 has both digits that are unsafe in URLs."""

ENCODINGS = [
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (b"", "utf-16-le"),
    (b"", "utf-16-be"),
]


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
        base64.b64encode(ONE).rstrip(b"="),
        *(ONE.hex(separator).encode() for separator in ":-,;._"),
        *(ONE.hex(":").upper().encode() + end for end in (b":", b"\r\n")),
        ", ".join(f"0x{octet:02X}" for octet in ONE).encode(),
        "".join(f"\\x{octet:02x}" for octet in ONE).encode(),
        *(mark + ONE.hex().encode(encoding) for mark, encoding in ENCODINGS),
        *(mark + base64.b64encode(ONE).decode().encode(encoding) for mark, encoding in ENCODINGS),
    ],
)
def test_one_message(content: bytes) -> None:
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


def test_hex_of_anything_is_octets() -> None:
    assert messages_in(b"0102") == [b"\x01\x02"]
    assert messages_in(b"01\n02") == [b"\x01\x02"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"nonsense",
        b"DF0",
        b"DF09 0y01",
        b"DF:0:09",
        b"DF::09",
        b"12:30 o'clock",
        b"DF09\nnonsense!",
        base64.b64encode(b"something else"),
        base64.b64encode(ONE)[:-3],
        b"\x00\x01\x02",
        b"\xff\xfe",
        "DF09é".encode(),
        b'{"kind": "command"}',
    ],
)
def test_nonsense_is_a_one_line_error(content: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        messages_in(content)
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


def test_base64_that_is_safe_in_urls() -> None:
    text = base64.urlsafe_b64encode(HIGH)
    assert b"-" in text
    assert b"_" in text
    assert messages_in(text) == [HIGH]


@pytest.mark.parametrize("separator", ["", ":", " "])
def test_an_odd_number_of_hex_digits_is_counted(separator: str) -> None:
    digits = 2 * len(ONE) - 1
    with pytest.raises(SourceError, match=f"^{digits:,} hex digits: one is missing"):
        messages_in(separator.join(f"{octet:02x}" for octet in ONE).encode()[:-1])


DUMPERS = [
    *(["xxd", *options] for options in ([], ["-c", "8"], ["-g", "1"], ["-a"], ["-u"], ["-p"])),
    ["hexdump", "-C"],
    *(["od", "-A", base, "-t", form] for base, form in product("oxd", ("x1", "x1z"))),
]
TRAPS = [b"\xdd" + b"abcdef01 2345|>" * 5, b"\xdd" + bytes(100), b"\xdd" + b"ab  cd", ONE + b"ff"]
"""Octets whose characters look like digits, and rows that are alike."""


@pytest.mark.parametrize("dumper", DUMPERS, ids=" ".join)
def test_output_of_hexdump_tools(dumper: list[str]) -> None:
    if shutil.which(dumper[0]) is None:
        pytest.skip(f"no {dumper[0]}")
    for trap, end in product(TRAPS, (1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, None)):
        octets = trap[:end]
        text = subprocess.run(dumper, input=octets, capture_output=True, check=True).stdout
        assert messages_in(text) == [octets]


WIRESHARK = b"""\
0000   dd 00 00 00 00 00 00 54  11 00 00 00 00 df 09 01   .......T ........
0010   61 62 63                                           abc

0000   df 09 01                                           ...
"""
TCPDUMP = b"""\
\t0x0000:  dd00 0000 0000 0054 1100 0000 00df 0901  .......T........
\t0x0010:  6162 63                                  abc
"""


def test_dumps_of_other_tools() -> None:
    first = bytes.fromhex("dd00000000000054 1100000000df0901 616263")
    assert messages_in(WIRESHARK) == [first, bytes.fromhex("df0901")]
    assert messages_in(TCPDUMP) == [first]


def test_a_dump_with_a_gap_is_refused() -> None:
    rows = WIRESHARK.replace(b"0010", b"0030")
    with pytest.raises(SourceError):
        messages_in(rows)


def test_rows_that_are_repeated_without_end_are_not_expanded() -> None:
    rows = b"".join(
        b"%08x: dd00\n*\n%08x: 00\n" % (at, at + 0x1000000) for at in range(0, 1 << 30, 1 << 25)
    )
    with within(1 << 26), pytest.raises(SourceError):
        messages_in(rows)


def _duis(payload: str, before: str = "", name: str = "sr:GBCSPayload") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<sr:Response xmlns:sr="urn:x"><sr:Body>'
        f"<{name}>{payload}</{name}></sr:Body></sr:Response>"
    )


ONE64 = base64.b64encode(ONE).decode()
DUIS = {
    "plain": _duis(ONE64),
    "no prefix": _duis(ONE64, name="GBCSPayload"),
    "carriage returns": _duis("&#13;\n".join((ONE64[:40], ONE64[40:], ""))),
    "hexadecimal references": _duis(ONE64.replace("A", "&#x41;")),
    "CDATA": _duis(f"<![CDATA[{ONE64}]]>"),
    "a comment inside": _duis(f"{ONE64[:9]}<!-- > -->{ONE64[9:]}"),
    "an instruction before": _duis(ONE64, "<?xml-stylesheet href='a'?>"),
    "one in a comment": _duis(ONE64, f"<!-- <GBCSPayload>{ONE64}</GBCSPayload> -->"),
    "an attribute with a bracket": _duis(ONE64).replace("<sr:Body>", '<sr:Body a="&lt;b>">'),
    "unpadded": _duis(ONE64.rstrip("=")),
    "hex": _duis(ONE.hex()),
    "line ends before": "\r\n" + _duis(ONE64),
}


@pytest.mark.parametrize("xml", DUIS.values(), ids=DUIS)
def test_the_payload_of_a_duis_document(xml: str) -> None:
    assert messages_in(xml.encode()) == [ONE]
    assert messages_in(xml.encode() * 2) == [ONE, ONE]
    for mark, encoding in ENCODINGS:
        assert messages_in(mark + xml.encode(encoding)) == [ONE]


def test_xml_in_an_encoding_that_it_names() -> None:
    xml = _duis(ONE64, "<!-- \xe9 -->").replace("UTF-8", "ISO-8859-1")
    assert messages_in(xml.encode("latin-1")) == [ONE]


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
BAD_XML = {
    "billion laughs": (_duis("&a9;", f'<!DOCTYPE r [<!ENTITY a0 "ha">{LAUGHS}]>'), "document type"),
    "a file": (
        _duis("&f;", '<!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]>'),
        "document type",
    ),
    "a document type elsewhere": (_duis(ONE64, '<!DOCTYPE r SYSTEM "http://x/">'), "document type"),
    "an entity that there is not": (_duis("&f;"), "undefined entity"),
    "too deep": ("<a>" * (MAX_DEPTH + 1), "nested deeper"),
    "not closed": (_duis(ONE64)[:-3], "not well-formed"),
    "no payload": ("<a/>", "without a GBCSPayload"),
    "no base64": (_duis("!"), "GBCSPayload 1 is neither base64 nor hex"),
    "an empty one": (_duis(""), "GBCSPayload 1 is neither base64 nor hex"),
    "an encoding that there is not": (_duis(ONE64).replace("UTF-8", "UTF-\xe9"), "XML"),
}


@pytest.mark.parametrize(("xml", "reason"), BAD_XML.values(), ids=BAD_XML)
def test_bad_xml_is_a_one_line_error(xml: str, reason: str) -> None:
    with within(1 << 22), pytest.raises(SourceError, match=reason) as caught:
        messages_in(xml.encode("latin-1"))
    assert "\n" not in str(caught.value)


def test_many_documents_are_read_in_one_pass() -> None:
    xml = (_duis(ONE64) + "\n").encode() * 1_000
    with at_most(60_000):
        assert len(messages_in(xml)) == 1_000


TEXTS = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet="0123456789abcdefDF x:,*|>\n\t-_=+/", max_size=200).map(str.encode),
    st.text(alphabet='<>/!?[]&#;"= GBCSPayload0DF', max_size=200).map(
        lambda text: f"<{text}".encode()
    ),
    st.tuples(st.sampled_from(ENCODINGS), st.text(max_size=60)).map(
        lambda pair: pair[0][0] + pair[1].encode(pair[0][1], "replace")
    ),
)


@given(TEXTS)
@example(b"00000000: dd\n*\n*\n00000002: 00")
@example(b"0000\n0000")
@example(b"<a/><b/><?xml ?>")
def test_any_content_is_messages_or_a_one_line_error(content: bytes) -> None:
    try:
        octets = messages_in(content)
    except (SourceError, DecodeError) as error:
        assert "\n" not in str(error)  # noqa: PT017 - most contents are of this kind
    else:
        assert octets
        assert all(octets)


@given(st.binary(max_size=80), st.sampled_from(" :-,;._\n"), st.booleans())
def test_hex_comes_back_whatever_is_between(octets: bytes, between: str, upper: bool) -> None:
    # Lines of which each begins as a message does are several messages.
    assume(between != "\n" or set(octets) - set(b"\xdd\xdf\xe0") or not octets)
    message = b"\xdf" + octets
    text = message.hex(between)
    assert messages_in((text.upper() if upper else text).encode()) == [message]
