"""A meter is drawn from seed and EUI alone, by the shares of profiles."""

import subprocess
import sys
from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.device import energy, model
from esme_emulator.device.model import ECONOMY_7, INSTALLATION_DAYS, ONE_RATE, meter_of
from esme_emulator.profiles import MeterProfile, meter_profile, meter_profiles
from gbcs import EUI

euis = st.integers(0, 2**64 - 1).map(EUI.from_int)
seeds = st.text(max_size=8)
kinds = st.sampled_from(meter_profiles())


@given(seeds, euis, kinds)
def test_a_meter_has_the_properties_of_its_profile(
    seed: str, eui: EUI, profile: MeterProfile
) -> None:
    meter = meter_of(seed, eui, (profile,))
    assert meter.profile is profile
    first, after = INSTALLATION_DAYS[profile.generation]
    assert first <= meter.installed < after
    assert meter.tariff == (ECONOMY_7 if profile.tariff == "economy-7" else ONE_RATE)
    assert meter.block_thresholds == profile.block_thresholds
    assert meter.phases == (3 if profile.variant == "polyphase" else 1)
    assert (meter.secondary is None) is (profile.secondary is None)
    assert len(meter.secret) == 16
    exported = [sum(s.registers(9000)) for s in (meter.active_export, meter.reactive_export)]
    assert all(exported) if profile.export else exported == [0, 0]


@given(seeds, euis, kinds)
def test_reactive_energy_follows_active_energy(seed: str, eui: EUI, profile: MeterProfile) -> None:
    meter = meter_of(seed, eui, (profile,))
    active, reactive = (
        sum(s.registers(9000 + 1461)) - sum(s.registers(9000))
        for s in (meter.primary, meter.reactive_import)
    )
    assert reactive == pytest.approx(active * profile.primary.reactive, rel=0.01)


def test_a_fleet_has_every_kind_of_meter_by_its_share() -> None:
    fleet = Counter(meter_of("tests", EUI.from_int(number)).profile for number in range(10_000))
    for profile in meter_profiles():
        assert abs(fleet[profile] / 100 - profile.share) < 2


def test_a_fleet_may_have_only_some_profiles() -> None:
    some = (meter_profile("twin"), meter_profile("smets1"))
    fleet = Counter(meter_of("tests", EUI.from_int(number), some).profile for number in range(1600))
    assert set(fleet) == set(some)
    assert fleet[some[0]] / 1600 == pytest.approx(3 / 16, abs=0.05)


def test_economy_7_is_seven_hours_of_the_night() -> None:
    assert sum(ECONOMY_7) == 14
    assert ECONOMY_7.index(1) == 1


@given(seeds, seeds, euis, euis)
def test_each_meter_has_a_secret_of_its_own(one: str, other: str, eui: EUI, another: EUI) -> None:
    same = meter_of(one, eui).secret == meter_of(other, another).secret
    assert same is ((one, eui) == (other, another))


def test_a_meter_is_cached() -> None:
    eui = EUI.from_int(7)
    assert meter_of("tests", eui) is meter_of("tests", eui)
    assert meter_of("tests", eui).secret == meter_of("tests", eui, meter_profiles()).secret


SAMPLE = """
from esme_emulator.device.model import meter_of
from gbcs import EUI
for number in range(40):
    meter = meter_of("frozen", EUI.from_int(number))
    print(meter.profile.name, meter.installed, meter.phases, meter.secret.hex())
    for series in (meter.primary, meter.secondary, meter.active_export, meter.reactive_import):
        if series is not None:
            print(list(series.registers(9600)), series.half_hours(9600 * 48 - 3, 9600 * 48 + 60))
"""
DIGEST = "e24654e2b8f62341735a7861d6f7d6bfe89f3eb915d86a2c6f520cb3faf847ee"
"""SHA-256 of the output of the sample. Changing it changes the fleet of every seed."""


@pytest.mark.processes
def test_a_fleet_is_the_same_in_another_process_and_on_every_machine(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exec(SAMPLE, {})
    first = capsys.readouterr().out
    for kept in (model._drawn, energy._around, energy.shape_of, energy._days_of_each_kind):
        kept.cache_clear()
    exec(SAMPLE, {})
    assert capsys.readouterr().out == first
    other = subprocess.run(
        [sys.executable, "-c", SAMPLE],
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout == first
    assert sha256(first.encode()).hexdigest() == DIGEST
