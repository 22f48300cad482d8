"""The tariff that a meter shows is the one that its registers and its account follow."""

from typing import Any

import pytest
from hypothesis import given

from esme_emulator.device.account import cost
from esme_emulator.device.energy import by_tariff, grown
from esme_emulator.device.meter import value_of
from esme_emulator.device.model import Meter
from esme_emulator.device.tariff import block_counters
from gbcs.dlms.data import Data
from gbcs.instants import DAY, HALF_HOUR
from gbcs.obis import parse_dotted
from gbcs.usecases.read_request import Attribute
from gbcs.usecases.values import plain
from tests.emulator.device.meters import KINDS, any_meters, moments

NOON = 821_750_400 + DAY // 2
SPECIAL_DAYS, SWITCHING, PRICES = "0.0.11.0.0.255", "0.0.13.0.0.255", "0.0.19.20.0.255"


def said(meter: Meter, class_id: int, dotted: str, index: int = 2, now: int = NOON) -> Any:
    value = value_of(meter, Attribute(class_id, parse_dotted(dotted), index), now)
    return plain(value) if isinstance(value, Data) else value


def register_of(meter: Meter, slot: int, switching: str = SWITCHING) -> set[int]:
    """Return the script that every day profile ran last when a half hour begins."""
    scripts = set()
    for _, actions in said(meter, 20, switching, 5):
        times = [(60 * time[0] + time[1], script) for time, _, script in actions]
        assert times == sorted(times)
        assert times[0][0] == 0
        scripts.add([script for time, script in times if time <= slot * 30][-1])
    return scripts


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_switching_table_selects_the_active_register(kind: str) -> None:
    meter = KINDS[kind]
    base = 101 if meter.block_thresholds else 1
    for slot in range(48):
        assert register_of(meter, slot) == {base + meter.tariff[slot]}
        start = NOON // DAY * DAY + slot * HALF_HOUR
        before, after = (
            by_tariff(grown(meter.primary, meter.installed, time), meter.tariff, 48)
            for time in (start, start + HALF_HOUR)
        )
        changed = {number for number in range(48) if after[number] != before[number]}
        assert changed <= {script - base for script in register_of(meter, slot)}
        if meter.secondary is not None:
            assert register_of(meter, slot, "0.0.13.0.1.255") == {201 + meter.tariff[slot]}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_seasons_weeks_days_and_special_days_refer_to_each_other(kind: str) -> None:
    meter = KINDS[kind]
    weeks = {name: days for name, *days in said(meter, 20, SWITCHING, 4)}
    seasons = said(meter, 20, SWITCHING, 3)
    profiles = {number for number, _ in said(meter, 20, SWITCHING, 5)}
    assert {week for _, _, week in seasons} == set(weeks)
    assert all(set(days) <= profiles and len(days) == 7 for days in weeks.values())
    assert {day for _, _, day in said(meter, 11, SPECIAL_DAYS)} <= profiles
    assert all(start[:2] == (2026).to_bytes(2, "big") for _, start, _ in seasons)


def price_list(meter: Meter, dotted: str = PRICES) -> dict[bytes, int]:
    (scale, exponent), _, matrix = said(meter, 113, dotted, 5)
    assert (scale, exponent) == (3, -5)
    return dict(matrix)


@given(any_meters, moments)
def test_cost_equals_registers_times_the_prices_shown(meter: Meter, now: int) -> None:
    now = max(now, meter.installed * DAY)
    of = price_list(meter)
    assert len(of) == 80
    if meter.block_thresholds:
        counters = block_counters(meter, now)
        thousandths = sum(
            counter * of[bytes((0xA1 + 0x10 * block,))] for block, counter in enumerate(counters)
        )
    else:
        tou = by_tariff(grown(meter.primary, meter.installed, now), meter.tariff, 48)
        thousandths = sum(wh * of[bytes((number,))] for number, wh in enumerate(tou, 1))
    if meter.secondary is not None:
        second = price_list(meter, "0.0.19.20.5.255")
        assert len(second) == 4
        tou = by_tariff(grown(meter.secondary, meter.installed, now), meter.tariff, 4)
        thousandths += sum(wh * second[bytes((number,))] for number, wh in enumerate(tou, 1))
    [(_, standing)] = said(meter, 113, "0.0.19.20.4.255", 5)[2]
    days = now // DAY - meter.installed
    assert cost(meter, now) == thousandths // 1000 + days * standing


@given(any_meters, moments)
def test_the_present_price_is_that_of_the_active_register(meter: Meter, now: int) -> None:
    now = max(now, meter.installed * DAY)
    price = said(meter, 3, "0.0.94.44.1.7", now=now)
    of = price_list(meter)
    if meter.block_thresholds:
        assert price in {of[bytes((0xA1 + 0x10 * block,))] for block in range(4)}
    else:
        [script] = register_of(meter, now % DAY // HALF_HOUR)
        assert price == of[bytes((script,))]
    assert said(meter, 3, "0.0.94.44.1.7", 3) == (-5, 254)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_thresholds_equal_those_of_the_blocks(kind: str) -> None:
    meter = KINDS[kind]
    first, *others = (said(meter, 21, f"0.0.16.0.{number}.255") for number in range(11, 19))
    assert others == [(0xFFFFFFFF,)] * 7
    if meter.block_thresholds:
        assert len(first) == 3
        assert tuple(item for item in first if item != 0xFFFFFFFF) == meter.block_thresholds
    else:
        assert first == (0xFFFFFFFF,)
