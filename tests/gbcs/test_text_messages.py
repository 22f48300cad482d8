"""Messages among other text: JSON, lines of a log, and lines that arrive one by one."""

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gbcs import DecodeError
from gbcs.block_transfer import segment
from gbcs.json_payloads import MAX_DEPTH
from gbcs.sources import Input, SourceError, messages_in
from tests.support.effort import at_most, within
from tests.support.estate import command, meter_octets

ASKED, COMMAND = command("4.8.1")
RESPONSE = meter_octets(ASKED)
HEX, CODED = COMMAND.hex(), base64.b64encode(RESPONSE).decode()


def found(content: str | bytes) -> list[tuple[str, bytes | str]]:
    """Return the place of each message in a file, and its octets or the error."""
    octets = content.encode() if isinstance(content, str) else content
    return [
        (one.source, one.octets if one.error is None else str(one.error))
        for one in Input("f", BytesIO(octets)).messages()
    ]


# JSON.

NESTED = {"a": [1, None, {"b c": CODED}], "id": "not one", "hash": "df" * 32, "message": HEX}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"message": CODED}, [("f:message", RESPONSE)]),
        ({"message": HEX.upper()}, [("f:message", COMMAND)]),
        ({"message": COMMAND.hex(":")}, [("f:message", COMMAND)]),
        ([HEX, [CODED]], [("f:[0]", COMMAND), ("f:[1][0]", RESPONSE)]),
        (NESTED, [('f:a[2]."b c"', RESPONSE), ("f:message", COMMAND)]),
        ({"block": segment(COMMAND, block_size=9)[0].hex()},
         [("f:block", segment(COMMAND, block_size=9)[0])]),
        (HEX, [("f", COMMAND)]),
    ],
)  # fmt: skip
def test_messages_in_strings_of_json(
    document: object, expected: list[tuple[str, bytes]], indent: int | None
) -> None:
    text = json.dumps(document, indent=indent)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        places = [(place.replace("f:1:", "f:"), octets) for place, octets in found(text)]
        assert places == expected
        assert messages_in(text.encode(encoding)) == [octets for _, octets in expected]


def test_json_lines_and_documents_in_a_row() -> None:
    first, second = json.dumps({"message": HEX}), json.dumps({"level": "info"})
    lines = f"{first}\n{second}\n\n{first}\n"
    assert found(lines) == [("f:1:message", COMMAND), ("f:4:message", COMMAND)]
    documents = json.dumps({"message": HEX}, indent=1) + "\n" + json.dumps([CODED], indent=1)
    assert found(documents) == [("f:1:message", COMMAND), ("f:2:[0]", RESPONSE)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "JSON without a message: none of its strings is hex or base64 of one"),
        ('{"a": 1}\n{"b": "df09"}', "JSON without a message"),
        ('{"message": ', "JSON that cannot be read: "),
        (f'{{"message": "{HEX}"', "JSON that cannot be read: "),
        ("{" * 9, "JSON that cannot be read: "),
        ('{"a":' * 200_000, "JSON "),
        ("[\n" * 105 + "1" + "]" * 105, f"JSON nested deeper than {MAX_DEPTH}"),
        ('{"a": ' + "9" * 5000 + "}", "JSON that cannot be read: "),
    ],
)  # fmt: skip
def test_json_without_a_message_is_one_line(text: str, reason: str) -> None:
    with pytest.raises(SourceError) as caught:
        messages_in(text.encode())
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


def test_an_error_says_which_key() -> None:
    document = {"items": [{"message": HEX}, {"message": HEX[:-1]}]}
    assert found(json.dumps(document)) == [
        ("f:1:items[0].message", COMMAND),
        ("f:1:items[1].message", f"{len(HEX) - 1} hex digits: one is missing, or one is too many"),
    ]
    keys = json.dumps({"\x1b[2J" + "k" * 99: HEX})
    [(place, octets)] = found(keys)
    assert octets == COMMAND
    assert place.isprintable()
    assert len(place) < 60


# Lines of a log.


@pytest.mark.parametrize(
    "line",
    [
        f"2026-01-14T12:30:00.123Z INFO rx {HEX}",
        f"[2026-01-14 12:30:00] DEBUG adapter: message={HEX.upper()}; 90B3D51F30010000",
        f"Jan 14 12:30:00 host app[77]: received 0x{HEX} ({len(COMMAND)} octets)",
        f"12:30:00 rx {COMMAND.hex(' ')}",
        f'12:30:00 rx "{COMMAND.hex(":")}" id 123e4567-e89b-12d3-a456-426614174000',
        f"--> {COMMAND.hex('-')}\tsha256 {'ab' * 32}",
        f"12:30:00 rx message={base64.b64encode(COMMAND).decode()} ok",
        f"rx 00 {COMMAND.hex(' ')}",
    ],
)
def test_the_run_of_hex_in_a_line_of_a_log(line: str) -> None:
    assert found(line) == [("f", COMMAND)]
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le"):
        assert messages_in(line.encode(encoding)) == [COMMAND]


def test_lines_without_hex_are_left_out_of_a_log() -> None:
    log = f"12:00 started\n12:01 rx {HEX}\n\n12:02 id 00DBE50000000000 ok\n12:03 stopped\n"
    assert [octets for _, octets in found(log)] == [COMMAND]
    assert found(f"{log}12:04 rx {RESPONSE.hex()}") == [("f:2", COMMAND), ("f:6", RESPONSE)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"rx {HEX} tx {RESPONSE.hex()}", "2 parts of the line may be the message: leave only one"),
        (f"rx {HEX[:-1]} ok!", "hex digits: one is missing, or one is too many"),
        (f"rx {'ab' * 40} ok!", "the long run of hex in this line does not begin as a message"),
        ("12:30:00 INFO nothing here", "neither hex nor .*, nor text with such in it"),
        ("12:30:00 INFO id DF0901", "neither hex nor base64"),
    ],
)  # fmt: skip
def test_a_line_without_exactly_one_message_is_refused(line: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        messages_in(line.encode())
    both = found(f"12:00 rx {HEX}\n{line}")
    assert both[0][1] == COMMAND
    assert len(both) == (1 if reason.startswith("neither") else 2)


def test_a_damaged_line_among_messages_is_an_error_of_its_own() -> None:
    lines = f"{HEX}\n{RESPONSE.hex()[:-1]}\nzz\n{RESPONSE.hex()}\n"
    places, octets = zip(*found(lines), strict=True)
    assert places == ("f:1", "f:2", "f:3", "f:4")
    assert (octets[0], octets[3]) == (COMMAND, RESPONSE)
    assert "one is missing" in str(octets[1])
    assert "neither" in str(octets[2])
    assert found(f"zz\n{HEX}")[1] == ("f:2", COMMAND)


@pytest.mark.parametrize("content", [b"a b\xff\n" * 99, b"a b\0\n" * 99, b"zz\n" * 99, b"y\n" * 99])
def test_what_is_no_text_is_one_error(content: bytes) -> None:
    assert found(content) == [("f", "neither hex nor base64 nor the octets of a message")]


# Lines that arrive one by one.


class _Pipe:
    """A pipe that counts the lines read from it."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = BytesIO("".join(f"{line}\n" for line in lines).encode())
        self.read_lines = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "read to its end"
        return self._lines.read(size)

    def readline(self) -> bytes:
        self.read_lines += 1
        return self._lines.readline()


@pytest.mark.parametrize(
    "lines",
    [
        [HEX, RESPONSE.hex()],
        [base64.b64encode(COMMAND).decode(), CODED],
        [json.dumps({"message": HEX}), json.dumps([CODED])],
        [f"12:00 rx {HEX}", f"12:01 rx {RESPONSE.hex()}"],
    ],
)
def test_a_message_of_a_pipe_does_not_wait_for_the_next_line(lines: list[str]) -> None:
    pipe = _Pipe([*lines, "12:02 the end"])
    messages = Input("-", cast(BinaryIO, pipe)).messages()
    for number, octets in enumerate((COMMAND, RESPONSE), start=1):
        one = next(messages)
        assert one.octets == octets
        assert one.source.startswith(f"-:{number}")
        assert pipe.read_lines == number


def test_a_single_line_of_a_file_needs_no_number(tmp_path: Path) -> None:
    file = tmp_path / "a.hex"
    file.write_text(f"{HEX}\n\n")
    assert [one.source for one in Input("a.hex", file).messages()] == ["a.hex"]


def test_a_log_is_read_line_by_line_in_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_text(f"12:00 rx {HEX} ok\n" * 20_000)
    with within(1 << 20):
        assert sum(1 for _ in Input("a.log", file).messages()) == 20_000


@pytest.mark.parametrize("text", ["ab" * 50_000 + "z z", "ab " * 50_000 + "z", "a: " * 50_000])
def test_long_lines_are_read_in_linear_time(text: str) -> None:
    with at_most(400_000), pytest.raises(SourceError):
        messages_in(text.encode())


# Anything.

WORDS = st.sampled_from(
    (
        *(HEX, HEX[:-1], HEX[:99], CODED, "rx", "12:00", "DF09", "0x", "00000000: dd00", "<a>"),
        *("{", "}", "[", "]", '"a"', ":", ",", '"', json.dumps({"m": HEX})),
        *("\n", "\r\n", " ", "é", "\x1b"),
    )
)


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
TEXTS = (
    st.lists(WORDS, max_size=8).map("".join)
    | st.lists(WORDS, max_size=8).map(" ".join)
    | DOCUMENTS.map(json.dumps)
)


@given(TEXTS)
@example("[")
@example('"')
@example("\n\n{")
def test_any_text_is_messages_or_one_line_errors(text: str) -> None:
    for place, octets in found(text):
        assert place.isprintable()
        assert octets
        if isinstance(octets, str):
            assert "\n" not in octets
    try:
        assert all(messages_in(text.encode()))
    except (DecodeError, SourceError) as error:
        assert "\n" not in str(error)  # noqa: PT017 - many texts are of this kind
