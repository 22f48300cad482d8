"""Fleet files and their CSV: layouts, gaps, exact sums, states and mistakes."""

import gc
from pathlib import Path

import pytest

from esme_emulator.device.demand import import_demand
from esme_emulator.device.energy import Metered, total
from esme_emulator.device.model import meter_of
from esme_emulator.device.tariff import block_counters
from esme_emulator.profiles import ProfileError, built, fleet_file, read_fleet
from esme_emulator.profiles.curve_file import parse_curves
from esme_emulator.runtime.files import read_text
from gbcs import EUI
from gbcs.instants import HALF_HOUR, parse_iso

EUI_0 = EUI.parse("00DBE50000000000")
DAY = parse_iso("2026-03-28")


def _day(*cells: str) -> str:
    return "date_kwh," + ",".join(f"hh{n}" for n in range(1, 51)) + "\n" + ",".join(cells) + "\n"


@pytest.mark.parametrize(
    ("day", "number"), [("2026-03-28", 48), ("2026-03-29", 46), ("2026-10-25", 50)]
)
def test_a_local_day_has_46_48_or_50_half_hours(day: str, number: int) -> None:
    values = parse_curves(_day(day, *["0.5"] * number), "Europe/London")["import"]
    assert len(values) == number
    assert set(values.values()) == {500}
    with pytest.raises(ValueError, match=f"line 2: 47 half hours; that day has {number}"):
        parse_curves(_day(day, *["0.5"] * 47), "Europe/London")


def test_an_empty_cell_is_a_gap_and_not_0() -> None:
    text = "start,import_wh,export_wh\n2026-03-28T00:00Z,5,\n2026-03-28T00:30Z,0,7\n"
    first = DAY // HALF_HOUR
    assert parse_curves(text) == {"import": {first: 5, first + 1: 0}, "export": {first + 1: 7}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("start,import\n2026-03-28T00:00Z,5\n", "unit"),
        ("start,import_wh\nsoon,5\n", "line 2: 'soon' is not a time"),
        ("start;import_kwh\n2026-03-28T00:00Z;0,5\n", "line 1: semicolons between columns"),
        ("start,import_wh\n2026-03-28T00:00Z,x\n", "line 2: 'x' is not an energy"),
        ("start,import_wh\n2026-03-28T00:10Z,5\n", "line 2: .* does not begin a half hour"),
        ("start,import_wh\n2026-03-28T00:00Z,5\n2026-03-28T00:00Z,5\n", "line 3: .* twice"),
    ],
)
def test_a_bad_row_is_named(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_curves(text)


def test_registers_are_the_sums_of_the_half_hours(tmp_path: Path) -> None:
    (tmp_path / "00DBE50000000000.csv").write_text(
        "start,import_wh\n2026-03-28T00:00Z,5\n2026-03-28T01:00Z,7\n"
    )
    (tmp_path / "fleet.toml").write_text(
        '[[meter]]\neui = "00DBE50000000000"\ncount = 1000000\ncsv = "{eui}.csv"\n'
        "installed = 2026-03-28\nregisters = {import = [100]}\n"
    )
    meters = read_fleet(tmp_path / "fleet.toml")
    meter = meter_of("1", EUI_0, meters)
    at = [total(meter.primary, meter.installed, DAY + n * HALF_HOUR) for n in (-1, 0, 1, 2, 3, 99)]
    assert at == [0, 100, 105, 105, 112, 112]
    assert not meter.primary.has(DAY // HALF_HOUR + 1)


def test_a_flat_load_without_chance_is_flat(tmp_path: Path) -> None:
    load = tmp_path / "flat.toml"
    powers = "[" + ", ".join(["1"] * 48) + "]"
    days = ("winter_weekday", "winter_weekend", "summer_weekday", "summer_weekend")
    load.write_text(
        'profile = "load"\ntitle = "Flat"\nannual_kwh = 8766\nspread = 2\nreactive = 0\n'
        "shared = 0.5\n[half_hours]\n"
        + "".join(f"{day} = {powers}\n" for day in days)
        + "[sources]\n"
        + "".join(
            f'{key} = "assumed"\n'
            for key in ("annual_kwh", "spread", "reactive", "shared", "half_hours")
        )
    )
    kind = tmp_path / "meter.toml"
    kind.write_text(
        'profile = "meter"\ntitle = "Flat"\nshare = 1\ngeneration = "SMETS2"\n'
        'variant = "single"\npayment = "credit"\ntariff = "one-rate"\nwan = "none"\n'
        'import = "flat.toml"\n[sources]\nshare = "assumed"\n'
    )
    meters = built({str(EUI_0): {"profile": str(kind), "chance": 0}})
    meter = meter_of("1", EUI_0, meters)
    first = DAY // HALF_HOUR
    assert set(meter.primary.half_hours(first, first + 999)) == {500}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"state": "gone"}, "state"),
        ({"switching": {"00:10": 1}}, "00:10"),
        ({"profile": "single", "registers": {"secondary": [1]}}, "twin"),
        (
            {
                "half_hours": {"start": "2026-03-28", "values": {"export": [10**9] * 4}},
                "registers": {"export": [294_967_296]},
            },
            "export: its energies add up to 4294967296, .* at most 4294967295: check the unit",
        ),
    ],
)
def test_a_mistake_is_one_line(given: dict[str, object], reason: str) -> None:
    with pytest.raises(ProfileError, match=reason):
        built({str(EUI_0): given}).check()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "fleet.toml: meter: is missing: write it as [[meter]], once for each"),
        (
            '[[meter]]\neui = "00DBE50000000000"\ncsv = "own.csv"\n'
            "half_hours = {start = 2026-03-28, values = {import = [1]}}\n",
            "fleet.toml: half_hours: import is in the CSV too: give it once",
        ),
    ],
)
def test_a_mistake_in_a_file_names_it(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text("start,import_wh\n2026-03-28T00:00Z,5\n")
    Path("fleet.toml").write_text(text)
    with pytest.raises(ProfileError) as raised:
        read_fleet("fleet.toml")
    assert str(raised.value) == reason


def many(folder: Path, number: int) -> list[EUI]:
    """Write a fleet file of a million meters, and the CSV files of the first `number` of them."""
    euis = [EUI.from_int(int(EUI_0) + place) for place in range(number)]
    for place, eui in enumerate(euis):
        (folder / f"{eui}.csv").write_text(f"start,import_wh\n2026-03-28T00:00Z,{place}\n")
    (folder / "fleet.toml").write_text(
        f'[[meter]]\neui = "{EUI_0}"\ncount = 1000000\ncsv = "{{eui}}.csv"\n'
        "installed = 2026-03-28\n"
    )
    return euis


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read."""
    names: list[str] = []

    def read(path: Path) -> str:
        names.append(Path(path).name)
        return read_text(path)

    monkeypatch.setattr(fleet_file, "read_text", read)
    return names


def test_a_file_is_read_when_its_meter_is_first_used(tmp_path: Path, opened: list[str]) -> None:
    first, *_, last = many(tmp_path, 5)
    meters = read_fleet(tmp_path / "fleet.toml")
    assert opened == ["fleet.toml", f"{first}.csv"], "the first is checked"
    for _ in range(3):
        meter = meter_of("1", last, meters)
        assert total(meter.primary, meter.installed, DAY + HALF_HOUR) == 4
    assert opened[2:] == [f"{last}.csv"]


def test_the_start_reads_the_files_of_some_tables_and_checks_all(
    tmp_path: Path, opened: list[str]
) -> None:
    euis = many(tmp_path, 150)
    text = "".join(f'[[meter]]\neui = "{eui}"\ncsv = "{{eui}}.csv"\n' for eui in euis)
    (tmp_path / "fleet.toml").write_text(text)
    read_fleet(tmp_path / "fleet.toml")
    assert opened == ["fleet.toml", *(f"{eui}.csv" for eui in euis[:100])]
    (tmp_path / "fleet.toml").write_text(text + 'switching = { "07:00" = 1 }\n')
    with pytest.raises(ProfileError, match='switching: give the register from "00:00" on'):
        read_fleet(tmp_path / "fleet.toml")


def test_only_the_half_hours_of_the_latest_meters_are_in_memory(tmp_path: Path) -> None:
    """Although demands and the years of block tariffs are cached for meters that are drawn."""

    def curves() -> int:
        gc.collect()
        return sum(isinstance(each, Metered) for each in gc.get_objects())

    euis = many(tmp_path, 300)
    with (tmp_path / "fleet.toml").open("a") as file:
        file.write('profile = "single-blocks"\n')
    meters = read_fleet(tmp_path / "fleet.toml")
    before = curves()
    for place, eui in enumerate(euis):
        meter = meter_of("1", eui, meters)
        assert import_demand(meter, DAY + 99 * HALF_HOUR).power == 2 * place
        assert block_counters(meter, DAY + 999 * HALF_HOUR)[0] == place
    del meter
    assert curves() - before <= 256
