"""`esme decode` for one and for many: JSON, table, totals, progress, captures and DUIS files."""

import base64
import csv
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbcs import FileKeystore, Status, decode
from gbcs.block_transfer import Routing, segment
from gbcs.pcap import Packet, PcapWriter, read_packets
from gbcs.sources import SourceError, messages_in
from gbcs.tables.result_codes import ResultCode
from gbcs.tables.roles import Role
from gbcs.usecases.responding import refuse
from tests.support.command_line import esme
from tests.support.estate import ESTATE, command, meter_octets
from tests.support.rtds import KEYSTORE, RTDS, named, needs_rtds, vectors
from tests.support.rtds import ROOT as REPOSITORY

ASKED, COMMAND = command("4.8.1")
RESPONSE = meter_octets(ASKED)
BOTH = f"{COMMAND.hex()}\n{RESPONSE.hex()}\n"
METER, SUPPLIER = str(ASKED.recipient), str(ASKED.originator)


def good(*args: object, stdin: str | bytes = b"") -> str:
    result = esme("decode", *args, stdin=stdin)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def private(file: Path, text: str) -> Path:
    """Write a file that others cannot read, so that nobody is warned of it."""
    file.write_text(text)
    file.chmod(0o600)
    return file


def capture(*packets: Packet) -> bytes:
    stream = BytesIO()
    writer = PcapWriter(stream)
    for packet in packets:
        writer.write(packet)
    return stream.getvalue()


# One and many.


def test_one_message_is_indented_json() -> None:
    said = good(stdin=COMMAND)
    assert said.startswith("{\n  ")
    assert json.loads(said)["source"] == "-"


def test_a_single_bad_message_is_one_line_on_stderr() -> None:
    result = esme("decode", "zz")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1


def test_several_messages_are_a_table_with_totals() -> None:
    lines = good(stdin=BOTH).splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["source", "kind", "SRV", "use", "case", "originator", "recipient", "counter", "result",
         "MAC", "signature", "problems"],
        ["-:1", "command", "4.8.1", "ECS22b", SUPPLIER, METER, "1", "-", "unverified", "absent"],
        ["-:2", "response", "4.8.1", "ECS22b", METER, SUPPLIER, "1", "encrypted", "unverified",
         "absent", "1", "encrypted,", "no", "key"],
    ]  # fmt: skip
    columns = [lines[0].index(title) for title in ("kind", "use case", "originator", "MAC")]
    for line in lines[1:3]:
        assert all(line[column - 1] == " " != line[column] for column in columns)
    assert lines[3:] == [
        "",
        "messages: 2; decoded 2, failed 0",
        "MAC: valid 0, invalid 0, unverified 2, absent 0",
        "signature: valid 0, invalid 0, unverified 0, absent 2",
    ]


def test_a_bad_message_is_a_line_of_the_summary(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.hex").write_text("zz")
    (tmp_path / "a" / "2.hex").write_text(COMMAND.hex())
    (tmp_path / "a" / "3.hex").write_bytes(COMMAND[:-1])
    (tmp_path / "a" / "4.hex").write_bytes(segment(COMMAND, block_size=50)[1])
    result = esme("decode", "a", "absent.hex")
    assert (result.exit_code, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:6]] == [
        *(f"a/{number}.hex" for number in range(1, 4)),
        "absent.hex",
        "a/4.hex",  # only at the end it is known that no more blocks come
    ]
    problems = [line[lines[0].index("problems") :] for line in lines[1:6]]
    assert problems[0] == "neither hex nor base64 nor the octets of a message"
    assert problems[1] == ""
    assert problems[2].startswith("message")
    assert problems[3].startswith("no such file, and neither")
    assert problems[4] == "general block transfer: missing blocks: 1, all after 2"
    assert lines[-3] == "messages: 5; decoded 1, failed 4"


def test_the_summary_names_problems_of_decoded_messages() -> None:
    alien = bytearray(COMMAND)
    place = COMMAND.index(bytes.fromhex("00020037")) + 2
    alien[place : place + 2] = b"\xff\xfe"
    opaque = bytes.fromhex("DF09020000000000000001") + b"\x08" + bytes(8) + b"\x08" + bytes(8)
    opaque += bytes.fromhex("00 02 007F 03 040100 00")
    lines = good(alien.hex(), opaque.hex()).splitlines()
    assert "FFFE" in lines[1]
    assert "unknown message code" in lines[1]
    assert re.search(r"GCS28 .* content not typed: .+", lines[2])


def test_the_summary_shows_verification_by_line_and_in_total(tmp_path: Path) -> None:
    keys = esme("keys", METER, "--seed", "tests").stdout
    private(tmp_path / "keys.json", keys)
    spoilt = RESPONSE[:-1] + bytes((RESPONSE[-1] ^ 1,))
    lines = good("--keystore", "keys.json", stdin=f"{BOTH}{spoilt.hex()}").splitlines()
    mac, result = lines[0].index("MAC"), lines[0].index("result")
    assert [line[mac:].split()[0] for line in lines[1:4]] == ["valid", "valid", "invalid"]
    assert [line[result:].split("  ")[0] for line in lines[1:3]] == ["-", "49 rows"]
    assert lines[-2] == "MAC: valid 2, invalid 1, unverified 0, absent 0"


@pytest.mark.parametrize("options", [("--json",), ("--explain",)])
def test_json_and_explain_make_no_table(options: tuple[str, ...]) -> None:
    said = good(*options, stdin=BOTH)
    assert "problems" not in said
    assert said.count("-:1") == said.count("-:2") == 1


def test_control_characters_in_names_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "a\nb.hex").write_text(COMMAND.hex())
    assert good(tmp_path / "a\nb.hex", "-", stdin=COMMAND).splitlines()[1].count("a\\nb.hex") == 1


def test_nothing_to_decode_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for options in ((), ("--json",), ("--explain",)):
        result = esme("decode", "empty", *options)
        assert (result.exit_code, result.stderr) == (1, "esme: no messages\n")


@needs_rtds
def test_the_whole_rtds_is_a_table(tmp_path: Path) -> None:
    keystore = private(tmp_path / "keys.json", KEYSTORE.read_text())
    lines = good(RTDS / "messages", "--keystore", keystore).splitlines()
    rows, totals = lines[1:-4], lines[-3:]
    keys = FileKeystore.load(KEYSTORE)
    found = [decode(vector.octets, keys) for vector in vectors()]
    assert len(rows) == len(found)
    expected = Counter(
        (message.kind, str(message.originator), str(message.originator_counter))
        for message in found
    )
    cells = [row.split() for row in rows]
    assert Counter((cell[1], cell[4], cell[6]) for cell in cells) == expected
    assert totals[0] == f"messages: {len(found)}; decoded {len(found)}, failed 0"
    macs = Counter(message.mac_status for message in found)
    behind = [re.sub(r".*\.hex ", "", row, flags=re.IGNORECASE).lstrip() for row in rows]
    assert {line.index(cell[4], 11) for line, cell in zip(behind, cells, strict=True)} == {41}
    assert totals[1] == "MAC: " + ", ".join(f"{status} {macs[status]}" for status in Status)


def _on_a_terminal(arguments: list[str], *, stdout: bool) -> tuple[str, str]:
    """Return what `esme` says on a terminal of its stderr, and through a pipe of its stdout."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "cli.py"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs if stdout else subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            read = os.read(ours, 4096)
        except OSError:  # the terminal is gone
            break
        if not read:
            break
        said += read
    os.close(ours)
    piped, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return said.decode(), piped or ""


@pytest.mark.processes
def test_a_bar_on_a_terminal_and_the_table_through_a_pipe(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}-{'long' * 20}.hex").write_text(COMMAND.hex())
    said, piped = _on_a_terminal(["decode", str(tmp_path)], stdout=False)
    assert "━" in said
    assert "3/3" in said
    assert METER not in said
    assert len(re.findall(rf"^{re.escape(str(tmp_path))}/\d-(?:long){{20}}.hex ", piped, re.M)) == 3
    assert "\x1b" not in piped
    said, piped = _on_a_terminal(["decode", str(tmp_path)], stdout=True)
    assert "━" in said
    assert said.count(METER) == 3
    assert len(re.findall(r"\.\.\.[long]+\.hex ", said)) == 3


@pytest.mark.processes
def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "many.hex").write_text(BOTH * 2000)
    with (tmp_path / "many.hex").open() as many:
        process = subprocess.Popen(
            [sys.executable, str(REPOSITORY / "cli.py"), "decode", "-"],
            stdin=many,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline().startswith("source")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=30) == 1


@pytest.mark.processes
@pytest.mark.parametrize(("option", "lines"), [("--json", 1), ("--explain", 1), ("--csv", 2)])
def test_a_line_of_stdin_is_decoded_before_the_next_comes(
    option: str, lines: int, tmp_path: Path
) -> None:
    private(tmp_path / "keys.json", esme("keys", METER, "--seed", "tests").stdout)
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "cli.py"), "decode", option, "--keystore", "keys.json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdin
    assert process.stdout
    guard = threading.Timer(30, process.kill)
    guard.start()
    process.stdin.write(f"{RESPONSE.hex()}\n")
    process.stdin.flush()
    assert "-:1" in [process.stdout.readline() for _ in range(lines)][-1]
    assert process.poll() is None
    process.communicate(timeout=30)
    guard.cancel()
    assert process.returncode == 0


# Captures.


def test_messages_are_written_into_a_capture_and_read_from_it(tmp_path: Path) -> None:
    (tmp_path / "all.hex").write_text(BOTH)
    for options in ((), ("--json",), ("--explain",)):
        plain = good("all.hex", *options)
        assert good("all.hex", "--pcap", "any.cap", *options) == plain
        content = (tmp_path / "any.cap").read_bytes()
        assert content == capture(Packet(COMMAND), Packet(RESPONSE))
        assert good("any.cap", *options) == plain.replace("all.hex", "any.cap")
        through = good("-", *options, stdin=content)
        assert through.split() == plain.replace("all.hex", "-").split()


def test_only_decoded_messages_are_captured_with_their_times(tmp_path: Path) -> None:
    packets = [Packet(COMMAND, 10**18), Packet(b"\xdd", 1), Packet(RESPONSE, 10**18 + 1000)]
    (tmp_path / "a.pcap").write_bytes(capture(*packets))
    result = esme("decode", "a.pcap", "--pcap", "b.pcap")
    assert result.exit_code == 1
    with (tmp_path / "b.pcap").open("rb") as stream:
        assert list(read_packets(stream)) == [packets[0], packets[2]]


def test_messages_before_a_truncated_packet_are_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(capture(Packet(COMMAND), Packet(RESPONSE))[:-1])
    result = esme("decode", "a.pcap", "--json")
    assert result.exit_code == 1
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["source"], first["kind"]) == ("a.pcap:1", "command")
    assert second == {
        "source": "a.pcap",
        "error": "pcap.packets[2]: the file ends inside it",
    }


def test_a_capture_is_not_written_over_its_source(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(capture(Packet(COMMAND)))
    for sources in (("a.pcap",), (".",), (tmp_path / "a.pcap", "-")):
        result = esme("decode", *sources, "--pcap", "./a.pcap")
        assert result.exit_code == 2
        assert "one of the sources" in result.stderr
    assert (tmp_path / "a.pcap").read_bytes() == capture(Packet(COMMAND))


@pytest.mark.parametrize("path", ["absent/a.pcap", "/dev/full", "/proc/a.pcap"])
def test_an_unwritable_capture_is_one_line(path: str) -> None:
    result = esme("decode", COMMAND.hex(), "--json", "--pcap", path)
    assert result.exit_code == 1
    assert re.fullmatch(rf"esme: {path}: .+\n", result.stderr)


def test_only_captures_are_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = esme("decode", COMMAND.hex(), "--pcap", "notes.txt")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--pcap notes.txt: this file exists and is not a capture" in result.stderr
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_input_without_messages_overwrites_no_capture(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(capture(Packet(COMMAND)))
    for source in ("typo.hex", "00"):
        assert esme("decode", source, "--pcap", "a.pcap").exit_code == 1
        assert (tmp_path / "a.pcap").read_bytes() == capture(Packet(COMMAND))


@needs_rtds
def test_the_whole_rtds_goes_through_a_capture(tmp_path: Path) -> None:
    good(RTDS / "messages", "--pcap", "rtds.pcap")
    assert sorted(messages_in((tmp_path / "rtds.pcap").read_bytes())) == sorted(
        vector.octets for vector in vectors()
    )


# Blocks.


def test_blocks_in_a_folder_in_a_capture_and_on_stdin_become_messages(tmp_path: Path) -> None:
    both = [
        segment(octets, block_size=150, routing=Routing.of(decode(octets)))
        for octets in (COMMAND, RESPONSE)
    ]
    blocks = [both[1][0], *both[0], *both[1][1:]]
    (tmp_path / "folder").mkdir()
    for number, block in enumerate(blocks):
        (tmp_path / "folder" / f"{number}.bin").write_bytes(block)
    content = capture(*(Packet(block, 1000 * at) for at, block in enumerate(blocks)))
    (tmp_path / "a.pcap").write_bytes(content)
    text = "\n".join(block.hex() for block in blocks)
    for said in (good("folder", "--json"), good("a.pcap", "--json"), good("--json", stdin=text)):
        forms = [json.loads(line) for line in said.splitlines()]
        assert [form["kind"] for form in forms] == ["command", "response"]
    good("a.pcap", "--pcap", "whole.pcap")
    with (tmp_path / "whole.pcap").open("rb") as stream:
        packets = list(read_packets(stream))
    assert packets == [Packet(COMMAND, 2000), Packet(RESPONSE, 1000 * (len(blocks) - 1))]
    assert json.loads(good(stdin="\n".join(block.hex() for block in both[0])))["kind"] == "command"


def test_missing_blocks_are_named(tmp_path: Path) -> None:
    blocks = segment(RESPONSE, block_size=100, routing=Routing.of(decode(RESPONSE)))
    (tmp_path / "a.pcap").write_bytes(capture(*map(Packet, [blocks[0], *blocks[2:4], blocks[5]])))
    result = esme("decode", "a.pcap")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"esme: a.pcap:4: general block transfer: missing blocks: 2, 5 ({METER} to {SUPPLIER}, "
        "counter 1)\n"
    )


# Readings as CSV.


def _csv(*args: object, stdin: str = "") -> tuple[int, list[dict[str, str]], str]:
    result = esme("decode", "--csv", *args, stdin=stdin)
    return result.exit_code, list(csv.DictReader(result.stdout.splitlines())), result.stderr


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    return private(tmp_path / "keys.json", esme("keys", METER, "--seed", "tests").stdout)


def test_readings_of_many_messages_are_one_table(keystore: Path) -> None:
    register = meter_octets(command("4.2", Role.IS, 2, None)[0])
    code, rows, said = _csv("--keystore", keystore, stdin=f"{BOTH}{register.hex()}\n")
    assert (code, said) == (0, "esme: messages without readings: 1 command\n")
    log, values = rows[:49], rows[49:]
    assert {row["srv"] for row in log} == {"4.8.1"}
    assert {row["device"] for row in rows} == {METER}
    assert {row["mac"] for row in rows} == {"valid"}
    form = json.loads(esme("decode", "--keystore", keystore, RESPONSE.hex()).stdout)
    expected = [(row["time"], str(row["primary"])) for row in form["rows"]]
    assert [(row["time"], row["value"]) for row in log] == expected
    assert {(row["name"].rpartition(": ")[2], row["unit"]) for row in log} == {("primary", "Wh")}
    assert [(row["source"], row["unit"]) for row in values] == [("-:3", "Wh"), ("-:3", "varh")]


def test_the_columns_of_values_are_those_of_read() -> None:
    read = esme("read", METER, "4.2", "--seed", "tests", "--csv").stdout.splitlines()[0]
    assert esme("decode", "--csv", COMMAND.hex()).stdout == f"source,device,srv,mac,{read}\n"


def test_readings_that_cannot_be_opened_are_an_error_each() -> None:
    code, rows, said = _csv(stdin=f"{RESPONSE.hex()}\nzz\n{RESPONSE.hex()}")
    assert (code, rows) == (1, [])
    assert [line.split(": ")[1] for line in said.splitlines()] == ["-:1", "-:2", "-:3"]
    assert "the keystore needs" in said


def test_refused_readings_are_named(keystore: Path) -> None:
    asked, _ = command("4.2", Role.IS, 3, None)
    refused = refuse(asked, ResultCode.READ_WRITE_DENIED, ESTATE.keystore)
    code, rows, said = _csv("--keystore", keystore, stdin=refused.hex())
    assert (code, rows) == (0, [])
    assert "Active export register: value: read-write-denied" in said


def test_csv_is_one_of_three_forms() -> None:
    result = esme("decode", "--csv", "--json", COMMAND.hex())
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--csv, --explain and --json: give one of the three" in result.stderr


# Forms of text.


def test_base64_may_be_wrapped_and_several_too() -> None:
    coded = base64.encodebytes(RESPONSE)
    assert coded.count(b"\n") > 5
    assert messages_in(coded) == messages_in(coded.replace(b"\n", b"\r\n  ")) == [RESPONSE]
    lines = b"\n".join(map(base64.b64encode, (COMMAND, RESPONSE)))
    assert messages_in(lines) == [COMMAND, RESPONSE]


@given(
    st.sampled_from((COMMAND, RESPONSE, COMMAND[COMMAND.index(b"\xdf\x09") : -12])),
    st.integers(2, 90),
    st.booleans(),
)
def test_a_message_may_be_wrapped_anywhere(octets: bytes, width: int, digits: bool) -> None:
    text = octets.hex() if digits else base64.b64encode(octets).decode()
    width += width % 2 if digits else -width % 4
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    assert messages_in("\n".join(lines).encode()) == [octets]


def test_a_line_that_begins_like_a_message_does_not_split_the_message() -> None:
    """Each line begins with DD, or with DF, or with E0."""
    routing = Routing.of(decode(RESPONSE))
    (block,) = segment(b"\xe0" * 200, block_size=200, routing=routing)
    for octets in (block, segment(b"\xdd" * 99, block_size=99)[0]):
        lines = [octets[at : at + 8].hex() for at in range(0, len(octets), 8)]
        begins = [line[:2] in ("dd", "e0") for line in lines]
        assert sum(begins) > len(lines) // 2
        assert messages_in("\n".join(lines).encode()) == [octets]
    together = f"{block.hex()}\n{block.hex()}\n"
    assert messages_in(together.encode()) == [block, block]


def _duis(*payloads: str, prefix: str = "sr:") -> str:
    elements = "".join(
        f"<{prefix}Body><{prefix}GBCSPayload>{payload}</{prefix}GBCSPayload></{prefix}Body>"
        for payload in payloads
    )
    return f'<?xml version="1.0"?>\n<{prefix}Response xmlns:sr="x">{elements}</{prefix}Response>'


CODED = [base64.b64encode(octets).decode() for octets in (COMMAND, RESPONSE)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_duis(CODED[0]), [COMMAND]),
        (_duis(*CODED), [COMMAND, RESPONSE]),
        (_duis(CODED[1], prefix=""), [RESPONSE]),
        (_duis(base64.encodebytes(RESPONSE).decode()), [RESPONSE]),
        ("\ufeff" + _duis(f"\n   {CODED[0]}\n  "), [COMMAND]),
        ("\n " + _duis(CODED[0]).replace("GBCSPayload>", "GBCSPayload  id='1'>", 1), [COMMAND]),
    ],
)
def test_payloads_are_found_in_duis_files(text: str, expected: list[bytes]) -> None:
    assert messages_in(text.encode()) == expected
    assert len(esme("decode", "--json", stdin=text).stdout.splitlines()) == len(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<a/>", "XML without a GBCSPayload"),
        ("<", "XML that is not well-formed"),
        ("<GBCSPayload", "XML that is not well-formed"),
        ("<GBCSPayload/>", "GBCSPayload 1 is neither"),
        ("<NotGBCSPayload>DF09</NotGBCSPayload>", "XML without a GBCSPayload"),
        (_duis(""), "neither"),
        (_duis("nonsense"), "neither"),
        (_duis(CODED[0], "nonsense"), "GBCSPayload 2 is neither"),
        ("<GBCSPayload " * 20_000, "XML that is not well-formed"),
    ],
)
def test_xml_without_a_message_is_one_line(text: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        messages_in(text.encode())


def test_text_that_is_no_file_name_is_decoded_as_text() -> None:
    assert len(RESPONSE.hex()) > os.pathconf(".", "PC_NAME_MAX")
    assert json.loads(good(RESPONSE.hex()))["kind"] == "response"
    for text in ("\0", "a" * 5000):
        result = esme("decode", text)
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1


@needs_rtds
def test_a_vector_is_decoded_from_every_form(tmp_path: Path) -> None:
    keystore = private(tmp_path / "keys.json", KEYSTORE.read_text())
    octets = named("ECS22b_4.8.1_SINGLE_SUCCESS_RESPONSE").octets
    coded = base64.encodebytes(octets).decode()
    forms = {
        "a.hex": octets.hex(" ", 4).encode(),
        "b.b64": coded.encode(),
        "c.xml": _duis(coded).encode(),
        "d.pcap": capture(Packet(octets)),
        "e.bin": octets,
    }
    seen = []
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
        form = json.loads(good("--keystore", keystore, name))
        assert form.pop("source").startswith(name)
        seen.append(form)
    assert all(form == seen[0] for form in seen)
    assert seen[0]["mac"] == "valid"
