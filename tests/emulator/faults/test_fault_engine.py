"""Rules together: order, counts, log and reproducibility."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esme_emulator.device.meter import NORMAL
from esme_emulator.faults.base import Call, Delivery, FaultError, Memory, Stage
from esme_emulator.faults.engine import FaultFired, FaultLog, Faults
from esme_emulator.faults.kind import FAULTS
from esme_emulator.faults.loading import rule_from
from esme_emulator.runtime.events import Events
from gbcs import EUI, Reassembler, decode, encode
from gbcs.block import Block
from gbcs.message import UNSEALED
from gbcs.usecases.responding import invoke_id
from tests.emulator.faults.faulty_calls import call, faults, reply, suffer
from tests.support.effort import within
from tests.support.estate import KEYS, METER, OTHER_METER, UNIX_NOW


def test_without_rules_there_are_no_faults() -> None:
    engine = Faults("s")
    assert not engine
    assert engine.behaviour(call()) is NORMAL
    assert engine.deliver(call(), b"octets") == (Delivery(b"octets"),)
    engine.add(rule_from({"kind": "no-reply"}))
    assert engine
    engine.clear()
    assert not engine
    assert engine.behaviour(call()) is NORMAL


def test_rules_are_added_and_removed_by_name() -> None:
    engine = faults({"kind": "truncated", "name": "a"}, {"kind": "no-reply", "name": "b"})
    assert [rule.name for rule in engine.rules] == ["a", "b"]
    with pytest.raises(FaultError, match=r"^fault 'a': name: another rule has this name$"):
        engine.add(rule_from({"kind": "no-reply", "name": "a"}))
    assert engine.remove("a").kind == "truncated"
    assert [rule.name for rule in engine.rules] == ["b"]
    with pytest.raises(KeyError):
        engine.remove("a")
    with pytest.raises(FaultError):
        Faults("s", [*engine.rules, *engine.rules])


def test_silence_comes_first_and_alone() -> None:
    engine = faults({"kind": "result-code"}, {"kind": "empty-log"}, {"kind": "no-reply"})
    assert engine.behaviour(call()).silent
    assert engine.fired == {"result-code-1": 0, "empty-log-1": 0, "no-reply-1": 1}


def test_a_meter_that_refuses_shows_no_logs() -> None:
    engine = faults({"kind": "clock-drift"}, {"kind": "result-code"}, {"kind": "result-code"})
    assert engine.behaviour(call()) == replace(NORMAL, refusal=2)
    assert engine.fired == {"clock-drift-1": 0, "result-code-1": 1, "result-code-2": 0}


def test_clock_and_logs_go_together() -> None:
    behaviour = faults({"kind": "empty-log"}, {"kind": "clock-drift"}).behaviour(call())
    assert (behaviour.drift, behaviour.has_entry is None) == (300, False)


def test_a_reply_is_changed_before_it_is_cut() -> None:
    engine = faults(
        {"kind": "duplicate", "after": 2},
        {"kind": "lost-block", "lost": 1, "block_size": 128},
        {"kind": "truncated", "keep": 300},
        {"kind": "wrong-counter"},
        {"kind": "late-reply", "seconds": 5},
    )
    one = call()
    _, deliveries = suffer(engine, one)
    assert set(engine.fired.values()) == {1}
    parts = [Block.parse(delivery.octets) for delivery in deliveries]
    assert [part.number for part in parts] == [2, 3, 2, 3]
    assert [delivery.delay for delivery in deliveries] == [5, 5, 7, 7]
    whole, _ = _resealed(reply(one), one, offset=1)
    assert parts[0].data + parts[1].data == whole[128:300]


def test_a_reply_that_never_arrives_is_not_late() -> None:
    engine = faults({"kind": "lost-block", "block_size": 65535}, {"kind": "late-reply"})
    assert suffer(engine, call())[1] == ()
    assert engine.fired == {"lost-block-1": 1, "late-reply-1": 0}


def test_every_fault_overrides_the_method_of_its_stage() -> None:
    """Otherwise a fault would never be called."""
    for fault in FAULTS.values():
        overridden = {"behave", "deliver"} & vars(fault).keys()
        assert overridden == {"behave" if fault.stage.changes_behaviour else "deliver"}
    assert {fault.stage for fault in FAULTS.values()} == set(Stage)


def test_a_fault_that_fires_is_published() -> None:
    told: list[FaultFired] = []
    events = Events()
    events.subscribe(FaultFired, told.append)
    engine = faults({"kind": "late-reply", "name": "slow"}, events=events)
    suffer(engine, call(7))
    assert told == list(engine.log)
    assert told == [
        FaultFired(UNIX_NOW, "slow", "late-reply", METER, "4.8.1", 7, {"seconds": 30.0})
    ]
    assert str(told[0]) == (
        f"2026-01-15T12:00:00.000000Z slow (late-reply) {METER} 4.8.1 call 7 seconds=30.0"
    )
    assert json.loads(json.dumps(engine.log.to_json())) == {
        "dropped": 0,
        "fired": [
            {
                "time": "2026-01-15T12:00:00.000000Z",
                "rule": "slow",
                "kind": "late-reply",
                "device": str(METER),
                "srv": "4.8.1",
                "number": 7,
                "detail": {"seconds": 30.0},
            }
        ],
    }


def test_the_log_keeps_the_newest() -> None:
    engine = faults({"kind": "no-reply"}, log_size=3)
    for number in range(1, 11):
        engine.behaviour(call(number))
    assert [fired.number for fired in engine.log] == [8, 9, 10]
    assert (len(engine.log), engine.log.dropped) == (3, 7)
    assert engine.fired == {"no-reply-1": 10}


def test_a_log_may_have_size_0() -> None:
    log = FaultLog(0)
    log.append(FaultFired(0.0, "r", "k", METER, "4.8.1", 1, {}))
    assert (list(log), log.dropped) == ([], 1)
    with pytest.raises(ValueError, match="maxlen"):
        FaultLog(-1)


def test_memory_forgets_the_least_recently_written_subject() -> None:
    memory = Memory(2)
    memory.put("a", 1)
    memory.put("b", 2)
    memory.put("a", 3)
    memory.put("c", 4)
    assert [memory.get(key) for key in "abc"] == [(3,), None, (4,)]
    assert len(memory) == 2
    with pytest.raises(ValueError, match="give 1 or more"):
        Memory(0)
    with pytest.raises(ValueError, match="give 1 or more"):
        Faults("s", memory_size=0)


def test_a_forgotten_meter_sleeps() -> None:
    engine = faults({"kind": "asleep"}, memory_size=1)
    assert engine.behaviour(call(1)).silent
    assert not engine.behaviour(call(2)).silent
    assert engine.behaviour(call(1, device=OTHER_METER)).silent
    assert engine.behaviour(call(3)).silent


@pytest.mark.parametrize("kind", ["asleep", "fail-first"])
def test_many_meters_take_little_memory(kind: str) -> None:
    engine = faults({"kind": kind}, memory_size=100, log_size=100)
    one = call()
    with within(400_000):
        for number in range(5_000):
            engine.behaviour(replace(one, device=EUI.from_int(number)))
    assert engine.log.dropped == 4_900


def _resealed(octets: bytes, one: Call, **done: Any) -> tuple[bytes, None]:
    """Apply the change in the log to a reply, independently of the fault."""
    message = decode(octets)
    if "offset" in done:
        counter = message.originator_counter + done["offset"]
        payload = replace(message.payload, invoke_id=invoke_id(counter))
        message = replace(message, originator_counter=counter, payload=payload)
    else:
        message = replace(message, recipient=EUI.parse(done["recipient"]))
    return encode(replace(message, mac=UNSEALED), KEYS), None


def _replayed(octets: bytes, one: Call, log: list[FaultFired]) -> list[tuple[bytes, float, bool]]:
    """Return the deliveries that the log implies: octets, delay, whether overtaken."""
    arriving = [(octets, 0.0, False)]
    for fired in log:
        done = fired.detail
        match fired.kind:
            case "wrong-counter" | "wrong-recipient":
                arriving = [(_resealed(arriving[0][0], one, **done)[0], 0.0, False)]
            case "wrong-mac":
                arriving = [(arriving[0][0][:-12] + bytes.fromhex(str(done["mac"])), 0.0, False)]
            case "truncated":
                assert len(arriving[0][0]) == done["of"]
                arriving = [(arriving[0][0][: int(done["kept"])], 0.0, False)]
            case "corrupt-octets":
                noise = bytearray(arriving[0][0])
                for change in str(done["changed"]).split():
                    offset, mask = change.split(":")
                    noise[int(offset)] ^= int(mask, 16)
                arriving = [(bytes(noise), 0.0, False)]
            case "late-reply":
                arriving = [(each, delay + done["seconds"], over) for each, delay, over in arriving]
            case "duplicate":
                arriving = [
                    (each, delay + copy * done["after"], over)
                    for copy in range(int(done["copies"]) + 1)
                    for each, delay, over in arriving
                ]
            case "reordered":
                arriving = [(each, delay + done["hold"], True) for each, delay, _ in arriving]
            case _:
                raise AssertionError(fired.kind)
    return arriving


REPLY_KINDS = sorted(
    kind
    for kind, fault in FAULTS.items()
    if not fault.stage.changes_behaviour and kind != "lost-block"
)
REPLY_RULES = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(REPLY_KINDS),
            "probability": st.sampled_from([0.3, 0.7, 1.0]),
            "calls": st.sampled_from(["1-", "every 2", "1-2", "3"]),
        }
    ),
    max_size=5,
)
CALLS = [call(number, srv) for number in range(1, 5) for srv in ("4.8.1", "4.8.3")]


@given(REPLY_RULES, st.sampled_from(["s", "t"]))
@settings(max_examples=60, deadline=None)
def test_the_log_explains_each_reply(tables: list[dict[str, Any]], seed: str) -> None:
    engine = faults(*tables, seed=seed)
    for one in CALLS:
        before = len(engine.log)
        _, deliveries = suffer(engine, one)
        log = list(engine.log)[before:]
        assert [(each.octets, each.delay, each.overtaken) for each in deliveries] == _replayed(
            reply(one), one, log
        )
        assert {(each.device, each.srv, each.number) for each in log} <= {
            (one.device, one.srv, one.number)
        }
    assert sum(engine.fired.values()) == len(engine.log)


CONDUCT_RULES = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(sorted(FAULTS)),
            "probability": st.sampled_from([0.2, 0.6, 1.0]),
            "calls": st.sampled_from(["1-", "every 2", "2"]),
        }
    ),
    max_size=6,
)


@given(CONDUCT_RULES)
@settings(max_examples=60, deadline=None)
def test_behaviour_differs_if_the_log_says_so(tables: list[dict[str, Any]]) -> None:
    engine = faults(*tables)
    for one in CALLS:
        before = len(engine.log)
        behaviour = engine.behaviour(one)
        kinds = {fired.kind for fired in list(engine.log)[before:]}
        silencing = {"no-reply", "asleep", "fail-first"}
        assert behaviour.silent is bool(kinds & silencing)
        assert (behaviour.refusal is not None) is ("result-code" in kinds)
        assert (behaviour.drift != 0) is ("clock-drift" in kinds)
        assert (behaviour.has_entry is not None) is bool(
            kinds & {"empty-log", "missing-half-hours"}
        )
        if behaviour.silent or behaviour.refusal is not None:
            assert len(kinds) == 1


@given(CONDUCT_RULES, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_a_run_is_repeated_and_meters_do_not_disturb_each_other(
    tables: list[dict[str, Any]], chance: Any
) -> None:
    """The run is repeated, and once more with the calls of two meters in any other order."""

    def run(calls: list[Call]) -> dict[tuple[EUI, int], Any]:
        engine = faults(*tables)
        done = {}
        for one in calls:
            behaviour, deliveries = suffer(engine, one)
            key = (behaviour.silent, behaviour.refusal, behaviour.drift, deliveries)
            done[one.device, one.number] = key
        logs.append(sorted(map(str, engine.log)))
        return done

    logs: list[list[str]] = []
    mine = [call(number) for number in range(1, 5)]
    theirs = [call(number, device=OTHER_METER) for number in range(1, 5)]
    first = run([*mine, *theirs])
    mixed = [True] * 4 + [False] * 4
    chance.shuffle(mixed)
    sources = {True: iter(mine), False: iter(theirs)}
    assert run([*mine, *theirs]) == first
    assert run([next(sources[which]) for which in mixed]) == first
    assert logs[0] == logs[1] == logs[2]


def test_another_seed_gives_other_faults() -> None:
    def run(seed: str) -> list[tuple[Delivery, ...]]:
        engine = faults({"kind": "corrupt-octets", "probability": 0.5}, seed=seed)
        return [suffer(engine, one)[1] for one in CALLS]

    assert run("s") == run("s") != run("t")


def test_the_draws_of_a_rule_do_not_depend_on_other_rules() -> None:
    corrupt = {"kind": "corrupt-octets", "name": "noise", "probability": 0.5}
    alone, together = faults(corrupt), faults({"kind": "late-reply", "probability": 0.5}, corrupt)
    for one in CALLS:
        mine, theirs = suffer(alone, one)[1], suffer(together, one)[1]
        assert [each.octets for each in mine] == [each.octets for each in theirs]


def test_blocks_that_all_arrive_make_up_the_reply() -> None:
    one = call()
    engine = faults({"kind": "lost-block", "lost": 1, "block_size": 128})
    other = faults({"kind": "lost-block", "lost": 2, "block_size": 128})
    reassembler = Reassembler()
    for delivery in (*suffer(engine, one)[1], *suffer(other, one)[1]):
        reassembler.receive(delivery.octets)
    assert reassembler.message == reply(one)
