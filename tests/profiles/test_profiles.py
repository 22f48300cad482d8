"""Profiles: those shipped can be used, and a mistake in one names its file, key and reason."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles import ProfileError, load_profile, loader, meter_profiles

HALF_HOURS = "[" + ", ".join(["1"] * 48) + "]"
LOAD = {
    "title": '"A load"',
    "annual_kwh": "1000",
    "spread": "2.0",
    "half_hours": HALF_HOURS,
    "winter": "1.2",
}
METER = {"title": '"A meter"', "share": "1", "import": '"good"', "export": '"good"'}


def toml(keys: dict[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in keys.items())


def forget() -> None:
    load_profile.cache_clear()
    meter_profiles.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Profiles of a test's own, of which the load `good` and the meter `meter` can be used."""
    (tmp_path / "loads").mkdir()
    (tmp_path / "meters").mkdir()
    (tmp_path / "loads" / "good.toml").write_text(toml(LOAD))
    (tmp_path / "meters" / "meter.toml").write_text(toml(METER))
    monkeypatch.setattr(loader, "files", lambda _: tmp_path)
    forget()
    yield tmp_path
    forget()


def test_shipped_profiles_are_whole() -> None:
    forget()
    profiles = meter_profiles()
    assert [profile.name for profile in profiles] == ["single", "twin"]
    single, twin = profiles
    assert single.secondary is None
    assert twin.secondary is not None
    assert (single.share, twin.share) == (7, 1)
    for load in (single.primary, single.export, twin.secondary):
        assert len(load.half_hours) == 48
        assert load.title
    assert single.primary == load_profile("domestic")
    assert single.primary.annual_kwh == 2700


def test_a_load_is_read_as_it_is_written(folder: Path) -> None:
    load = load_profile("good")
    assert (load.name, load.title, load.annual_kwh, load.spread) == ("good", "A load", 1000, 2)
    assert load.half_hours == (1.0,) * 48
    assert load.winter == 1.2


def test_a_meter_is_read_with_its_loads(folder: Path) -> None:
    (folder / "meters" / "twin.toml").write_text(toml({**METER, "secondary": '"good"'}))
    (folder / "meters" / "notes.txt").write_text("not a profile")
    meter, twin = meter_profiles()
    assert (meter.name, meter.title, meter.share) == ("meter", "A meter", 1)
    assert meter.secondary is None
    assert meter.primary == meter.export == twin.secondary == load_profile("good")


def wrong(key: str, *values: str) -> Iterator[object]:
    for number, value in enumerate(values):
        shown = value if len(value) < 20 else f"value {number}"
        yield pytest.param(key, value, id=f"{key} = {shown}")


WRONG_LOADS = [
    *wrong("title", "1", "true", '["A"]'),
    *wrong("annual_kwh", '"1000"', "true", "0", "-1", "nan", "inf", "[1000]"),
    *wrong("spread", '"2"', "false", "0.99", "0", "-2", "nan", "inf"),
    *wrong("winter", '"1"', "true", "0.29", "1.71", "nan", "inf", "-1"),
    *wrong(
        "half_hours",
        "1",
        "[]",
        "[1, 2, 3]",
        HALF_HOURS.replace("[1,", "[1, 1,"),
        HALF_HOURS.replace("[1,", "[-1,"),
        HALF_HOURS.replace("[1,", '["1",'),
        HALF_HOURS.replace("[1,", "[true,"),
        HALF_HOURS.replace("[1,", "[nan,"),
        HALF_HOURS.replace("[1,", "[inf,"),
        HALF_HOURS.replace("1", "0"),
    ),
    *wrong("colour", '"red"'),
]

WRONG_METERS = [
    *wrong("title", "1"),
    *wrong("share", '"1"', "1.5", "true", "0", "-1"),
    *wrong("import", "1", '"absent"', '""', "[]", '["good"]'),
    *wrong("export", "1", '"absent"', "{}"),
    *wrong("secondary", "1", '"absent"', "[]", "true", '""'),
    *wrong("colour", '"red"'),
]


def assert_names(error: ProfileError, file: str, key: str) -> None:
    text = str(error)
    assert len(text.splitlines()) == 1
    match = re.fullmatch(rf"{re.escape(file)}: (.*\b)?{key}\b(.+)", text)
    assert match, f"{text!r} names neither {file} nor {key}, or gives no reason"


@pytest.mark.parametrize(("key", "value"), WRONG_LOADS)
def test_a_wrong_value_in_a_load_is_an_error_that_names_it(
    key: str, value: str, folder: Path
) -> None:
    (folder / "loads" / "bad.toml").write_text(toml({**LOAD, key: value}))
    with pytest.raises(ProfileError) as raised:
        load_profile("bad")
    assert_names(raised.value, "loads/bad.toml", key)


@pytest.mark.parametrize("key", LOAD)
def test_a_key_missing_in_a_load_is_an_error_that_names_it(key: str, folder: Path) -> None:
    keys = {name: value for name, value in LOAD.items() if name != key}
    (folder / "loads" / "bad.toml").write_text(toml(keys))
    with pytest.raises(ProfileError, match="missing") as raised:
        load_profile("bad")
    assert_names(raised.value, "loads/bad.toml", key)


@pytest.mark.parametrize(("key", "value"), WRONG_METERS)
def test_a_wrong_value_in_a_meter_is_an_error_that_names_it(
    key: str, value: str, folder: Path
) -> None:
    (folder / "meters" / "bad.toml").write_text(toml({**METER, key: value}))
    with pytest.raises(ProfileError) as raised:
        meter_profiles()
    assert_names(raised.value, "meters/bad.toml", key)


@pytest.mark.parametrize("key", METER)
def test_a_key_missing_in_a_meter_is_an_error_that_names_it(key: str, folder: Path) -> None:
    keys = {name: value for name, value in METER.items() if name != key}
    (folder / "meters" / "bad.toml").write_text(toml(keys))
    with pytest.raises(ProfileError, match="missing") as raised:
        meter_profiles()
    assert_names(raised.value, "meters/bad.toml", key)


@pytest.mark.parametrize(
    "octets",
    [b"title = ", b"= 1", b"a = 1\na = 2", b"\xff\xfe", b"\x00", b"[loads", b"title = 'one\ntwo'"],
)
@pytest.mark.parametrize("kind", ["loads", "meters"])
def test_what_is_not_toml_is_an_error_that_names_the_file(
    kind: str, octets: bytes, folder: Path
) -> None:
    (folder / kind / "bad.toml").write_bytes(octets)
    with pytest.raises(ProfileError, match=rf"^{kind}/bad\.toml: .") as raised:
        load_profile("bad") if kind == "loads" else meter_profiles()
    assert len(str(raised.value).splitlines()) == 1


def test_a_profile_that_is_not_there_is_an_error_that_names_it(folder: Path) -> None:
    with pytest.raises(ProfileError, match=r"^loads/absent\.toml: there is no such profile$"):
        load_profile("absent")


def test_a_folder_in_place_of_a_profile_is_an_error_that_names_it(folder: Path) -> None:
    (folder / "loads" / "bad.toml").mkdir()
    with pytest.raises(ProfileError, match=r"^loads/bad\.toml: ."):
        load_profile("bad")
