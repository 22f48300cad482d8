"""The shipped profiles: valid, used, and with a source for each figure."""

import re
from pathlib import Path

import pytest

from esme_emulator.profiles import (
    HalfHours,
    ProfileError,
    any_profile,
    check,
    load_profile,
    load_profiles,
    meter_profile,
    meter_profiles,
    wan_profile,
    wan_profiles,
)
from esme_emulator.profiles.latency import parse_latency
from esme_emulator.profiles.loader import SHIPPED

FILES = sorted(SHIPPED.glob("*/*.toml"))
SOURCE = re.compile(r"(published|measured): .+|assumed(: .+)?")


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_shipped_profile_is_valid(file: Path) -> None:
    assert check(file) == []


def test_every_profile_has_the_name_of_its_file() -> None:
    found = [*load_profiles(), *meter_profiles(), *wan_profiles()]
    assert sorted(profile.name for profile in found) == sorted(file.stem for file in FILES)
    assert len({profile.name for profile in found}) == len(found)
    for profile in found:
        assert any_profile(profile.name) is profile


def test_the_loads_and_wans_of_the_documentation_are_shipped() -> None:
    assert [load.name for load in load_profiles()] == [
        "domestic",
        "domestic-economy-7",
        "electric-vehicle",
        "heat-pump",
        "small-business",
        "solar",
        "storage-heating",
    ]
    assert [wan.name for wan in wan_profiles()] == [
        "none",
        "smets1-sms",
        "smets2-cellular",
        "smets2-long-range-radio",
    ]


def test_the_shares_of_meters_are_percentages() -> None:
    meters = meter_profiles()
    assert sum(meter.share for meter in meters) == 100
    assert {meter.variant for meter in meters} == {"single", "twin", "polyphase"}
    assert {meter.payment for meter in meters} == {"credit", "prepayment"}
    assert {meter.tariff for meter in meters} == {"one-rate", "economy-7", "blocks"}
    assert {meter.generation for meter in meters} == {"SMETS1", "SMETS2"}


def test_every_load_belongs_to_a_meter() -> None:
    used = {
        name
        for meter in meter_profiles()
        for load in (meter.primary, meter.secondary, meter.export)
        if load is not None
        for name in load.name.split("+")
    }
    assert used == {load.name for load in load_profiles()}


def test_only_a_twin_has_a_second_element_and_only_blocks_have_thresholds() -> None:
    for meter in meter_profiles():
        assert (meter.secondary is not None) is (meter.variant == "twin")
        assert bool(meter.block_thresholds) is (meter.tariff == "blocks")
    assert meter_profile("single-blocks").block_thresholds == (1_000_000, 2_000_000, 4_000_000)


def test_every_meter_has_a_wan_with_valid_latencies() -> None:
    reached = {meter.wan for meter in meter_profiles()}
    for wan in wan_profiles():
        assert wan.name == "none" or wan.name in reached
        assert parse_latency(wan.latency).seconds(0.5) >= 0
        assert parse_latency(wan.wake_latency).seconds(0.5) >= 0
    for name in reached:
        assert wan_profile(name).name == name


def test_a_smets1_hub_sleeps_and_a_smets2_hub_does_not() -> None:
    for meter in meter_profiles():
        assert (wan_profile(meter.wan).wake_sms > 0) is (meter.generation == "SMETS1")


def test_every_figure_has_a_source() -> None:
    for load in load_profiles():
        shape = "half_hours" if isinstance(load.shape, HalfHours) else "sun.self_use"
        for figure in ("annual_kwh", "spread", "reactive", "shared", shape):
            assert SOURCE.fullmatch(load.sources[figure]), (load.name, figure)
    for meter in meter_profiles():
        assert SOURCE.fullmatch(meter.sources["share"])
    for wan in wan_profiles():
        for figure in ("latency", "wake_sms", "awake_seconds", "loss", "octets_per_second"):
            assert SOURCE.fullmatch(wan.sources[figure])


def test_households_have_the_typical_consumption_of_ofgem_since_july_2026() -> None:
    for name, annual in (("domestic", 2500), ("domestic-economy-7", 3400)):
        load = load_profile(name)
        assert load.annual_kwh == annual
        assert load.sources["annual_kwh"].startswith("published: Ofgem")


def test_several_loads_behind_one_register_add_up() -> None:
    primary = meter_profile("polyphase").primary
    parts = [load_profile(name) for name in ("domestic", "heat-pump", "electric-vehicle")]
    assert primary.name == "domestic+heat-pump+electric-vehicle"
    assert primary.annual_kwh == sum(part.annual_kwh for part in parts)
    assert min(p.reactive for p in parts) < primary.reactive < max(p.reactive for p in parts)
    assert "heat-pump assumed" in primary.sources["annual_kwh"]


@pytest.mark.parametrize(
    ("read", "folder"), [(load_profile, "loads"), (meter_profile, "meters"), (wan_profile, "wan")]
)
@pytest.mark.parametrize("name", ["absent", "", "../loads/domestic", "domestic\0"])
def test_an_unknown_name_is_an_error_that_lists_the_shipped_ones(
    read: object, folder: str, name: str
) -> None:
    assert callable(read)
    with pytest.raises(ProfileError) as raised:
        read(name)
    assert str(raised.value).startswith(
        f"{folder}/{name}.toml: there is no such profile; there are"
    )


def test_an_unknown_name_of_any_kind_points_to_esme_profiles_list() -> None:
    with pytest.raises(ProfileError, match=r"^absent: there is no such profile; see esme profiles"):
        any_profile("absent")
