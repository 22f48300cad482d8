"""Energy: half hours are differences of registers that only grow, by season, weekday and sun."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from astral import Observer
from astral.sun import sunrise, sunset
from hypothesis import example, given
from hypothesis import strategies as st

from esme_emulator.device.energy import NOTHING, Series, daily, expected, reactive, series, shape_of
from esme_emulator.profiles import HalfHours, LoadProfile, Sun, load_profile, load_profiles
from gbcs.instants import DAY, parse_iso

HALF_HOURS = 48
LOADS = load_profiles()
SOLAR = load_profile("solar")
YEARS_4, YEARS_28 = 1461, 10_227

loads = st.sampled_from(LOADS)
secrets = st.binary(min_size=16, max_size=16)
registers = st.builds(series, loads, secrets, st.just(b"import"))
year_ends = [
    parse_iso(day) // DAY
    for day in (
        "2023-12-31",
        "2024-01-01",
        "2024-02-28",
        "2024-02-29",
        "2024-03-01",
        "2027-12-31",
        "2028-02-29",
        "2099-12-31",
        "2100-02-28",
        "2100-03-01",
    )
]
days = st.one_of(st.sampled_from(year_ends), st.integers(0, 50_000))


@given(registers, days, st.integers(0, 300), st.integers(0, 47), st.integers(0, 47))
def test_half_hours_are_the_differences_of_registers(
    register: Series, day: int, more: int, skipped: int, dropped: int
) -> None:
    first, last = day * HALF_HOURS, (day + more + 1) * HALF_HOURS - 1
    energies = register.half_hours(first, last)
    assert len(energies) == (more + 1) * HALF_HOURS
    start, end = register.registers(day), register.registers(day + more + 1)
    for slot in range(HALF_HOURS):
        assert sum(energies[slot::HALF_HOURS]) == end[slot] - start[slot]
    inner = energies[skipped : len(energies) - dropped]
    assert register.half_hours(first + skipped, last - dropped) == inner


@given(registers, days)
def test_a_long_read_is_the_same_as_many_short_ones(register: Series, day: int) -> None:
    """It is computed at once and not from the cache."""
    whole = register.half_hours(day * HALF_HOURS, (day + 60) * HALF_HOURS - 1)
    each = [
        register.half_hours(one * HALF_HOURS, (one + 1) * HALF_HOURS - 1)
        for one in range(day, day + 60)
    ]
    assert whole == [energy for one in each for energy in one]


@given(registers, days, st.integers(1, 5000))
def test_registers_only_grow(register: Series, day: int, later: int) -> None:
    every = [register.registers(each) for each in (day, day + 1, day + 1 + later)]
    for before, after in pairwise(every):
        assert all(b <= a for b, a in zip(before, after, strict=True))


@given(registers, days)
def test_a_day_has_a_tenth_to_nearly_twice_its_expected_energy(register: Series, day: int) -> None:
    shape = register.shape
    unit = register.daily / 1000 / shape.mean_day
    grown = register.half_hours(day * HALF_HOURS, day * HALF_HOURS + 47)
    for before, after, energy in zip(shape.before(day), shape.before(day + 1), grown, strict=True):
        mean = (after - before) * unit
        assert 0.1 * mean - 1 <= energy <= 1.9 * mean + 1
        assert after > before or energy == 0


@given(secrets, st.integers(0, 36_524))
@example(bytes(16), parse_iso("2026-06-21") // DAY)
@example(bytes(16), parse_iso("2026-12-21") // DAY)
@example(bytes(16), parse_iso("2028-02-29") // DAY)
def test_the_sun_exports_only_while_it_is_up(secret: bytes, day: int) -> None:
    register = series(SOLAR, secret, b"export")
    energies = register.half_hours(day * HALF_HOURS, day * HALF_HOURS + 47)
    when = date(2000, 1, 1) + timedelta(day)
    place = Observer(52.5, -1.5)
    midnight = datetime(when.year, when.month, when.day, tzinfo=UTC)
    up, down = (
        (event(place, when) - midnight).total_seconds() / 1800 for event in (sunrise, sunset)
    )
    reactive_energy = reactive(register, SOLAR).half_hours(day * HALF_HOURS, day * HALF_HOURS + 47)
    for slot in range(HALF_HOURS):
        if slot + 1 <= up or slot >= down:
            assert energies[slot] == reactive_energy[slot] == 0
    assert energies[24] > 0, "at noon"


def test_solar_days_are_longer_and_stronger_in_summer() -> None:
    winter, summer = (
        expected(SOLAR, parse_iso(day) // DAY) for day in ("2026-12-21", "2026-06-21")
    )
    lit = [sum(energy > 0 for energy in energies) for energies in (winter, summer)]
    assert lit[0] < 16
    assert lit[1] > 25
    assert sum(summer) > 10 * sum(winter) > 0


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_a_mean_year_has_the_annual_energy(load: LoadProfile) -> None:
    for number in range(5):
        register = series(load, bytes([number]) * 16, b"import")
        size = register.daily / daily(load)
        assert 1 / load.spread - 0.001 <= size <= load.spread + 0.001
        for first in (6000, 9497):
            grown = sum(register.registers(first + YEARS_28)) - sum(register.registers(first))
            yearly_kwh = grown / 1000 / 28
            assert yearly_kwh == pytest.approx(load.annual_kwh * size, rel=0.002)
        one = sum(register.registers(9497 + 365)) - sum(register.registers(9497))
        assert one / 1000 == pytest.approx(load.annual_kwh * size, rel=0.05)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_random_parts_even_out(load: LoadProfile) -> None:
    """The mean of many meters is within a few percent of the expectation."""
    day = parse_iso("2026-03-18") // DAY
    total = size = 0.0
    for number in range(400):
        register = series(load, number.to_bytes(16, "big"), b"import")
        total += sum(register.half_hours(day * HALF_HOURS, day * HALF_HOURS + 47))
        size += register.daily / daily(load)
    assert total == pytest.approx(size * sum(expected(load, day)), rel=0.06)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_weekdays_and_weekends_differ_for_people_but_not_for_the_sun(
    load: LoadProfile,
) -> None:
    friday = parse_iso("2026-01-16") // DAY
    weekdays, saturday = expected(load, friday), expected(load, friday + 1)
    change = sum(abs(a - b) for a, b in zip(weekdays, saturday, strict=True)) / sum(weekdays)
    if isinstance(load.shape, HalfHours) and load.name != "storage-heating":
        assert change > 0.05
    else:
        assert change < 0.05


def peak_slot(load: LoadProfile, day: str) -> int:
    energies = expected(load, parse_iso(day) // DAY)
    return energies.index(max(energies))


def test_peaks_are_at_the_times_of_gb_peaks() -> None:
    domestic = load_profile("domestic")
    assert peak_slot(domestic, "2026-01-14") == 34, "17:00 in winter"
    assert 32 <= peak_slot(domestic, "2026-07-15") <= 36
    assert 12 <= peak_slot(load_profile("heat-pump"), "2026-01-14") <= 16
    assert 1 <= peak_slot(load_profile("storage-heating"), "2026-01-14") < 15
    assert 1 <= peak_slot(load_profile("electric-vehicle"), "2026-01-14") < 15
    assert 16 <= peak_slot(load_profile("small-business"), "2026-01-14") < 36
    assert peak_slot(SOLAR, "2026-06-21") in (23, 24)


def test_winter_has_more_energy_than_summer() -> None:
    for load in LOADS:
        winter, summer = (
            sum(expected(load, parse_iso(day) // DAY)) for day in ("2026-01-14", "2026-07-15")
        )
        assert (winter > summer) is not isinstance(load.shape, Sun), load.name


def test_two_fifths_of_economy_7_energy_is_at_night() -> None:
    shape = shape_of(load_profile("domestic-economy-7"))
    cycle = shape.before(YEARS_28)
    assert 0.35 < sum(cycle[1:15]) / sum(cycle) < 0.45


@given(st.binary(max_size=40), days, st.integers(0, 10_000))
def test_an_empty_register_stays_at_0(salt: bytes, day: int, later: int) -> None:
    assert NOTHING.registers(day) == (0,) * HALF_HOURS
    assert NOTHING.half_hours(day * HALF_HOURS + 7, day * HALF_HOURS + 7 + later) == [0] * (
        later + 1
    )


@given(registers, days)
def test_an_empty_range_has_no_half_hours(register: Series, day: int) -> None:
    assert register.half_hours(day * HALF_HOURS, day * HALF_HOURS - 1) == []


@given(registers, st.integers(-4000, 0))
def test_days_before_2000_follow_the_same_rule(register: Series, day: int) -> None:
    before, after = register.registers(day), register.registers(day + 1)
    assert all(b <= a for b, a in zip(before, after, strict=True))


def test_the_shared_random_part_moves_half_hours_of_a_day_together() -> None:
    """If clouds cover the sun at ten, they are more likely to cover it at two."""

    def agreement(load: LoadProfile) -> float:
        agree = 0
        register = series(load, bytes(16), b"export")
        for day in range(9600, 9800):
            energies = register.half_hours(day * HALF_HOURS, day * HALF_HOURS + 47)
            means = expected(load, day)
            size = register.daily / daily(load)
            agree += (energies[20] > size * means[20]) is (energies[28] > size * means[28])
        return agree / 200

    assert agreement(SOLAR) > 0.75
    assert agreement(load_profile("domestic")) < agreement(SOLAR)


# Registers and half hours of one meter, recorded once. Changing them changes the fleet of every
# seed.
FROZEN_DAY = 9509
FROZEN = {
    "domestic": [
        104034935,
        339,
        240,
        298,
        283,
        219,
        319,
        223,
        335,
        247,
        175,
        271,
        306,
        214,
        181,
        288,
        268,
        311,
        475,
        309,
        671,
        447,
        540,
        471,
        447,
        505,
    ],
    "solar": [
        64406062,
        0,
        0,
        0,
        0,
        0,
        0,
        31,
        89,
        115,
        123,
        144,
        143,
        109,
        72,
        33,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ],
}


@pytest.mark.parametrize("name", FROZEN)
def test_a_register_is_the_same_on_every_machine_and_in_every_version(name: str) -> None:
    register = series(load_profile(name), bytes(range(16)), b"import")
    first = FROZEN_DAY * HALF_HOURS
    assert [
        sum(register.registers(FROZEN_DAY)),
        *register.half_hours(first + 14, first + 38),
    ] == FROZEN[name]
