"""`esme read` of every service of the reading service, and nonsense given to every option."""

import csv
import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

from esme_emulator.cli.main import main as esme_command
from esme_emulator.device.model import meter_of
from esme_emulator.estate.estate import derived_estate
from gbcs import EUI
from gbcs.instants import parse_iso
from gbcs.tables.reading_services import (
    POLYPHASE,
    READING_SERVICES,
    SINGLE,
    TWIN,
    ReadingService,
    service_of,
)
from tests.support.mosquitto import Mosquitto

SERVICES = [(service, kind) for service in READING_SERVICES for kind in service.meters]
DAY = ("--from", "2026-01-14", "--to", "2026-01-15T00:00:00Z")
FIRST, LAST = parse_iso("2026-01-14"), parse_iso("2026-01-15")
HEAD = {"device", "srv", "from", "to", "via", "cache_status"}
CACHED = {"4.6.1", "4.8.1", "4.8.3"}


@cache
def first_of(kind: str) -> EUI:
    """The first meter of a kind among those of seed 1."""
    meters = derived_estate("1", 1000).meters
    return next(eui for eui in meters if meter_of("1", eui).profile.variant == kind)


@dataclass
class Said:
    code: int
    out: str
    err: str


class Esme:
    """The command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: object) -> Said:
        with pytest.raises(SystemExit) as exited:
            esme_command(list(map(str, args)))
        out, err = self._capsys.readouterr()
        code = exited.value.code
        return Said(code if isinstance(code, int) else 0, out, err)

    def form(self, *args: object) -> dict[str, Any]:
        said = self(*args, "--json")
        assert (said.code, said.err) == (0, "")
        form: dict[str, Any] = json.loads(said.out)
        return form

    def refused(self, code: int, *args: object) -> str:
        said = self(*args)
        assert (said.code, said.out) == (code, "")
        assert said.err.startswith("esme: ")
        assert said.err.count("\n") == 1
        assert said.err.endswith("\n")
        return said.err


@pytest.fixture
def esme(capsys: pytest.CaptureFixture[str]) -> Esme:
    return Esme(capsys)


def args_of(service: ReadingService, kind: str) -> tuple[object, ...]:
    device = first_of(kind)
    window = DAY if service.windowed else ()
    return "read", device, service.srv, *window, "--base", device, "--meters", 1


def ids(value: object) -> str:
    return value.use_case if isinstance(value, ReadingService) else str(value)


UNITS = ("units", "unit", "scale")


@pytest.mark.parametrize(("service", "kind"), SERVICES, ids=ids)
def test_every_service_is_read_as_json(service: ReadingService, kind: str, esme: Esme) -> None:
    form = esme.form(*args_of(service, kind))
    body = set(form) - HEAD
    assert body in ({"rows", "units"}, {"values"})
    assert form["device"] == str(first_of(kind))
    assert form["srv"] == service.srv
    assert form["via"] == "cache"
    is_cached = service.srv in CACHED
    assert form["cache_status"] == f"s1sp; fwd={'miss; stored' if is_cached else 'bypass'}"
    window = ("2026-01-14T00:00:00Z", "2026-01-15T00:00:00Z") if service.windowed else (None, None)
    assert (form["from"], form["to"]) == window
    if "values" in form:
        names = [item["name"] for item in form["values"]]
        assert all(names)
        assert len(names) >= len(service.accesses)
        for item in form["values"]:
            assert len(item.keys() & {"rows", "fields", "value"}) == 1
            assert item.keys() <= {*("name", "rows", "fields", "value"), *UNITS}
    logs = [form] if "rows" in form else [item for item in form["values"] if "rows" in item]
    if service.windowed:
        assert logs
    for log in logs:
        for row in log["rows"]:
            assert len(row) > 1
            if "time" in row and service.windowed:
                assert FIRST <= parse_iso(row["time"]) <= LAST


@pytest.mark.parametrize("service", READING_SERVICES, ids=ids)
def test_every_service_reads_the_same_as_text_and_directly(
    service: ReadingService, esme: Esme
) -> None:
    args = args_of(service, service.meters[0])
    plain = esme(*args)
    assert (plain.code, plain.err) == (0, "")
    assert plain.out.strip()
    if service.carries_time or not service.windowed:
        return  # what it says is of now
    direct, cached = esme.form(*args, "--via", "direct"), esme.form(*args)
    assert direct.pop("cache_status") is None
    assert cached.pop("cache_status")
    assert (direct.pop("via"), cached.pop("via")) == ("direct", "cache")
    assert direct == cached


def test_a_log_of_one_day_has_its_half_hours(esme: Esme) -> None:
    form = esme.form(*args_of(service_of("4.8.1"), SINGLE))
    assert [row["time"] for row in form["rows"]][:2] == [
        "2026-01-14T00:00:00Z",
        "2026-01-14T00:30:00Z",
    ]
    assert len(form["rows"]) == 49
    chart = esme(*args_of(service_of("4.8.1"), SINGLE), "--chart")
    assert chart.code == 0
    assert chart.out.splitlines()[-1].endswith("49 entries")


def test_a_window_without_entries_is_no_mistake(esme: Esme) -> None:
    device = first_of(SINGLE)
    before = ("--from", "2001-01-01", "--to", "2001-01-02")
    form = esme.form("read", device, "4.8.1", *before, "--base", device, "--meters", 1)
    assert form["rows"] == []
    said = esme("read", device, "4.8.1", *before, "--base", device, "--meters", 1)
    assert (said.code, said.out) == (0, "no entries in this window\n")


def test_a_meter_of_another_kind_refuses_the_read(esme: Esme) -> None:
    device = first_of(SINGLE)
    own = ("--base", device, "--meters", 1)
    said = esme.refused(2, "read", device, "4.11.2", *own)
    assert "a single meter has no reading service 4.11.2: " in said
    assert "give the --profile of its fleet, or --variant" in said
    forced = esme.refused(1, "read", device, "4.11.2", *own, "--variant", TWIN)
    assert f"{device} refuses SRV 4.11.2: " in forced
    phases = esme.refused(1, "read", device, "4.10", *DAY, *own, "--variant", POLYPHASE)
    assert f"{device} refuses SRV 4.10: " in phases


def test_the_profile_of_the_fleet_gives_the_variant(esme: Esme) -> None:
    for profile, srv in (("twin", "4.11.2"), ("polyphase", "4.16")):
        form = esme.form("read", METER, srv, "--profile", profile)
        assert form["values"]
    three = esme.form("read", METER, "4.10", *DAY, "--profile", "polyphase")
    assert any("phase 3" in item["name"] for item in three["values"])


METER = "00DBE50000000000"


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("zz", "4.3"), 2, "zz"),
        ((METER,), 2, "Missing argument"),
        ((METER, "4.99"), 2, "4.99"),
        ((METER, "4.8.1"), 2, "give --from and --to"),
        ((METER, "4.8.1", "--from", "2026-01-01"), 2, "give --from and --to"),
        ((METER, "4.3", *DAY), 2, "leave out --from and --to"),
        ((METER, "4.8.1", "--from", "2026-01-02", "--to", "2026-01-01"), 2, "before it starts"),
        ((METER, "4.8.1", "--from", "yesterday", "--to", "2026-01-01"), 2, "yesterday"),
        ((METER, "4.8.1", "--from", "1999-01-01", "--to", "2026-01-01"), 2, "1999"),
        ((METER, "4.8.1", "--from", "2026-01-01", "--to", "2999-01-01"), 2, "2999"),
        ((METER, "4.3", "--via", "post"), 2, "post"),
        ((METER, "4.3", "--variant", "octuple"), 2, "octuple"),
        ((METER, "4.3", "--profile", "octuple"), 2, "there is no such profile"),
        ((METER, "4.3", "--profile", "./octuple"), 2, "ends with .toml"),
        ((METER, "4.3", "--timeout", "0"), 2, "above 0"),
        ((METER, "4.3", "--timeout", "nan"), 2, "above 0"),
        ((METER, "4.3", "--timeout", "inf"), 2, "above 0"),
        ((METER, "4.3", "--timeout", "soon"), 2, "soon"),
        (("00DBE5000000FFFF", "4.3"), 1, "is not a meter of this estate, which has"),
        ((METER, "4.3", "--broker", "mqtt://127.0.0.1:1"), 1, "no MQTT broker"),
        ((METER, "4.3", "--keystore", "none.json"), 2, "none.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_one_line(args: tuple[str, ...], code: int, reason: str, esme: Esme) -> None:
    assert reason in esme.refused(code, "read", *args)


@pytest.mark.processes
def test_a_command_without_a_subscriber_fails_at_once(tmp_path: Path, esme: Esme) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        for via, who in (("cache", "a cache"), ("direct", "a fleet with this meter")):
            args = ("--via", via, "--broker", mosquitto.url, "--timeout", 600)
            said = esme.refused(1, "read", METER, "4.3", *args)
            assert f"/{METER}/command: is {who} connected to this broker?" in said


def test_a_keystore_without_an_entitled_party_is_one_line(esme: Esme) -> None:
    keys = json.loads(esme("keys", "--meters", 1).out)
    rows = keys if isinstance(keys, list) else next(iter(keys.values()))
    assert rows, "the form of a keystore file"
    own = [row for row in rows if METER in json.dumps(row)]
    Path("keys.json").write_text(json.dumps(own if isinstance(keys, list) else {**keys}))
    if isinstance(keys, list):
        said = esme.refused(1, "read", METER, "4.3", "--keystore", "keys.json")
        assert "no private key of a party that may ask for SRV 4.3" in said


# Nonsense

NONSENSE = ("", " ", "x", "-1", "0", "nan", "1e999", "9" * 30, "a\nb", "é", "/", "[b]")
NOWHERE = "nowhere"
"""Is no broker, so that what is no nonsense after all ends too."""


def values_given(command: str) -> list[str]:
    """The options of a command that take a value."""
    found = esme_command.get_command(click.Context(esme_command), command)
    assert found is not None
    return [
        parameter.opts[0]
        for parameter in found.params
        if isinstance(parameter, click.Option) and not parameter.is_flag
    ]


BEFORE = {
    "read": ("read", METER, "4.8.1", *DAY),
    "serve": ("serve", "--port", "0", "--store", "memory:"),
    "fleet": ("fleet",),
    "cache": ("cache", "--store", "memory:"),
}


@pytest.mark.parametrize(
    ("command", "option"),
    [(command, option) for command in BEFORE for option in values_given(command)],
)
def test_nonsense_is_one_line(command: str, option: str, esme: Esme) -> None:
    for nonsense in NONSENSE:
        broker = () if option == "--broker" else ("--broker", NOWHERE)
        said = esme(*BEFORE[command], *broker, option, nonsense)
        assert said.code in (1, 2), nonsense
        assert said.out == ""
        assert said.err.startswith("esme: "), nonsense
        assert said.err.count("\n") == 1, nonsense


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_in_place_of_arguments_is_one_line(nonsense: str, esme: Esme) -> None:
    for args in (
        ("read", nonsense, "4.3"),
        ("read", METER, nonsense),
        ("cache", "inspect", nonsense),
        ("cache", "purge", nonsense, "--srv", nonsense),
        ("counters", nonsense),
        ("counters", f"http://{nonsense}"),
        ("counters", f"http://127.0.0.1:{nonsense}"),
        ("counters", f"http://127.0.0.1:1/{nonsense}"),
    ):
        said = esme(*args)
        assert said.code in (1, 2), args
        assert said.err.startswith("esme: "), args
        assert said.err.count("\n") == 1, args


@pytest.mark.parametrize(("service", "kind"), SERVICES, ids=ids)
def test_every_service_is_read_as_csv(service: ReadingService, kind: str, esme: Esme) -> None:
    title, *rows = csv.reader(io.StringIO(esme(*args_of(service, kind), "--csv").out))
    assert title == ["name", "time", "value", "unit"] or title[0] == "time"
    assert all(len(row) == len(title) for row in rows)


def test_one_form_of_output_at_a_time(esme: Esme) -> None:
    error = esme.refused(2, "read", "00DBE50000000000", "4.1.1", "--csv", "--json")
    assert "--chart, --csv and --json: give one of the three" in error


def test_a_fleet_file_names_its_meters(esme: Esme, tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(f'[[meter]]\neui = "{METER}"\n')
    refused = esme.refused(2, "read", METER, "4.3", "--fleet-file", str(file), "--meters", "4")
    assert "--meters: leave it out, since a fleet file names its meters" in refused
