"""`esme duis` against `esme serve --duis` and `esme dsp`, as processes and in this one."""

import json
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("signxml", reason="DUIS needs the extra duis")

from lxml import etree

from esme_emulator.cli.duis_options import duis_keys
from esme_emulator.estate.estate import EstateSource
from esme_emulator.estate.parties import SUPPLIER
from esme_emulator.gateway.keys import export_dccboxed
from esme_emulator.gateway.signature import sign
from tests.emulator.cli.test_cli_processes import DAY, METER, esme, running
from tests.support.command_line import esme as esme_here
from tests.support.mosquitto import free_port

READ_LOG = ("duis", "send", "--srv", "4.8.1", "--eui", METER)
READ = (
    '<sr:Request xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway" schemaVersion="5.4">'
    "\n <!-- a template --> <sr:Header><sr:RequestID>"
    "90-B3-D5-1F-30-01-00-00:00-DB-E5-00-00-00-00-00:1000</sr:RequestID>"
    "<sr:CommandVariant>1</sr:CommandVariant><sr:ServiceReference>4.1</sr:ServiceReference>"
    "<sr:ServiceReferenceVariant>4.1.1</sr:ServiceReferenceVariant></sr:Header>"
    "<sr:Body><sr:ReadInstantaneousImportRegisters/></sr:Body></sr:Request>"
)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Run everything; yield the options of `esme duis send` that reach it."""
    outbox = tmp_path_factory.mktemp("duis") / "outbox.sqlite"
    address = f"http://127.0.0.1:{free_port()}/smartdcc/duis"
    options = ("--meters", 3, "--port", 0, "--store", "memory:", "--duis", 0, "--smki", 0)
    more = ("--outbox", outbox, "--respond-to", address, "--respond-after", "0s")
    with running("serve", *options, *more) as served:
        assert served.started["smki"].startswith("http://127.0.0.1:")
        yield "--to-url", served.started["duis"], "--listen", address
        served.stop(signal.SIGTERM)


@pytest.mark.processes
def test_send_prints_the_reading(endpoint: tuple[str, ...], tmp_path: Path) -> None:
    said = esme("duis", "send", "--srv", "4.8.1", "--eui", METER, *DAY, *endpoint, "--json")
    assert said.returncode == 0, said.stderr
    form = json.loads(said.stdout)
    assert (form["ResponseCode"], len(form["rows"])) == ("I0", 49)
    file = tmp_path / "request.xml"
    file.write_text(READ)
    said = esme("duis", "send", file, *endpoint)
    assert (said.returncode, said.stderr) == (0, b"")
    assert b"active import" in said.stdout.lower()


@pytest.mark.processes
def test_send_prints_the_decoded_readings_of_a_smets1_meter(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}/smartdcc/duis"
    options = ("--meters", 3, "--port", 0, "--store", "memory:", "--duis", 0, "--profile", "smets1")
    more = ("--outbox", tmp_path / "outbox.sqlite", "--respond-to", address)
    with running("serve", *options, *more, "--respond-after", "0s", "--smets1-response") as served:
        endpoint = ("--to-url", served.started["duis"], "--listen", address)
        said = esme("duis", "send", "--srv", "4.18", "--eui", METER, *endpoint)
        assert (said.returncode, said.stderr) == (0, b"")
        assert b"ReadMeterBalanceRsp" in said.stdout
        said = esme("duis", "send", "--srv", "4.8.1", "--eui", METER, *DAY, *endpoint, "--json")
        form = json.loads(said.stdout)
        assert (form["ResponseCode"], form["readings"].count("<ra:LogEntry>")) == ("I0", 49)
        served.stop(signal.SIGTERM)


@pytest.mark.processes
def test_send_says_why_a_request_was_refused(endpoint: tuple[str, ...]) -> None:
    said = esme("duis", "send", "--srv", "4.1.1", "--eui", "00DBE5000000FFFF", *endpoint)
    assert said.returncode == 1
    assert said.stderr.rstrip().endswith(b"E19, no device")
    other = esme("duis", "send", "--srv", "4.1.1", "--eui", METER, *endpoint, "--seed", "other")
    assert other.returncode == 1
    assert b"HTTP 400" in other.stderr


def test_send_refuses_an_acknowledgement_that_the_dsp_did_not_sign() -> None:
    keys = duis_keys(EstateSource())
    user = next(each for each in keys.signers.values() if each.eui != keys.dsp.eui)
    octets = sign(etree.fromstring(READ.replace("<!-- a template -->", "")), user)

    class Impostor(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Impostor) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        addresses = (("--to-url", server.server_port), ("--listen", free_port()))
        given = (text for name, port in addresses for text in (name, f"http://127.0.0.1:{port}/"))
        said = esme_here(*map(str, READ_LOG), *DAY, *given)
        server.shutdown()
    assert said.exit_code == 1
    assert said.stderr == f"esme: the acknowledgement: signed by {user.eui}, which is not the DSP\n"


def test_load_warns_once_of_a_bad_entry(tmp_path: Path) -> None:
    entries = json.loads(export_dccboxed(duis_keys(EstateSource())))
    spoilt = entries[str(SUPPLIER).lower()]["digitalSignature"]
    next(iter(spoilt.values()))["certificate"] = "x"
    file = tmp_path / "keystore.json"
    file.write_text(json.dumps(entries))
    addresses = (f"http://127.0.0.1:{free_port()}/" for _ in range(2))
    urls = [text for pair in zip(("--to-url", "--listen"), addresses, strict=True) for text in pair]
    said = esme_here("load", "--via", "duis", "--parties", str(file), *urls, "--seconds", "1")
    assert said.exit_code == 1
    [line] = [line for line in said.stderr.splitlines() if "skipped" in line]
    assert str(SUPPLIER).lower() in line


@pytest.mark.processes
def test_the_front_door_alone_on_a_broker(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}/smartdcc/duis"
    with running("serve", "--meters", 3, "--port", 0, "--store", "memory:") as served:
        broker = served.started["broker"]
        outbox = tmp_path / "outbox.sqlite"
        ports = ("--duis", 0, "--smki", 0, "--respond-to", address, "--respond-after", "0s")
        with running("dsp", "--meters", 3, "--broker", broker, "--outbox", outbox, *ports) as door:
            url = door.started["duis"]
            said = esme(
                *("duis", "send", "--srv", "4.1.1", "--eui", METER, "--json"),
                *("--to-url", url, "--listen", address),
            )
            assert said.returncode == 0, said.stderr
            door.stop(signal.SIGTERM)
        assert served.stop(signal.SIGTERM)["device_hits"] == 1


def test_what_was_signed_is_verified(tmp_path: Path) -> None:
    file, signed = tmp_path / "request.xml", tmp_path / "signed.xml"
    file.write_text(READ)
    said = esme_here("duis", "sign", file, "--keep-counter")
    assert said.exit_code == 0, said.output
    signed.write_text(said.stdout)
    form = json.loads(esme_here("duis", "verify", signed, "--json").stdout)
    assert form["signer"] == "90B3D51F30010000"
    assert form["RequestID"].endswith(":1000")
    signed.write_text(said.stdout.replace("4.1.1", "4.1.2"))
    said = esme_here("duis", "verify", signed)
    assert said.exit_code == 1
    assert len(said.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("duis", "send"), 2, "name a FILE, or give --srv and --eui"),
        (("duis", "send", "--srv", "4.8.1", "--eui", METER), 2, "give --from and --to"),
        (("duis", "send", "--srv", "4.1.1", "--eui", METER, *DAY), 2, "leave out --from"),
        ((*READ_LOG, "--from", DAY[3], "--to", DAY[1]), 2, "before it starts"),
        *(
            ((*READ_LOG, *DAY, "--to-url", url), 2, "is not the URL of an endpoint")
            for url in ("nonsense", "ftp://a", "http://a:99999", "http://xn--a", "http://a/\x01")
        ),
        (("serve", "--duis", "--respond-to", "http://xn--a/"), 2, "is not an address"),
        (("duis", "sign", "text"), 2, "not XML"),
        (("duis", "verify", "text"), 1, "text: "),
        (("duis", "sign", "text", "--parties", "text"), 2, "--parties text: it is not TOML"),
        (("serve", "--smki"), 2, "--smki: give --duis too"),
        (("serve", "--via", "direct"), 2, "--via: give --duis too"),
        ((*READ_LOG, *DAY, "--to-url", "http://127.0.0.1:1"), 1, "start esme serve --duis, or"),
        (("serve", "--duis", "--respond-to", "nowhere"), 2, "is not an address"),
        (("serve", "--duis", "--respond-after", "soon"), 2, "is not a duration"),
        (("serve", "--duis", "--duis-schema", "."), 2, "no duis.xsd"),
    ],
)
def test_mistakes_are_one_line(
    args: tuple[str, ...], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("text")
    said = esme_here(*args)
    assert said.exit_code == code, said.output
    assert says in said.stderr
    assert said.exception is None or isinstance(said.exception, SystemExit)
