"""Faults that change the behaviour of a meter."""

from dataclasses import replace

import pytest

from esme_emulator.device.meter import NORMAL
from esme_emulator.faults.base import Call
from gbcs import Opaque
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR, to_iso
from gbcs.tables.result_codes import ResultCode
from tests.emulator.faults.faulty_calls import call, faults, fired_calls
from tests.support.estate import METER, MIDNIGHT, NOW, OTHER_METER, UNIX_NOW

FAILURES = [code for code in ResultCode if code]


def not_dlms(number: int = 1) -> Call:
    one = call(number)
    return replace(one, command=replace(one.command, payload=Opaque(b"")))


@pytest.mark.parametrize("code", FAILURES, ids=str)
def test_every_result_code_has_its_name(code: ResultCode) -> None:
    engine = faults({"kind": "result-code", "code": str(code)})
    assert engine.behaviour(call()) == replace(NORMAL, refusal=int(code))


@pytest.mark.parametrize(
    "table", [{"kind": "result-code"}, {"kind": "fail-first", "result": "other-reason"}]
)
def test_only_dlms_commands_get_result_codes(table: dict[str, str]) -> None:
    engine = faults(table)
    assert engine.behaviour(not_dlms()) == NORMAL
    assert not list(engine.log)
    assert engine.behaviour(call(2)).refusal is not None


def test_an_empty_log_has_no_entry() -> None:
    behaviour = faults({"kind": "empty-log"}).behaviour(call())
    assert behaviour.has_entry is not None
    assert not any(behaviour.has_entry(stamp) for stamp in range(0, NOW, DAY * 100))


def stamps_left(
    engine_seed: str, device: bytes, number: int = 1, **parameters: object
) -> list[int]:
    engine = faults({"kind": "missing-half-hours", **parameters}, seed=engine_seed)
    behaviour = engine.behaviour(replace(call(number), device=type(METER)(device)))
    assert behaviour.has_entry is not None
    return list(filter(behaviour.has_entry, range(MIDNIGHT - 20 * DAY, MIDNIGHT, HALF_HOUR)))


def test_missing_half_hours_are_the_same_in_every_read() -> None:
    left = stamps_left("s", METER, share=0.25)
    assert 0.65 < len(left) / 960 < 0.85
    assert left == stamps_left("s", METER, number=2, share=0.25)
    assert left != stamps_left("s", OTHER_METER, share=0.25)
    assert left != stamps_left("t", METER, share=0.25)


def test_half_hours_are_missing_only_in_the_given_period() -> None:
    since, until = MIDNIGHT - 2 * DAY, MIDNIGHT - DAY
    left = stamps_left("s", METER, share=1, since=to_iso(since), until=to_iso(until))
    every = range(MIDNIGHT - 20 * DAY, MIDNIGHT, HALF_HOUR)
    assert set(every) - set(left) == set(range(since, until, HALF_HOUR))


def test_daily_logs_have_no_half_hours_to_miss() -> None:
    engine = faults({"kind": "missing-half-hours", "share": 1})
    assert engine.behaviour(call(srv="4.6.1")).has_entry is None
    assert engine.behaviour(call(srv="4.8.3")).has_entry is not None
    assert engine.fired == {"missing-half-hours-1": 1}


@pytest.mark.parametrize("srv", ["4.10", "4.14", "4.17", "4.4.2", "4.1.1", "unknown"])
def test_only_half_hourly_logs_miss_half_hours(srv: str) -> None:
    engine = faults({"kind": "missing-half-hours", "share": 1})
    assert engine.behaviour(replace(call(), srv=srv)) == NORMAL
    assert not list(engine.log)


@pytest.mark.parametrize(
    ("srv", "is_log"), [("4.17", True), ("4.10", True), ("4.1.1", False), ("4.18", False)]
)
def test_only_a_log_can_be_empty(srv: str, is_log: bool) -> None:
    engine = faults({"kind": "empty-log"})
    assert (engine.behaviour(replace(call(), srv=srv)).has_entry is not None) is is_log
    assert len(engine.log) == is_log


def test_gaps_add_up() -> None:
    one = {"kind": "missing-half-hours", "share": 1, "until": to_iso(1800)}
    other = {"kind": "missing-half-hours", "share": 1, "since": to_iso(5400)}
    has_entry = faults(one, other).behaviour(call()).has_entry
    assert has_entry is not None
    assert list(filter(has_entry, range(0, 9000, 1800))) == [1800, 3600]


def test_a_clock_is_ahead_or_behind() -> None:
    engine = faults({"kind": "clock-drift", "seconds": -90}, {"kind": "clock-drift", "seconds": 20})
    assert engine.behaviour(call()).drift == -70
    assert faults({"kind": "clock-drift", "seconds": 0}).behaviour(call()) == NORMAL


def test_a_clock_drifts_every_day() -> None:
    table = {"kind": "clock-drift", "seconds": 1, "per_day": 2, "since": to_iso(MIDNIGHT)}
    midnight = float(MIDNIGHT + EPOCH_UNIX)
    for days, ahead in ((-1, 1), (0, 1), (0.5, 2), (3, 7)):
        one = call(now=midnight + days * DAY)
        assert faults(table).behaviour(one).drift == ahead


def at(seconds: list[float], **parameters: object) -> list[bool]:
    """Return whether each command, at these seconds, is lost on a sleeping meter."""
    engine = faults({"kind": "asleep", **parameters})
    calls = [call(number, now=UNIX_NOW + when) for number, when in enumerate(seconds, 1)]
    return [engine.behaviour(one).silent for one in calls]


def test_the_first_command_wakes_a_meter_and_is_lost() -> None:
    assert at([0, 1, 2], idle=100) == [True, False, False]


def test_an_idle_meter_falls_asleep() -> None:
    assert at([0, 1, 100.9, 200.9, 201], idle=100) == [True, False, False, True, False]


def test_several_commands_may_be_needed_to_wake_a_meter() -> None:
    assert at([0, 1, 2, 3, 200, 201, 202, 203], idle=100, wakes=3) == [True] * 3 + [False] + [
        True
    ] * 3 + [False]


def test_waking_begins_again_after_a_pause() -> None:
    assert at([0, 1, 101, 102, 103], idle=100, wakes=2) == [True, True, True, True, False]


def test_a_meter_that_never_stays_awake() -> None:
    assert at([0, 0, 5], idle=0) == [True, True, True]


def test_each_meter_sleeps_on_its_own() -> None:
    engine = faults({"kind": "asleep"})
    assert engine.behaviour(call(1)).silent
    assert engine.behaviour(call(1, device=OTHER_METER)).silent
    assert not engine.behaviour(call(2)).silent


def test_another_srv_keeps_a_meter_awake() -> None:
    engine = faults({"kind": "asleep"})
    assert engine.behaviour(call(1)).silent
    assert not engine.behaviour(call(1, "4.6.1")).silent


def test_the_first_commands_fail_and_later_ones_succeed() -> None:
    engine = faults({"kind": "fail-first", "n": 2})
    calls = [call(number) for number in range(5, 11)]
    assert fired_calls(engine, calls) == [5, 6]


def test_failures_are_counted_by_meter_and_srv() -> None:
    engine = faults({"kind": "fail-first"})
    assert engine.behaviour(call(1)).silent
    assert engine.behaviour(call(1, "4.6.1")).silent
    assert engine.behaviour(call(1, device=OTHER_METER)).silent
    assert not engine.behaviour(call(2)).silent


def test_only_selected_commands_count_as_failures() -> None:
    engine = faults({"kind": "fail-first", "n": 2, "calls": "every 2"})
    assert fired_calls(engine, [call(number) for number in range(1, 9)]) == [2, 4]


def test_the_first_commands_may_fail_with_a_code() -> None:
    engine = faults({"kind": "fail-first", "result": "hardware-fault"})
    assert engine.behaviour(call(1)) == replace(NORMAL, refusal=1)
    assert engine.behaviour(call(2)) == NORMAL


@pytest.mark.parametrize("kind", ["fail-first", "asleep"])
def test_a_removed_rule_forgets_everything(kind: str) -> None:
    engine = faults({"kind": kind})
    assert engine.behaviour(call(1)).silent
    rule = engine.remove(f"{kind}-1")
    assert engine.behaviour(call(2)) == NORMAL
    engine.add(rule)
    assert engine.behaviour(call(3)).silent
