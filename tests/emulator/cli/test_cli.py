"""The command line, within the process: what it prints, and how it fails.

A failure is an exit code and exactly one line on stderr.
"""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

import esme_emulator.proof.bench as bench_module
from esme_emulator.cli import main as cli
from esme_emulator.cli.commands import Command
from esme_emulator.device.meter import Answer, answer
from esme_emulator.messaging.topics import DIRECT
from gbcs import FileKeystore, decode, encode
from gbcs.message import Message
from gbcs.tables.roles import Role
from tests.support.command_line import esme
from tests.support.estate import KEYS, command, meter_octets
from tests.support.rtds import KEYSTORE, RTDS, named, needs_rtds, vectors

METER = "00DBE50000000000"
LAST = datetime.now(UTC).date() - timedelta(days=1)
FIRST = LAST - timedelta(days=1)
DAY = ("--from", f"{FIRST}", "--to", f"{LAST}")
"""A day that is over, whatever the time."""


DECODED = {
    "source", "kind", "use_case", "message_code", "originator", "recipient", "originator_counter",
    "supplementary", "mac", "signature", "payload",
}  # fmt: skip
PROVED = {
    "requests", "device_hits_direct", "device_hits_cached", "hits", "collapsed", "refused",
    "failed", "ledger_difference", "replies_compared", "replies_different", "avoided_ratio",
    "latency", "thresholds", "passed",
}  # fmt: skip


def good(*args: object, stdin: str | bytes = b"") -> str:
    result = esme(*args, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def jsons(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def assert_fails(result: Result, code: int, reason: str = "") -> None:
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == code
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("esme")
    assert re.search(reason, result.stderr), result.stderr
    assert result.stdout == ""


COMMAND = command("4.8.1")[1]
RESPONSE = meter_octets(command("4.8.1")[0])
OURS: list[Message] = [
    decode(octets)
    for srv, role in [
        ("4.6.1", Role.IS),
        ("4.6.2", Role.ES),
        ("4.8.1", Role.OU),
        ("4.8.2", Role.OU),
        ("4.8.3", Role.ED),
    ]
    for octets in (command(srv, role)[1], meter_octets(command(srv, role)[0], own_counter=2**63))
]


@pytest.mark.parametrize("octets", [COMMAND, RESPONSE], ids=["command", "response"])
def test_decode_takes_hex_base64_and_octets_wherever_they_are(
    octets: bytes, tmp_path: Path
) -> None:
    digits, coded = octets.hex(), base64.b64encode(octets)
    forms = {
        "a.hex": digits.upper().encode() + b"\n",
        "b.hex": re.sub("(..)", r"\1 ", digits).encode(),
        "c.b64": coded,
        "d.bin": octets,
    }
    (tmp_path / "messages" / "below").mkdir(parents=True)
    for name, content in forms.items():
        (tmp_path / "messages" / "below" / name).write_bytes(content)
        (form,) = jsons(good("decode", "--json", tmp_path / "messages" / "below" / name))
        assert form["source"].endswith(name)
        assert form["message_code"] == "0037"
    folder = jsons(good("decode", "--json", tmp_path / "messages"))
    assert [Path(form["source"]).name for form in folder] == list(forms)
    for text in (digits, digits.upper(), coded.decode()):
        (form,) = jsons(good("decode", "--json", text))
        assert form["message_code"] == "0037"
    for content in forms.values():
        for source in ((), ("-",)):
            (form,) = jsons(good("decode", "--json", *source, stdin=content))
            # A line is decoded before it is known whether another follows.
            assert form["source"] == ("-" if content == octets else "-:1")
            assert form["message_code"] == "0037"


def test_decode_takes_a_message_a_line_and_several_sources(tmp_path: Path) -> None:
    lines = "\n".join(encode(message).hex() for message in OURS)
    (tmp_path / "all.hex").write_text(lines)
    forms = jsons(good("decode", "--json", "all.hex", "-", stdin=COMMAND))
    assert [form["source"] for form in forms] == [
        *[f"all.hex:{number}" for number in range(1, len(OURS) + 1)],
        "-",
    ]


def test_decode_prints_the_keys_of_the_contract(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(good("keys", METER, "--seed", "tests"))
    (bare,) = jsons(good("decode", "--json", stdin=RESPONSE))
    (keyed,) = jsons(good("decode", "--json", "--keystore", "keys.json", stdin=RESPONSE))
    for form in (bare, keyed):
        assert form.keys() >= DECODED
        assert "error" not in form
        assert (form["kind"], form["use_case"], form["originator"]) == ("response", "ECS22b", METER)
        assert form["originator_counter"] == 1
        assert form["signature"] == "absent"
        assert form["supplementary"] is None
    assert (bare["mac"], keyed["mac"]) == ("unverified", "valid")
    spoilt = RESPONSE[:-1] + bytes((RESPONSE[-1] ^ 1,))
    (form,) = jsons(good("decode", "--json", "--keystore", "keys.json", stdin=spoilt))
    assert form["mac"] == "invalid"
    assert json.loads(good("decode", stdin=RESPONSE)) == bare


@pytest.mark.parametrize(
    "nonsense", ["zz", "DF", "DD00", "00", "not a message", "=" * 300, "ü", COMMAND.hex()[:-2]]
)
def test_decode_of_nonsense_is_one_line_and_exit_1(nonsense: str) -> None:
    assert_fails(esme("decode", nonsense), 1)
    assert_fails(esme("decode", stdin=nonsense), 1, "esme: -: ")
    result = esme("decode", "--json", nonsense)
    assert result.exit_code == 1
    (form,) = jsons(result.stdout)
    assert form.keys() == {"source", "error"}


def test_decode_continues_after_an_undecodable_message(tmp_path: Path) -> None:
    (tmp_path / "a.hex").write_text("zz")
    (tmp_path / "b.hex").write_text(COMMAND.hex())
    (tmp_path / "c.hex").write_text("")
    result = esme("decode", "--json", tmp_path)
    assert result.exit_code == 1
    assert ["error" in form for form in jsons(result.stdout)] == [True, False, True]


def test_explain_names_the_fields_with_their_octets() -> None:
    said = good("decode", "--explain", stdin=COMMAND)
    assert said.splitlines()[0] == "-"
    assert METER in said
    assert "originator counter" in said
    digits = "".join(re.findall(r"^ *\d+  ([0-9A-F]+) ", said, re.MULTILINE))
    assert digits == COMMAND.hex().upper()


def test_encode_restores_the_input_of_decode() -> None:
    lines = [encode(message).hex().upper() for message in OURS]
    forms = good("decode", "--json", stdin="\n".join(lines))
    assert good("encode", stdin=forms).splitlines() == lines


def test_encode_calculates_a_missing_mac(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(good("keys", METER, "--seed", "tests"))
    (form,) = jsons(good("decode", "--json", stdin=COMMAND))
    form["mac_octets"] = ""
    unsealed = json.dumps(form)
    assert (
        good("encode", "--keystore", "keys.json", stdin=unsealed).strip() == COMMAND.hex().upper()
    )
    assert_fails(esme("encode", stdin=unsealed), 1, "line 1: .*key")


@needs_rtds
@pytest.mark.parametrize("folder", ["4.6.1_*", "4.6.2_*", "4.8.*_ECS*", "*"])
def test_the_rtds_survives_decode_and_encode(folder: str) -> None:
    folders = sorted(RTDS.glob(f"messages/{folder}"))
    if not folders:
        pytest.skip(f"no folder {folder} in {RTDS}")
    files = [
        file for path in folders for file in sorted(path.iterdir()) if file.suffix.lower() == ".hex"
    ]
    forms = good("decode", "--json", "--keystore", KEYSTORE, *folders)
    expected = [file.read_text().strip().upper() for file in files]
    assert expected
    assert [form["source"] for form in jsons(forms)] == [str(file) for file in files]
    assert good("encode", stdin=forms).splitlines() == expected
    if folder == "*":
        assert len(expected) == len(vectors())


def test_the_rtds_is_verified_and_its_readings_shown() -> None:
    octets = named("ECS22b_4.8.1_SINGLE_SUCCESS_RESPONSE").octets
    (form,) = jsons(good("decode", "--json", "--keystore", KEYSTORE, stdin=octets))
    assert (form["mac"], form["use_case"], form["kind"]) == ("valid", "ECS22b", "response")
    assert len(form["rows"]) == 49
    assert form["rows"][0].keys() == {"time", "primary"}


def edited(**changes: object) -> str:
    (form,) = jsons(good("decode", "--json", stdin=COMMAND))
    return json.dumps(form | changes)


def test_encode_reads_indented_json_in_any_encoding() -> None:
    """A single message is printed over several lines; PowerShell writes UTF-16."""
    octets = "DF0901000000000000000108" + "90B3D51F30010000" + "0800DBE50000000000" + "0002003600"
    pretty = esme("decode", octets).stdout
    assert len(pretty.splitlines()) > 5
    line = esme("decode", "--json", octets).stdout
    for text in (pretty, line, pretty + line + pretty, line + "\n\n" + pretty + line):
        number = text.count('"kind"')
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            Path("message.json").write_bytes(text.encode(encoding))
            result = esme("encode", "message.json")
            assert result.exit_code == 0, result.stderr
            assert result.stdout.splitlines() == [octets] * number


def test_a_bad_document_is_reported_with_its_line_and_skipped() -> None:
    octets = "DF0901000000000000000108" + "90B3D51F30010000" + "0800DBE50000000000" + "0002003600"
    pretty = esme("decode", octets).stdout
    result = esme("encode", stdin=pretty + pretty.replace('"pre-command"', "command", 1) + pretty)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [octets] * 2
    [told] = result.stderr.splitlines()
    line = len(pretty.splitlines()) + 3
    assert told.startswith(f"esme: line {line}: not JSON: Expecting value, at column")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("originator_counter", "2", "JSON.originator_counter: '2' is not a whole number"),
        ("originator_counter", True, "JSON.originator_counter: True is not a whole number"),
        ("originator_counter", -1, "JSON.originator_counter: -1 is not a counter"),
        ("originator", 5, "JSON.originator: 5 is not a string"),
        ("payload", [], "JSON.payload: [] is not an object"),
        ("payload", {"opaque": {"octets": "0"}}, "JSON.payload: '0' is not hexadecimal digits"),
        ("mac_octets", "zz", "JSON.mac_octets: 'zz' is not hexadecimal digits"),
        ("kind", "question", "JSON.kind: 'question' is not one of command, response, alert"),
    ],
)
def test_encode_names_the_wrong_field(field: str, value: object, reason: str) -> None:
    octets = "DF0901000000000000000108" + "90B3D51F30010000" + "0800DBE50000000000" + "0002003600"
    form = json.loads(esme("decode", "--json", octets).stdout) | {field: value}
    assert_fails(esme("encode", stdin=json.dumps(form)), 1, re.escape(f"line 1: {reason}"))


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "{",
        "[]",
        "1",
        "null",
        "{}",
        '{"source": "-", "error": "malformed"}',
        pytest.param("[" * 100_000, id="nested deeply"),
        pytest.param("9" * 5000, id="a long number"),
    ],
)
def test_encode_of_nonsense_is_one_line_and_exit_1(line: str) -> None:
    assert_fails(esme("encode", stdin=line), 1, "line 1: ")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "nonsense"},
        {"kind": 1},
        {"originator": "00"},
        {"originator": None},
        {"originator_counter": "x"},
        {"originator_counter": -1},
        {"originator_counter": 2**64},
        {"originator_counter": 1e999},
        {"originator_counter": [1]},
        {"message_code": "10000"},
        {"message_code": 55},
        {"supplementary": {}},
        {"supplementary": "x"},
        {"transaction_time": "00"},
        {"signature_octets": "0"},
        {"signature_octets": "00"},
        {"mac_octets": "00"},
        {"payload": None},
        {"payload": {}},
        {"payload": {"nonsense": 1}},
        {"payload": {"opaque": 1}},
        {"payload": {"access_request": {}}},
        {"payload": {"access_response": {"invoke_id": "0", "date_time": "", "results": [1]}}},
        {"payload": {"access_request": {"invoke_id": "x", "date_time": "", "accesses": []}}},
    ],
)
def test_encode_of_json_that_is_no_message_is_one_line_and_exit_1(
    changes: dict[str, object],
) -> None:
    assert_fails(esme("encode", stdin=edited(**changes)), 1, "line 1: ")


def test_encode_continues_after_a_bad_line() -> None:
    result = esme("encode", stdin=f"nonsense\n\n{edited()}\n")
    assert result.exit_code == 1
    assert result.stdout.strip() == COMMAND.hex().upper()
    assert len(result.stderr.splitlines()) == 1


COLUMNS = {
    "4.6.1": {"time", "import", "tou", "blocks"},
    "4.6.2": {"time", "export"},
    "4.8.1": {"time", "primary"},
    "4.8.2": {"time", "reactive_import"},
    "4.8.3": {"time", "active_export", "reactive_export"},
}
TWIN_COLUMNS = {"secondary", "secondary_import", "secondary_tou"}


@pytest.mark.parametrize("via", ["cache", "direct"])
@pytest.mark.parametrize("srv", COLUMNS)
def test_read_keeps_its_contract(srv: str, via: str) -> None:
    (form,) = jsons(good("read", METER, srv, *DAY, "--via", via, "--json"))
    rows, units = form.pop("rows"), form.pop("units")
    status = form.pop("cache_status")
    assert form == {
        "device": METER,
        "srv": srv,
        "from": f"{FIRST}T00:00:00Z",
        "to": f"{LAST}T00:00:00Z",
        "via": via,
    }
    assert (status is None) if via == "direct" else status.startswith("s1sp; fwd=")
    assert len(rows) == (49 if srv.startswith("4.8") else 2)
    assert all(row.keys() - TWIN_COLUMNS == COLUMNS[srv] for row in rows)
    assert units.keys() == rows[0].keys() - {"time"}
    assert rows[0]["time"] == f"{FIRST}T00:00:00Z"
    assert rows[-1]["time"] == f"{LAST}T00:00:00Z"


def test_read_gives_the_same_through_the_cache_and_direct_and_for_an_euis_other_spelling() -> None:
    spelt = "00-db-e5-00-00-00-00-00"
    reads = [
        jsons(good("read", eui, "4.6.1", *DAY, "--via", via, "--json"))[0]
        for eui, via in ((METER, "cache"), (METER, "direct"), (spelt, "direct"))
    ]
    assert reads[0]["rows"] == reads[1]["rows"] == reads[2]["rows"]
    assert reads[2]["device"] == METER


def test_read_prints_a_table_a_chart_and_an_empty_window() -> None:
    table = good("read", METER, "4.8.1", *DAY)
    assert "primary" in table
    assert table.count(f"{FIRST}T") == 48
    chart = good("read", METER, "4.8.1", *DAY, "--chart")
    assert f"{FIRST}T00:00:00Z to {LAST}T00:00:00Z, 49 entries" in chart
    assert any(len(line) == 49 and set(line) <= set(" ▁▂▃▄▅▆▇█") for line in chart.splitlines())
    early = ("--from", "2001-01-01", "--to", "2001-01-02")
    assert "no entries in this window" in good("read", METER, "4.8.1", *early)
    assert good("read", METER, "4.8.1", *early, "--chart") == "no entries in this window\n"
    assert jsons(good("read", METER, "4.8.1", *early, "--json"))[0]["rows"] == []


@needs_rtds
def test_read_of_a_meter_of_the_rtds() -> None:
    args = ("00DB1234567890A0", "4.8.3", *DAY, "--keystore", KEYSTORE, "--json")
    (form,) = jsons(good("read", *args))
    assert len(form["rows"]) == 49


def test_read_refuses_readings_with_an_invalid_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seam: the meter, whose answer in clear is altered on its way."""

    def altered(*args: Any) -> Answer:
        said = answer(*args)
        octets = bytearray(said.octets or b"")
        octets[120] ^= 1
        return Answer(said.outcome, bytes(octets))

    monkeypatch.setattr("esme_emulator.fleet.fleet.answer", altered)
    monkeypatch.setattr("esme_emulator.app.one_shot.REPLY_TIMEOUT", 0.2)
    result = esme("read", METER, "4.8.3", *DAY, "--via", "direct", "--json")
    assert_fails(result, 1)


@pytest.mark.processes
def test_prove_keeps_its_contract(tmp_path: Path) -> None:
    result = esme("prove", "--meters", 3, "--json", "--report", tmp_path / "report")
    assert result.exit_code == 0, result.output
    (form,) = jsons(result.stdout)
    assert form.keys() >= PROVED
    assert form["passed"] is True
    assert form["requests"] > form["device_hits_cached"] > 0
    assert form["device_hits_direct"] == form["requests"]
    assert form["hits"] + form["collapsed"] + form["device_hits_cached"] == form["requests"]
    assert form["latency"].keys() >= {"direct", "hit", "miss"}
    for latency in ("direct", "hit", "miss"):
        assert form["latency"][latency].keys() == {"p50", "p99", "p99_9", "max"}
    assert json.loads((tmp_path / "report" / "proof.json").read_text()) == form
    assert "PASSED" in result.stderr


@pytest.mark.processes
def test_prove_without_json_prints_nothing_on_stdout_and_writes_its_report() -> None:
    result = esme("prove", "--meters", 1)
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(Path("report/proof.json").read_text())["passed"] is True


@pytest.mark.processes
def test_a_proof_that_fails_is_exit_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seam: the prefix under which the second run asks."""
    monkeypatch.setattr(bench_module, "CACHED", DIRECT)
    result = esme("prove", "--meters", 1, "--json")
    assert result.exit_code == 1
    (form,) = jsons(result.stdout)
    assert form["passed"] is False
    assert "FAILED" in result.stderr


def test_keys_load_again_and_serve_a_fleet_and_a_reader(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(good("keys", "--meters", 2, "--seed", "tests"))
    keystore = FileKeystore.load(tmp_path / "keys.json")
    assert METER in map(str, keystore)
    assert "00DBE50000000001" in map(str, keystore)
    assert KEYS.access_control_broker in list(keystore)
    for srv in COLUMNS:
        args = ("read", METER, srv, *DAY, "--seed", "tests", "--json")
        assert good(*args, "--keystore", "keys.json") == good(*args)


def test_keys_for_clients_of_duis() -> None:
    pytest.importorskip("signxml", reason="needs the extra duis")
    parties = json.loads(good("keys", "--seed", "tests", "--format", "dccboxed"))
    names = [entry["name"] for entry in parties["90b3d51f30010000"]["digitalSignature"].values()]
    assert names == ["xml-sign-90B3D51F30010000-ds", "Z1-90B3D51F30010000-ds"]


def test_keys_of_named_euis() -> None:
    keystore = json.loads(good("keys", METER, "00-DB-E5-00-00-00-00-07"))
    devices = [eui for eui in keystore if not eui.startswith("90B3D51F")]
    assert devices == [METER, "00DBE50000000007"]
    for usages in keystore.values():
        assert usages.keys() == {"ka", "ds"}
        assert all(keys.keys() == {"private", "public"} for keys in usages.values())


READ = ("read", METER, "4.8.1", *DAY)

BAD_USAGE = [
    (("nonsense",), "nonsense"),
    (("decode", "--nonsense"), "nonsense"),
    (("read",), "EUI"),
    (("read", METER, "4.8.1", "--from", "2026-01-14"), "--to"),
    (("read", METER, "4.8.1", "--from", "2026-01-15", "--to", "2026-01-14"), "before it starts"),
    (("read", METER, "4.8.1", "--from", "yesterday", "--to", "2026-01-14"), "yesterday"),
    (("read", METER, "4.8.1", "--from", "1999-01-01", "--to", "2026-01-14"), "1999"),
    (("read", METER, "4.8.9", *DAY), "4.8.9"),
    (("read", METER, "4.1.1", *DAY), "4.1.1"),
    (("read", "00DBE5", "4.8.1", *DAY), "16 hexadecimal digits"),
    ((*READ, "--via", "pigeon"), "pigeon"),
    ((*READ, "--meters", 0), "--meters"),
    ((*READ, "--meters", "many"), "many"),
    ((*READ, "--base", "FFFFFFFFFFFFFFFF"), "up to FFFFFFFFFFFFFFFF"),
    (("prove", "--meters", -1), "--meters"),
    (("prove", "--meters", 2**64), "up to FFFFFFFFFFFFFFFF"),
    (("serve", "--retention", 24), "give 25 to 72"),
    (("serve", "--retention", 73), "give 25 to 72"),
    (("serve", "--retention", "nan"), "give 25 to 72"),
    (("serve", "--retention", "long"), "hours"),
    (("cache", "--retention", 24.9), "give 25 to 72"),
    (("serve", "--latency", "nonsense"), "lognormal"),
    (("fleet", "--latency", "-1s"), "lognormal"),
    (("serve", "--port", "http"), "--port"),
    (("serve", "--port", 65536), "port"),
    (("serve", "--port", -1), "port"),
    (("keys", "nonsense"), "16 hexadecimal digits"),
    (("keys", METER, "--format", "dccboxed"), "leave each EUI out"),
    (("encode", "no-such-file"), "no-such-file"),
    (("encode", "octets.json"), "UTF-8"),
    (("prove", "--report", "keys.json"), "report"),
    (("decode", "--keystore", ".", COMMAND.hex()), "keystore"),
]


@pytest.mark.parametrize(("args", "reason"), BAD_USAGE)
def test_bad_usage_is_one_line_and_exit_2(args: tuple[object, ...], reason: str) -> None:
    Path("keys.json").write_text("{}")
    Path("octets.json").write_bytes(b"\xff\xfe\x00")
    assert_fails(esme(*args), 2, re.escape(reason))


URL_BAD = "is not the URL of a broker"
FAILURES = [
    (("read", "00DBE50000000064", "4.8.1", *DAY), "00DBE50000000000 to 00DBE50000000063"),
    (("serve", "--port", 0, "--store", "absent/store.sqlite"), "absent/store.sqlite"),
    (("serve", "--port", 0, "--store", "text.json"), "text.json.*not a database"),
    (("prove", "--meters", 1, "--report", "text.json/report"), "text.json/report"),
    (("prove", "--meters", 1, "--report", "/proc/report"), "/proc/report"),
]
WRONG_URLS = [
    (("fleet", "--broker", "nonsense"), URL_BAD),
    (("cache", "--broker", "http://127.0.0.1"), URL_BAD),
    (("serve", "--broker", "mqtt://"), URL_BAD),
    (("prove", "--broker", "mqtt://127.0.0.1:99999"), URL_BAD),
    ((*READ, "--broker", "broker"), URL_BAD),
]


WRONG_FILES = [
    (("decode", "--keystore", "absent.json", COMMAND.hex()), "absent.json: No such file"),
    ((*READ, "--keystore", "text.json"), "text.json is not JSON"),
    ((*READ, "--keystore", "octets.json"), "octets.json is not JSON"),
    ((*READ, "--keystore", "deep.json"), "deep.json"),
    ((*READ, "--keystore", "list.json"), "list.json.* is a JSON object"),
    ((*READ, "--keystore", "empty.json"), "empty.json has no device"),
    ((*READ, "--keystore", "wrong.json"), "wrong.json.*zz"),
    ((*READ, "--keystore", "point.json"), "point.json.*00DBE50000000000"),
]


@pytest.mark.processes
@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        *((args, 1, reason) for args, reason in FAILURES),
        *((args, 2, reason) for args, reason in (*WRONG_FILES, *WRONG_URLS)),
    ],
)
def test_a_failure_is_one_line_and_exit_1_or_2_for_a_wrong_file(
    args: tuple[object, ...], code: int, reason: str
) -> None:
    Path("text.json").write_text("nonsense\n" * 200)
    Path("octets.json").write_bytes(b"\xff\xfe\x00")
    Path("deep.json").write_text("[" * 100_000)
    Path("list.json").write_text("[]")
    Path("empty.json").write_text("{}")
    Path("wrong.json").write_text('{"zz": {}}')
    Path("point.json").write_text(json.dumps({METER: {"ka": {"public": "04" + "00" * 64}}}))
    assert_fails(esme(*args), code, reason)


@pytest.mark.processes
def test_an_interruption_during_imports_is_one_line() -> None:
    program = """
import signal, sys

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "esme_emulator.cli.commands":
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
import esme_emulator.cli.main
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (130, "esme: interrupted\n")


def test_help_and_version_are_no_failures() -> None:
    assert "Usage" in good("--help")
    for name in cli.COMMANDS:
        assert "Usage" in good(name, "--help")
    assert re.search(r"\d+\.\d+", good("--version"))


def every_command(group: click.Group, context: click.Context) -> Iterator[click.Command]:
    yield group
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from every_command(found, context)
        else:
            yield found


def test_help_lists_every_command_with_its_whole_summary() -> None:
    said = good("--help")
    assert "…" not in said
    assert "..." not in said.partition("Commands:")[2]
    for name, lazy in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(lazy.summary)}$", said, re.M)
        found = cli.main.get_command(click.Context(cli.main), name)
        assert found is not None
        assert (found.help or "").partition("\n")[0] == lazy.summary


def test_every_command_has_an_example_that_names_it() -> None:
    context = click.Context(cli.main)
    for each in every_command(cli.main, context):
        assert isinstance(each, Command)
        assert each.example.startswith("esme ")
        assert each is cli.main or f" {each.name}" in each.example


def test_every_option_has_help() -> None:
    for each in every_command(cli.main, click.Context(cli.main)):
        for option in each.params:
            if isinstance(option, click.Option):
                assert (option.help or "").endswith("."), (each.name, option.name)


@pytest.mark.processes
def test_help_imports_nothing_heavy() -> None:
    heavy = {
        "gbcs",
        "rich",
        "pydantic",
        "aiomqtt",
        "mqtt5",
        "amqtt",
        "iotcore",
        "fastapi",
        "hdrh",
        "matplotlib",
    }
    program = (
        "import sys; from esme_emulator.cli.main import main\n"
        "try: main(['--help'])\n"
        f"finally: sys.stderr.write(' '.join({heavy!r} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
