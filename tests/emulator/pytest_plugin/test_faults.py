"""Faults in tests: a context manager for every kind."""

import pytest

from esme_emulator.faults import kind
from esme_emulator.faults.kind import FAULTS
from tests.emulator.pytest_plugin.running import run

pytest_plugins = ["pytester"]


def test_every_fault_can_be_imported_from_one_place() -> None:
    assert {getattr(kind, name) for name in kind.__all__} == {*FAULTS.values()}


EVERY = """
import asyncio
import pytest
from esme_emulator.faults.base import FaultError
from esme_emulator.faults.kind import *
from esme_emulator.runtime.config import written
from esme_emulator.faults.kind import FAULTS
from esme_emulator.pytest_plugin.party import RefusedError
from esme_emulator.messaging.client import NoReplyError
from gbcs import AuthenticationError, DecodeError
from gbcs.tables.result_codes import ResultCode


@pytest.fixture
def supplier(esme_party):
    return esme_party.supplier


async def read(supplier, meter, **options):
    return await supplier.read(meter, "4.8.1", "2026-01-14", via="direct", **options)


@pytest.mark.parametrize(
    "fault",
    [
        NoReply(),
        WrongCounter(),
        WrongRecipient(),
        CorruptOctets(),
        Truncated(keep=100),
        LostBlock(lost=1),
    ],
    ids=lambda fault: fault.kind,
)
async def test_no_usable_reply_comes(fault, esme_faults, supplier, esme_meter):
    with esme_faults(fault) as rule:
        with pytest.raises((NoReplyError, AuthenticationError)):
            await read(supplier, esme_meter)
    assert [fired.kind for fired in rule.fired] == [fault.kind]
    await read(supplier, esme_meter)
    assert len(rule.fired) == len(esme_faults.fired) == 1
    assert esme_meter.hits() == 2


async def test_asleep(esme_faults, supplier, esme_meter):
    with esme_faults(Asleep(wakes=1, idle=600)):
        with pytest.raises(NoReplyError):
            await read(supplier, esme_meter, timeout=10)
        await read(supplier, esme_meter)


async def test_fail_first(esme_faults, supplier, esme_meter):
    with esme_faults.fail_first(n=2, result="temporary-failure") as fault:
        for _ in range(2):
            with pytest.raises(RefusedError, match="refuses SRV 4.8.1: temporary-failure"):
                await read(supplier, esme_meter)
        await read(supplier, esme_meter)
    assert len(fault.fired) == 2


async def test_result_code(esme_faults, supplier, esme_meter):
    with esme_faults.result_code(code=ResultCode.HARDWARE_FAULT):
        with pytest.raises(RefusedError) as raised:
            await read(supplier, esme_meter)
    assert raised.value.code == ResultCode.HARDWARE_FAULT


async def test_clock_drift(esme_faults, supplier, esme_meter):
    with esme_faults(ClockDrift(seconds=-86400)):
        late = await supplier.read(esme_meter, "4.8.1", ("2026-01-14", "2026-01-16"), via="direct")
    assert late.rows == esme_meter.rows("4.8.1", ("2026-01-14", "2026-01-14T12:00"))


async def test_empty_log(esme_faults, supplier, esme_meter):
    with esme_faults.empty_log():
        assert (await read(supplier, esme_meter)).rows == []


async def test_missing_half_hours(esme_faults, supplier, esme_meter):
    with esme_faults(MissingHalfHours(share=0.5)):
        rows = (await read(supplier, esme_meter)).rows
    truth = esme_meter.rows("4.8.1", "2026-01-14")
    assert 0 < len(rows) < len(truth)
    assert all(row in truth for row in rows)


async def test_wrong_mac(esme_faults, supplier, esme_meter):
    with esme_faults.wrong_mac():
        with pytest.raises(AuthenticationError):
            await read(supplier, esme_meter)


async def test_late_reply(esme_faults, esme_clock, supplier, esme_meter):
    began = esme_clock.now()
    with esme_faults(LateReply(seconds=90)):
        await read(supplier, esme_meter)
    assert esme_clock.now() - began == 90


async def test_duplicate(esme_faults, esme_cache, supplier, esme_meter):
    with esme_faults(Duplicate(copies=2)):
        await supplier.read(esme_meter, "4.8.1")
    assert esme_cache.ledger.reasons["duplicate-reply"] == 2


async def test_reordered(esme_faults, esme_clock, supplier, esme_meter):
    with esme_faults(Reordered(hold=60), calls=1):
        first = supplier.ask(esme_meter, "4.8.1", "2026-01-13", via="direct")
        await esme_clock.settle()
        assert not first.done()
        second = await read(supplier, esme_meter)
        assert (await first).rows != second.rows


async def test_the_cache_gives_up_and_the_next_request_reaches_the_meter(
    esme_faults, esme_cache, supplier, esme_meter
):
    with esme_faults(NoReply(), calls="1-2", srv="4.8.1"):
        for _ in range(2):
            with pytest.raises(NoReplyError):
                await supplier.read(esme_meter, "4.8.1")
        await supplier.read(esme_meter, "4.8.1")
    assert esme_meter.hits() == 3


async def test_a_rule_affects_only_the_commands_it_selects(esme_faults, supplier, esme_meters):
    with (
        esme_faults(EmptyLog(), meters=esme_meters[0], srv="4.8.1") as one,
        esme_faults(
            EmptyLog(), meters=esme_meters[1:3], srv=["4.8.1", "4.6.1"], calls="2-"
        ) as some,
        esme_faults.rule("empty-log", meters="00DBE500000000?5", name="five") as five,
    ):
        for _ in range(2):
            for meter in esme_meters[:6]:
                await read(supplier, meter)
        await supplier.read(esme_meters[0], "4.6.1", via="direct")
    assert [len(one.fired), len(some.fired), len(five.fired)] == [2, 2, 2]
    assert [one.name, some.name, five.name] == ["empty-log-1", "empty-log-2", "five"]


async def test_meters_of_a_profile(esme_faults, esme_make_fleet, supplier):
    twins = await esme_make_fleet(meters=2, profiles=["twin"])
    others = await esme_make_fleet(meters=12, profiles=["single", "smets1"])
    with esme_faults(EmptyLog(), profile=["twin", "smets1"]) as fault:
        for fleet in (twins, others):
            for meter in fleet.meters:
                await read(supplier, meter)
    every = [*twins.meters, *others.meters]
    expected = [meter.eui for meter in every if meter.profile.name != "single"]
    assert [fired.device for fired in fault.fired] == expected
    with pytest.raises(FaultError, match="none of these meters is twin"):
        with esme_faults(NoReply(), profile="twin", meters=others.meters[0]):
            pytest.fail("it is in force")
    assert len(set(expected)) > 2


async def test_a_rule_may_be_in_force_before_a_fleet_starts(esme_faults):
    with esme_faults(NoReply(), srv="4.11.2", profile="twin", fraction=0.1):
        pass


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"meters": "00DBE5000000FFFF"}, "00DBE5000000FFFF is not a meter of this fleet"),
        ({"srv": "9.9"}, "none of these meters answers 9.9"),
        ({"srv": "4.18"}, "empty-log changes nothing of 4.18"),
        ({"profile": "toaster"}, "no meter of this fleet is toaster"),
        ({"calls": "0"}, "calls are counted from 1"),
        ({"end": "2026-01-01"}, "2026-01-01T00:00:00Z is in the past"),
        ({"fraction": 0.01}, "0.01 selects none of these meters"),
        ({"meter": "x"}, "unknown key of empty-log; did you mean meters?"),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
async def test_a_rule_that_can_match_no_command_is_an_error(
    by_name, keys, message, esme_faults, esme_fleet
):
    rule = esme_faults.empty_log(**keys) if by_name else esme_faults(EmptyLog(), **keys)
    with pytest.raises(FaultError) as raised:
        with rule:
            pytest.fail("it is in force")
    assert message in str(raised.value)
    assert not esme_faults.engine.rules


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_fault_by_class_and_by_name_is_the_same_rule(kind, esme_faults):
    with esme_faults(FAULTS[kind](), name="one"):
        by_class = esme_faults.engine.rules
    parameters = written(FAULTS[kind]())
    with getattr(esme_faults, kind.replace("-", "_"))(**parameters, name="one"):
        assert esme_faults.engine.rules == by_class


async def test_an_unknown_kind_names_the_closest(esme_faults):
    with pytest.raises(AttributeError, match="no fault is called no_repyl; did you mean no-reply"):
        esme_faults.no_repyl()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no-reply", "'no-reply' is not a fault. Give an instance, such as NoReply()."),
        (NoReply, "is not a fault. Give an instance, such as NoReply()."),
        (FailWithCode("hardware-fault"), "has a parameter of the wrong type"),
        (ClockDrift(since="2026-01-14"), "has a parameter of the wrong type"),
    ],
)
async def test_what_is_not_a_fault_is_refused(fault, message, esme_faults):
    with pytest.raises(TypeError) as raised:
        esme_faults(fault)
    assert message in str(raised.value)


async def test_a_parameter_out_of_bounds_is_refused(esme_faults, esme_fleet):
    with pytest.raises(FaultError, match="seconds: -1"):
        with esme_faults(LateReply(seconds=-1)):
            pytest.fail("it is in force")
"""


def test_every_kind_does_what_it_says(pytester: pytest.Pytester) -> None:
    run(pytester, EVERY).assert_outcomes(passed=58)
