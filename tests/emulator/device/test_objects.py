"""The objects of a meter, and that their values agree with the modules of their topics."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from esme_emulator.device import tariff
from esme_emulator.device.demand import EVENING, export_demand, import_demand, last_reset
from esme_emulator.device.energy import total
from esme_emulator.device.meter import value_of
from esme_emulator.device.model import Meter, meter_of
from esme_emulator.device.objects_energy import RATED_POWER
from esme_emulator.device.voltage import Bound, times_beyond
from esme_emulator.profiles import meter_profile
from gbcs import EUI, decode
from gbcs.dlms.access import AccessRequest
from gbcs.dlms.data import Data
from gbcs.instants import DAY, from_date_time
from gbcs.obis import parse_dotted
from gbcs.tables.reading_services import READING_SERVICES
from gbcs.tables.result_codes import ResultCode
from gbcs.usecases.read_request import Attribute, Window
from gbcs.usecases.values import plain
from tests.emulator.device.meters import KINDS, any_meters, moments
from tests.support.rtds import named

NOON = 821_750_400 + DAY // 2


def said(meter: Meter, class_id: int, dotted: str, index: int = 2, now: int = NOON) -> Any:
    value = value_of(meter, Attribute(class_id, parse_dotted(dotted), index), now)
    return plain(value) if isinstance(value, Data) else value


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_meter_has_the_objects_of_its_variant_and_no_others(kind: str) -> None:
    meter = KINDS[kind]
    for service in READING_SERVICES:
        for access in service.accesses:
            for item in access.attributes:
                if item.windowed:
                    continue
                found = value_of(meter, Attribute(item.class_id, item.obis, item.index), NOON)
                there = meter.profile.variant in service.meters or item.obis[2] in (32,)
                assert isinstance(found, Data if there else ResultCode), item
    assert said(meter, 3, "0.0.94.44.1.7", 4) is ResultCode.OBJECT_UNDEFINED
    assert said(meter, 1, "1.0.2.8.0.255") is ResultCode.OBJECT_UNDEFINED


def test_configured_amounts_equal_those_of_the_account() -> None:
    meter = KINDS["single-prepayment"]
    assert said(meter, 112, "0.0.19.10.1.255", 9) == tariff.EMERGENCY_CREDIT
    assert said(meter, 113, "0.0.19.20.3.255", 13) == tariff.PAYMENT_DEBT.recovery
    assert said(meter, 113, "0.0.19.20.1.255", 8) == DAY
    assert said(meter, 112, "0.0.19.10.0.255") == said(meter, 1, "0.0.94.44.34.30")[0]


METER_BALANCE, EMERGENCY_CREDIT, ACCUMULATED_DEBT = 0, 1, 2
PREPAID = [
    *[(METER_BALANCE, charge) for charge in (0, 4, 1, 2, 3)],
    *[(EMERGENCY_CREDIT, charge) for charge in (3, 0, 4, 1, 2)],
    *[(ACCUMULATED_DEBT, charge) for charge in (4, 1, 2)],
]
"""Credit and charge by their numbers in the OBIS code, read from ECS03_1.6 by hand.

Charges: 0 tariff, 4 standing charge, 1 and 2 time debts, 3 payment debt, 5 secondary tariff.
"""


@pytest.mark.parametrize(
    ("variant", "payment", "expected"),
    [
        ("single", "credit", [(METER_BALANCE, 0), (METER_BALANCE, 4)]),
        ("polyphase", "credit", [(METER_BALANCE, 0), (METER_BALANCE, 4)]),
        ("twin", "credit", [(METER_BALANCE, 0), (METER_BALANCE, 4), (METER_BALANCE, 5)]),
        ("single", "prepayment", PREPAID),
        ("polyphase", "prepayment", PREPAID),
        ("twin", "prepayment", [*PREPAID, (METER_BALANCE, 5), (EMERGENCY_CREDIT, 5)]),
    ],
)
def test_collected_charges_depend_on_payment_mode_and_elements(
    variant: str, payment: str, expected: list[tuple[int, int]]
) -> None:
    profile = replace(meter_profile(variant), payment=payment)
    meter = meter_of("charges", EUI.from_int(7), (profile,))
    entries = said(meter, 111, "0.0.19.0.0.255", 11)
    assert [(credit[4], charge[4]) for credit, charge, _ in entries] == expected
    assert {credit[:4] + credit[5:] for credit, _, _ in entries} == {b"\0\0\x13\x0a\xff"}
    assert {charge[:4] + charge[5:] for _, charge, _ in entries} == {b"\0\0\x13\x14\xff"}
    assert {bits.octets for _, _, bits in entries} == {b"\xe0"}


@pytest.mark.parametrize(
    ("name", "variant", "payment"),
    [
        ("ECS02_1.6_IMMEDIATE_SINGLE_ERROR_COMMAND", "single", "credit"),
        ("ECS02_1.6_FUTURE_DATED_TWIN_SUCCESS_COMMAND", "twin", "credit"),
        ("ECS03_1.6_IMMEDIATE_SINGLE_SUCCESS_COMMAND", "single", "prepayment"),
        ("ECS03_1.6_CANCELLATION_TWIN_SUCCESS_COMMAND", "twin", "prepayment"),
    ],
)
def test_a_vector_that_sets_the_payment_mode_sets_the_charges_that_are_read(
    name: str, variant: str, payment: str
) -> None:
    command = decode(named(name).octets)
    assert isinstance(command.payload, AccessRequest)
    [theirs] = [
        plain(access.data)
        for access in command.payload.accesses
        if (access.class_id, access.index) == (111, 11)
    ]
    profile = replace(meter_profile(variant), payment=payment)
    ours = said(meter_of("charges", EUI.from_int(7), (profile,)), 111, "0.0.19.0.0.255", 11)
    assert [entry[:2] for entry in ours] == [entry[:2] for entry in theirs]


def test_logs_of_missing_phases_are_undefined() -> None:
    for kind, meter in KINDS.items():
        for group in (32, 52, 72):
            log = Attribute(7, parse_dotted(f"1.0.{group}.24.0.255"), 2, Window(NOON - DAY, NOON))
            there = group == 32 or kind.startswith("polyphase")
            assert isinstance(value_of(meter, log, NOON), Data) is there
    nothing = Attribute(7, parse_dotted("0.0.99.98.0.255"), 2, Window(NOON - DAY, NOON))
    assert value_of(KINDS["twin"], nothing, NOON) is ResultCode.OBJECT_UNDEFINED


@given(any_meters, moments)
def test_demand_registers_show_the_demand(meter: Meter, now: int) -> None:
    for register, reset, demand in (
        ("1.0.1.6.0.255", "0.0.94.44.5.1", import_demand(meter, now)),
        ("1.0.1.6.1.255", "0.0.94.44.5.0", import_demand(meter, now, EVENING)),
        ("1.0.2.6.0.255", "0.0.94.44.5.2", export_demand(meter, now)),
    ):
        assert said(meter, 4, register, now=now) == demand.power
        assert said(meter, 4, register, 3) == (0, 27)
        assert from_date_time(said(meter, 4, register, 5, now)) == demand.time
        assert from_date_time(said(meter, 1, reset, now=now)) == last_reset(meter, now)


def test_the_configurable_period_matches_its_register() -> None:
    entries = said(KINDS["single"], 10, "0.0.12.0.0.255")
    assert tuple(entry[4][0] for entry in entries) == EVENING


@given(any_meters, moments)
def test_export_registers_and_voltage_counters_match_their_modules(meter: Meter, now: int) -> None:
    assert said(meter, 3, "1.0.2.8.0.255", now=now) == total(
        meter.active_export, meter.installed, now
    )
    assert said(meter, 3, "1.0.4.8.0.255", now=now) == total(
        meter.reactive_export, meter.installed, now
    )
    for phase in range(meter.phases):
        for code, bound in ((32, Bound.UNDER), (36, Bound.OVER)):
            counter = f"1.0.{32 + 20 * phase}.{code}.0.4"
            assert said(meter, 3, counter, now=now) == times_beyond(meter, phase, bound, now)


def test_load_is_limited_to_the_rating_of_all_phases() -> None:
    assert said(KINDS["single"], 71, "0.0.17.0.0.255", 4) == RATED_POWER
    assert said(KINDS["polyphase"], 71, "0.0.17.0.0.255", 4) == 3 * RATED_POWER


def test_the_non_disablement_calendar_begins_every_day_and_never_ends() -> None:
    entries = said(KINDS["single"], 10, "0.0.12.0.1.255")
    beginning = [entry for entry in entries if entry[3] == 32]
    ending = [entry for entry in entries if entry[3] == 33]
    assert {entry[6].octets for entry in ending} == {b"\0"}
    assert {entry[6].octets for entry in beginning} == {b"\x06", b"\xf8"}
    assert {entry[4] for entry in beginning} == {bytes(4)}
