"""A user's profiles: read from files, with file, key and reason of each mistake."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from esme_emulator.profiles import (
    HalfHours,
    LoadProfile,
    MeterProfile,
    ProfileError,
    Sun,
    WanProfile,
    any_profile,
    check,
    load_profile,
    meter_profile,
    wan_profile,
)
from esme_emulator.profiles.latency import parse_latency

DAY = "[" + ", ".join(["1"] * 48) + "]"
FIGURES = {"annual_kwh": "1000", "spread": "2.0", "reactive": "0.3", "shared": "0.5"}
DAYS = ("winter_weekday", "winter_weekend", "summer_weekday", "summer_weekend")
LOAD = {
    "profile": '"load"',
    "title": '"A load"',
    **FIGURES,
    **{f"half_hours.{day}": DAY for day in DAYS},
    **{f"sources.{figure}": '"assumed"' for figure in (*FIGURES, "half_hours")},
}
SUN_FIGURES = {"sun.latitude": "52.5", "sun.longitude": "-1", "sun.self_use": "0.1"}
SUN = {
    **{key: value for key, value in LOAD.items() if "half_hours" not in key},
    **SUN_FIGURES,
    "sources.sun": '"measured: on a roof"',
}
METER = {
    "profile": '"meter"',
    "title": '"A meter"',
    "share": "1",
    "generation": '"SMETS2"',
    "variant": '"single"',
    "payment": '"credit"',
    "tariff": '"one-rate"',
    "wan": '"none"',
    "import": '"domestic"',
    "sources.share": '"assumed"',
}
WAN_FIGURES = {
    "latency": '"150ms"',
    "wake_sms": "1",
    "wake_latency": '"none"',
    "awake_seconds": "60",
    "loss": "0.1",
    "octets_per_second": "100",
}
WAN = {
    "profile": '"wan"',
    "title": '"A WAN"',
    **WAN_FIGURES,
    **{f"sources.{figure}": '"published: a paper"' for figure in WAN_FIGURES},
}
GOOD = {"load": LOAD, "sun": SUN, "meter": METER, "wan": WAN}


def write(folder: Path, keys: dict[str, str], name: str = "own.toml") -> Path:
    file = folder / name
    file.write_text("".join(f"{key} = {value}\n" for key, value in keys.items()), "utf-8")
    return file


def test_a_load_is_read(tmp_path: Path) -> None:
    load = any_profile(str(write(tmp_path, LOAD)))
    assert isinstance(load, LoadProfile)
    assert (load.name, load.title, load.annual_kwh, load.spread) == ("own", "A load", 1000, 2)
    assert (load.reactive, load.shared) == (0.3, 0.5)
    assert isinstance(load.shape, HalfHours)
    assert load.shape.summer_weekend == (1.0,) * 48
    assert load.sources["half_hours"] == "assumed"


def test_a_load_may_follow_the_sun(tmp_path: Path) -> None:
    load = any_profile(str(write(tmp_path, SUN)))
    assert isinstance(load, LoadProfile)
    assert isinstance(load.shape, Sun)
    assert (load.shape.latitude, load.shape.longitude, load.shape.self_use) == (52.5, -1, 0.1)


def test_a_wan_is_read(tmp_path: Path) -> None:
    wan = any_profile(str(write(tmp_path, WAN)))
    assert isinstance(wan, WanProfile)
    assert (wan.name, wan.latency, wan.wake_sms, wan.awake_seconds) == ("own", "150ms", 1, 60)
    assert (wan.wake_latency, wan.loss, wan.octets_per_second) == ("none", 0.1, 100)


@pytest.mark.parametrize(
    "latency",
    ["none", "0s", "1.5s", "uniform:0ms,1s", "normal:0s,1ms", "lognormal:999ms,1s"],
)
def test_a_valid_latency_can_be_parsed(latency: str, tmp_path: Path) -> None:
    wan = wan_profile(str(write(tmp_path, WAN | {"latency": f'"{latency}"'})))
    assert wan.latency == latency
    assert parse_latency(latency).seconds(0.5) >= 0


def test_a_file_of_latencies_is_in_the_folder_of_the_profile(tmp_path: Path) -> None:
    wan = wan_profile(str(write(tmp_path, WAN | {"latency": '"empirical:reads.csv#seconds"'})))
    assert wan.latency == f"empirical:{tmp_path}/reads.csv#seconds"
    assert wan.wake_latency == "none"


def test_a_meter_names_shipped_profiles_and_files_in_its_folder(tmp_path: Path) -> None:
    write(tmp_path, LOAD, "load.toml")
    write(tmp_path, WAN, "wan.toml")
    keys = METER | {"import": '["domestic", "load.toml"]', "wan": '"wan.toml"', "export": '"solar"'}
    file = write(tmp_path, keys)
    assert check(file) == []
    meter = any_profile(str(file))
    assert isinstance(meter, MeterProfile)
    assert meter.primary.name == "domestic+load"
    assert meter.primary.annual_kwh == 3500
    assert meter.export is load_profile("solar")
    assert wan_profile(meter.wan).title == "A WAN"


def test_a_meter_may_have_blocks_or_a_second_element(tmp_path: Path) -> None:
    blocks = {"tariff": '"blocks"', "block_thresholds_kwh": "[0.5, 2000]"}
    sources = {"sources.block_thresholds_kwh": '"assumed"'}
    meter = meter_profile(str(write(tmp_path, METER | blocks | sources)))
    assert meter.block_thresholds == (500, 2_000_000)
    twin = METER | {"variant": '"twin"', "secondary": '"storage-heating"'}
    assert meter_profile(str(write(tmp_path, twin))).secondary is load_profile("storage-heating")


def mistakes() -> Iterator[object]:
    odd = ["true", "[]", "{}", "nan", "inf", "-inf", "1e10", "-1", f"1{'0' * 400}", '"1"']
    wrong = {
        "load": {
            "title": ["1", "true", '["A"]', r'"\u001b[31mA"', r'"A\nB"'],
            "annual_kwh": ["0", "48001", *odd],
            "spread": ["0.99", *odd],
            "reactive": ["10.1", *odd],
            "shared": ["1.01", *odd],
            "half_hours.winter_weekday": [
                *odd,
                "[1, 2, 3]",
                DAY.replace("[1,", "[1, 1,"),
                DAY.replace("1", "0"),
                DAY.replace("1", "1e-320"),
                *(DAY.replace("[1,", f"[{item},") for item in (*odd, '"1"')),
            ],
            "half_hours.spring": [DAY],
            "colour": ['"red"'],
            "sources.spread": [
                "1",
                '""',
                '"guessed"',
                '"published"',
                '"published: "',
                "[]",
                r'"assumed: A\tB"',
            ],
            "sources.colour": ['"assumed"'],
            "sources.title": ['"assumed"'],
        },
        "sun": {
            "sun.latitude": ["48.9", "61.1", *odd],
            "sun.longitude": ["-9.1", "2.1", "nan", '"1"', "true"],
            "sun.self_use": ["0.6", *odd],
            "sun.height": ["1"],
        },
        "meter": {
            "title": ["1"],
            "share": ["0", "1.5", *odd],
            "generation": ['"SMETS3"', "1", '""', "[]"],
            "variant": ['"double"', "2"],
            "payment": ['"debit"', "true"],
            "tariff": ['"two-rate"', "2"],
            "wan": ['""', "1", '"absent"', '"absent.toml"'],
            "import": ['""', "1", "[]", "[1]", '"absent"', '"absent.toml"', '["domestic", "x"]'],
            "export": ['""', "1", '"absent"', '["solar"]'],
            "secondary": ['"storage-heating"', '""'],
            "block_thresholds_kwh": ["[1000]", "[]", "[2, 1]", "[1, 1]", "[0]", "[1,2,3,4]", "1"],
            "colour": ['"red"'],
        },
        "wan": {
            "latency": [
                '"lognormal:2s,1s"',
                '"lognormal:2s,150ms"',
                '"lognormal:0s,1s"',
                '"uniform:1s,1000ms"',
                '"normal:1s,0s"',
                '"empirical:"',
                "1",
                '""',
                '"soon"',
                '"150"',
                '"normal:2s"',
                '"lognormal:2s,3s,4s"',
            ],
            "wake_sms": ["1.5", "101", *odd],
            "wake_latency": ["true", '"1s,2s"'],
            "awake_seconds": odd,
            "loss": ["1.1", *odd],
            "octets_per_second": ["0.5", *odd],
        },
    }
    for kind, keys in wrong.items():
        for key, values in keys.items():
            for number, value in enumerate(values):
                yield pytest.param(kind, key, value, id=f"{kind} {key} {number}")


def read(file: Path, kind: str) -> object:
    return meter_profile(str(file)) if kind == "meter" else any_profile(str(file))


def assert_names(text: str, file: Path, key: str) -> None:
    assert len(text.splitlines()) == 1
    assert re.match(rf"{re.escape(str(file))}: (.*\b)?{re.escape(key)}\b.*: .", text), text
    assert len(text) < 1000


@pytest.mark.parametrize(("kind", "key", "value"), [*mistakes()])
def test_a_wrong_value_is_an_error_that_names_its_key(
    kind: str, key: str, value: str, tmp_path: Path
) -> None:
    file = write(tmp_path, GOOD[kind] | {key: value})
    found = check(file)
    assert found
    for line in found:
        assert_names(line, file, key.partition(".")[0])
    with pytest.raises(ProfileError) as raised:
        read(file, kind)
    assert_names(str(raised.value), file, key.partition(".")[0])


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind, keys in GOOD.items() for key in keys]
)
def test_a_missing_key_is_an_error_that_names_the_key(kind: str, key: str, tmp_path: Path) -> None:
    file = write(tmp_path, {name: value for name, value in GOOD[kind].items() if name != key})
    found = check(file)
    assert any(key in line for line in found), found
    with pytest.raises(ProfileError) as raised:
        read(file, kind)
    assert str(raised.value).startswith(f"{file}: ")


def test_all_mistakes_are_reported_and_the_first_one_raised(tmp_path: Path) -> None:
    file = write(tmp_path, METER | {"share": "0", "payment": '"none"', "import": '"absent"'})
    found = check(file)
    assert [line.split(": ")[1] for line in found] == ["share", "payment", "import"]
    with pytest.raises(ProfileError, match=r"share: .* \(and 1 more\)$"):
        meter_profile(str(file))


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"title = ", "it is not TOML"),
        (b"a = 1\na = 2", "it is not TOML"),
        (b"[loads", "it is not TOML"),
        (b"\x00", "it is not TOML"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"a = " + b"[" * 5000, "it is not TOML"),
        (b"#" * 10_000_001, "it is longer than 10000000 characters"),
        (b"", "profile: give the kind of profile"),
        (b'profile = "tariff"', "profile: give the kind of profile"),
        (b"profile = [1]", "profile: give the kind of profile"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_unreadable_profile_is_an_error_that_names_the_file(
    octets: bytes, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "own.toml"
    file.write_bytes(octets)
    (line,) = check(file)
    assert line.startswith(f"{file}: {reason}")
    assert len(line.splitlines()) == 1
    with pytest.raises(ProfileError, match=re.escape(str(file))):
        any_profile(str(file))


def test_a_folder_or_a_missing_file_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    assert check(folder) == [f"{folder}: Is a directory"]
    absent = tmp_path / "absent.toml"
    assert check(absent) == [f"{absent}: No such file or directory"]
    with pytest.raises(ProfileError, match="No such file"):
        meter_profile(str(absent))
    with pytest.raises(ProfileError, match="null byte"):
        meter_profile("a\0.toml")


def test_a_profile_of_another_kind_is_an_error(tmp_path: Path) -> None:
    load, meter = write(tmp_path, LOAD, "load.toml"), write(tmp_path, METER, "meter.toml")
    with pytest.raises(ProfileError, match='profile: must be "meter"'):
        meter_profile(str(load))
    with pytest.raises(ProfileError, match='profile: must be "wan"'):
        wan_profile(str(meter))
    file = write(tmp_path, METER | {"import": '"meter.toml"'})
    assert check(file) == [f'{file}: import: meter.toml: profile: must be "load"']


def test_a_mistake_in_a_named_file_is_reported_with_both_files(tmp_path: Path) -> None:
    write(tmp_path, LOAD | {"spread": "0"}, "load.toml")
    file = write(tmp_path, METER | {"import": '"load.toml"'})
    (line,) = check(file)
    assert line.startswith(f"{file}: import: load.toml: spread: 0 should be greater than")


def test_a_load_that_follows_the_sun_cannot_be_added_to_another(tmp_path: Path) -> None:
    file = write(tmp_path, METER | {"import": '["domestic", "solar"]'})
    with pytest.raises(ProfileError, match=r"import: solar follows the sun"):
        meter_profile(str(file))
    assert check(file) == [f"{file}: import: solar follows the sun, so no other load can be added"]


def test_combined_loads_have_the_sources_of_each(tmp_path: Path) -> None:
    by_day = {key: value for key, value in LOAD.items() if key != "sources.half_hours"}
    by_day |= {f'sources."half_hours.{day}"': f'"assumed: {day}"' for day in DAYS}
    write(tmp_path, LOAD, "whole.toml")
    write(tmp_path, by_day, "days.toml")
    for names in (("whole", "days"), ("days", "whole"), ("days", "days"), ("whole", "whole")):
        first, second = names
        file = write(tmp_path, METER | {"import": f'["{first}.toml", "{second}.toml"]'})
        assert check(file) == []
        sources = meter_profile(str(file)).primary.sources
        texts = {"whole": "whole assumed", "days": "days assumed: summer_weekend"}
        if "days" in names:
            expected = f"{texts[first]}; {texts[second]}"
            assert sources["half_hours.summer_weekend"] == expected
            assert sources.keys() == {*FIGURES, *(f"half_hours.{day}" for day in DAYS)}
        else:
            assert sources.keys() == {*FIGURES, "half_hours"}


@pytest.mark.parametrize(
    ("figures", "times"),
    [
        ({"annual_kwh": "24001", "spread": "2"}, "times spread is 48,002"),
        ({"annual_kwh": "2401", "spread": "2", "reactive": "10"}, "spread and reactive is 48,020"),
    ],
)
def test_a_load_too_large_for_the_registers_is_refused(
    figures: dict[str, str], times: str, tmp_path: Path
) -> None:
    file = write(tmp_path, LOAD | figures)
    (line,) = check(file)
    assert line.startswith(f"{file}: annual_kwh: ")
    assert times in line
    assert line.endswith("reduce it to at most 48,000, or registers overflow before 2100")
    assert check(write(tmp_path, LOAD | figures | {"annual_kwh": "2400"})) == []


def test_combined_loads_may_be_too_large_for_the_registers(tmp_path: Path) -> None:
    write(tmp_path, LOAD | {"annual_kwh": "20000"}, "load.toml")
    file = write(tmp_path, METER | {"import": '["load.toml", "load.toml"]'})
    (line,) = check(file)
    assert line.startswith(
        f"{file}: import: load and load together: annual_kwh: times spread is 80"
    )
    with pytest.raises(ProfileError, match="load and load together"):
        meter_profile(str(file))


@pytest.mark.parametrize(
    ("limits", "valid"),
    [
        ("[0.001]", True),
        ("[0.001, 0.002, 1000000]", True),
        ("[0.0001, 0.0002]", False),
        ("[1, 1.0004]", False),
        ("[1000001]", False),
        ("[nan]", False),
        ('["1"]', False),
    ],
)
def test_thresholds_are_a_watt_hour_apart(limits: str, valid: bool, tmp_path: Path) -> None:
    blocks = {"tariff": '"blocks"', "block_thresholds_kwh": limits}
    file = write(tmp_path, METER | blocks | {"sources.block_thresholds_kwh": '"assumed"'})
    assert (check(file) == []) is valid
    if not valid:
        assert "1 to 3 numbers from 0.001 to 1,000,000, each at least 0.001 above" in check(file)[0]


@pytest.mark.parametrize("shape", ["half_hours", "sun"])
def test_a_number_in_place_of_a_table_is_one_mistake(shape: str, tmp_path: Path) -> None:
    keys = {key: value for key, value in LOAD.items() if "half_hours" not in key}
    file = write(tmp_path, {shape: "3"} | keys | {f"sources.{shape}": '"assumed"'})
    (line,) = check(file)
    assert line.startswith(f"{file}: {shape}: 3 is not a table")


def test_a_list_in_place_of_a_name_is_one_mistake(tmp_path: Path) -> None:
    file = write(tmp_path, METER | {"export": '["solar", "solar"]'})
    assert check(file) == [f"{file}: export: ['solar', 'solar'] is not the name of a profile"]


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    file = write(tmp_path, LOAD)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert check(file) == []
    assert any_profile(str(file)).title == "A load"


def test_control_characters_in_keys_are_escaped(tmp_path: Path) -> None:
    file = write(tmp_path, WAN | {r'"\u001b[31m"': "1", r'sources."\n"': '"assumed"'})
    assert [line.split(": ")[1] for line in check(file)] == [r"'\x1b[31m'", r"sources.'\n'"]


def test_an_unreadable_file_of_latencies_is_a_mistake(tmp_path: Path) -> None:
    wan = WAN | {"latency": '"empirical:reads.txt"', "wake_latency": '"empirical:reads.txt"'}
    file = write(tmp_path, wan, "wan.toml")
    meter = write(tmp_path, METER | {"wan": '"wan.toml"'})
    reads = tmp_path / "reads.txt"
    reason = f"latency 'empirical:{reads}': cannot read {reads}: No such file or directory"
    keys = ("latency", "wake_latency")
    assert check(file) == [f"{file}: {key}: {reason}" for key in keys]
    assert check(meter) == [f"{meter}: wan: {key}: {reason}" for key in keys]
    reads.write_text("soon\n")
    assert all("line 1: 'soon' is not a number" in line for line in check(file))
    reads.write_text("1.5\n")
    assert check(file) == check(meter) == []


@pytest.mark.processes
def test_mistakes_are_in_the_same_order_in_every_process(tmp_path: Path) -> None:
    # hashes of strings differ from process to process
    strange = {f"strange_{number}": "1" for number in range(9)}
    keys = {key: value for key, value in WAN.items() if not key.startswith("sources")}
    file = write(tmp_path, strange | keys | {f"sources.odd_{number}": "1" for number in range(9)})
    expected = [
        *strange,
        *(f"sources.odd_{number}" for number in range(9)),
        *(f"sources.{figure}" for figure in WAN_FIGURES),
    ]
    code = (
        "import pathlib, sys; from esme_emulator import profiles; "
        "print(*profiles.check(pathlib.Path(sys.argv[1])), sep='\\n')"
    )
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code, str(file)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert [line.split(": ")[1] for line in run.stdout.splitlines()] == expected
