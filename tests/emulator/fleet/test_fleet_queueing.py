"""Queues at meters, sleep behind a WAN, faults, and the memory that they take."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.device.meter import NORMAL, Behaviour
from esme_emulator.faults.base import Call, Delivery
from esme_emulator.fleet.counters import Stage
from esme_emulator.fleet.fleet import CommandReceived, Dropped, Fleet, Receipt
from esme_emulator.fleet.queueing import MeterStates, Outbox, Reply
from esme_emulator.fleet.wan import WanLink
from esme_emulator.profiles import WanProfile
from esme_emulator.profiles.latency import Fixed, LogNormal, Uniform
from gbcs import EUI, encode
from gbcs.tables.roles import Role
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    OTHER_METER,
    SEED,
    UNIX_NOW,
    command,
    meter_octets,
    own_counter_in,
)


def make_fleet(latency: float = 5.0, **options: object) -> Fleet:
    return Fleet(ESTATE.meters, KEYS, SEED, Fixed(latency), **options)  # type: ignore[arg-type]


def ask(
    fleet: Fleet, counter: int = 1, after: float = 0.0, device: EUI = METER, srv: str = "4.8.1"
) -> Receipt:
    return fleet.receive(device, command(srv, counter=counter, device=device)[1], UNIX_NOW + after)


def due(receipt: Receipt) -> list[float]:
    """Return when replies are due, in seconds from the beginning."""
    return [round(reply.due - UNIX_NOW, 6) for reply in receipt.replies]


def test_a_meter_answers_one_command_at_a_time_in_order() -> None:
    fleet = make_fleet(5.0)
    assert [due(ask(fleet, number)) for number in range(1, 5)] == [[5], [10], [15], [20]]
    assert due(ask(fleet, 5, after=22.0)) == [27]
    assert due(ask(fleet, 6, after=24.0)) == [32]


def test_a_meter_is_not_disturbed_by_a_slow_neighbour() -> None:
    alone, shared = (Fleet(ESTATE.meters, KEYS, SEED, LogNormal(2.0, 15.0)) for _ in range(2))
    for number in range(1, 12):
        ask(shared, number, device=OTHER_METER)
    for number in range(1, 5):
        assert due(ask(alone, number)) == due(ask(shared, number))
    assert ask(shared, 5).replies == ask(alone, 5).replies


def test_an_answer_has_the_time_at_which_the_meter_begins() -> None:
    """The device's own counter follows the clock, so it shows the time."""
    fleet = make_fleet(3600.0)
    octets = [command("4.8.1", Role.OU, counter)[1] for counter in (1, 2)]
    seen = [fleet.receive(METER, one, UNIX_NOW).reply or b"" for one in octets]
    assert [own_counter_in(reply) for reply in seen] == [
        int(start * 1_000_000) * 2 for start in (UNIX_NOW, UNIX_NOW + 3600)
    ]


@pytest.mark.parametrize("queue", [0, 1, 3, 16])
def test_a_command_that_finds_the_queue_full_gets_no_reply_and_is_counted(queue: int) -> None:
    fleet = make_fleet(5.0, queue=queue)
    receipts = [ask(fleet, number) for number in range(1, queue + 5)]
    assert [bool(receipt.replies) for receipt in receipts] == [True] * (queue + 1) + [False] * 3
    assert fleet.counters.outcomes() == {
        ("4.8.1", "answered"): queue + 1,
        ("4.8.1", Dropped.QUEUE_FULL): 3,
    }
    assert ask(fleet, 90, device=OTHER_METER).replies
    assert ask(fleet, 91, after=4.9).outcome == Dropped.QUEUE_FULL
    assert ask(fleet, 92, after=5.0).replies
    assert ask(fleet, 93, after=5.1).outcome == Dropped.QUEUE_FULL
    assert due(ask(fleet, 94, after=1000.0)) == [1005]


def test_without_latency_no_command_waits() -> None:
    fleet = make_fleet(0.0, queue=0)
    assert [due(ask(fleet, number)) for number in range(1, 50)] == [[0]] * 49


def test_a_discarded_command_takes_no_time() -> None:
    fleet = make_fleet(5.0)
    octets = command("4.8.1")[1]
    for _ in range(100):
        fleet.receive(METER, octets[:-1] + bytes((octets[-1] ^ 1,)), UNIX_NOW)
    assert due(ask(fleet)) == [5]


def test_a_strict_meter_takes_no_counter_twice_and_none_below() -> None:
    fleet = make_fleet(0.0, strict=True)
    outcomes = [ask(fleet, counter).outcome for counter in (5, 5, 4, 6, 6, 7)]
    taken, dropped = "answered", Dropped.REPLAYED
    assert outcomes == [taken, dropped, dropped, taken, dropped, taken]
    assert fleet.counters.outcomes() == {("4.8.1", taken): 3, ("4.8.1", dropped): 3}
    assert ask(fleet, 1, srv="4.6.1").outcome == dropped
    assert ask(fleet, 1, device=OTHER_METER).outcome == taken


def test_a_strict_meter_keeps_remote_parties_apart() -> None:
    fleet = make_fleet(0.0, strict=True)
    for role in (Role.IS, Role.ED, Role.OU):
        for wanted in ("answered", "replayed"):
            octets = command("4.8.1", role, 5)[1]
            assert fleet.receive(METER, octets, UNIX_NOW).outcome == wanted


def test_a_dropped_command_does_not_raise_the_counter_of_a_strict_meter() -> None:
    fleet = make_fleet(5.0, strict=True, queue=0)
    forged = encode(replace(command("4.8.1", counter=9)[0], mac=bytes(12)))
    assert fleet.receive(METER, forged, UNIX_NOW).outcome == "mac-invalid"
    assert ask(fleet, 1).outcome == "answered"
    assert ask(fleet, 8).outcome == Dropped.QUEUE_FULL
    assert ask(fleet, 2, after=5.0).outcome == "answered"
    silent = make_fleet(0.0, strict=True, faults=Script([Behaviour(silent=True)]))
    assert ask(silent, 8).outcome == Dropped.SILENT
    assert ask(silent, 2).outcome == "answered"


@dataclass
class Script:
    """Scripted faults, call by call, and none afterwards."""

    conducts: list[Behaviour] = field(default_factory=list)
    delivered: list[list[Delivery]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def behaviour(self, call: Call) -> Behaviour:
        self.calls.append(call)
        return self.conducts.pop(0) if self.conducts else NORMAL

    def deliver(self, call: Call, octets: bytes) -> tuple[Delivery, ...]:
        return tuple(self.delivered.pop(0)) if self.delivered else (Delivery(octets),)


def test_a_fault_gets_the_call_number_and_the_time_at_which_the_meter_begins() -> None:
    script = Script()
    fleet = make_fleet(5.0, faults=script)
    ask(fleet, 1)
    ask(fleet, 2, srv="4.6.1")
    fleet.receive(METER, b"nonsense", UNIX_NOW)
    ask(fleet, 3)
    ask(fleet, 4, device=OTHER_METER)
    told = [(call.device, call.srv, call.number, call.now - UNIX_NOW) for call in script.calls]
    assert told == [
        (METER, "4.8.1", 1, 0.0),
        (METER, "4.6.1", 1, 5.0),
        (METER, "4.8.1", 2, 10.0),
        (OTHER_METER, "4.8.1", 1, 0.0),
    ]


def test_a_command_is_counted_even_if_a_fault_raises() -> None:
    class Broken(Script):
        def behaviour(self, call: Call) -> Behaviour:
            raise RuntimeError("a fault that raises")

    fleet = make_fleet(5.0, faults=Broken())
    events: list[CommandReceived] = []
    fleet.events.subscribe(CommandReceived, events.append)
    with pytest.raises(RuntimeError, match="a fault that raises"):
        ask(fleet)
    assert fleet.counters.outcomes() == {("4.8.1", Dropped.FAILED): 1}
    assert [event.outcome for event in events] == [Dropped.FAILED]


def test_a_command_to_a_silent_meter_is_counted_and_takes_no_time() -> None:
    fleet = make_fleet(5.0, faults=Script([Behaviour(silent=True)] * 20))
    assert {ask(fleet, number).outcome for number in range(1, 21)} == {Dropped.SILENT}
    assert fleet.counters.outcomes() == {("4.8.1", Dropped.SILENT): 20}
    assert due(ask(fleet, 21)) == [5]


def test_faults_decide_on_deliveries() -> None:
    several = [Delivery(b"one"), Delivery(b"two", 3.0), Delivery(b"three", 60.0, overtaken=True)]
    fleet = make_fleet(5.0, faults=Script([], [several, []]))
    receipt = ask(fleet, 1)
    assert due(receipt) == [5, 8, 65]
    assert [reply.octets for reply in receipt.replies] == [b"one", b"two", b"three"]
    assert [reply.overtaken for reply in receipt.replies] == [False, False, True]
    dropped = ask(fleet, 2)
    assert (dropped.outcome, dropped.replies) == ("answered", ())
    assert due(ask(fleet, 3)) == [15]


def wan(
    latency: str = "none",
    wake_sms: int = 0,
    wake_latency: str = "none",
    awake_seconds: float = 0.0,
    loss: float = 0.0,
    octets_per_second: int = 0,
) -> WanLink:
    profile = WanProfile(
        name="test",
        title="A WAN to test with",
        latency=latency,
        wake_sms=wake_sms,
        wake_latency=wake_latency,
        awake_seconds=awake_seconds,
        loss=loss,
        octets_per_second=octets_per_second,
        sources={},
    )
    return WanLink(profile, SEED)


def test_a_wan_adds_its_latency_and_time_per_octet() -> None:
    link = wan(latency="4s", octets_per_second=100)
    fleet = make_fleet(10.0, wan=link)
    asked, octets = command("4.8.1")
    size = len(octets) + len(meter_octets(asked))
    assert due(ask(fleet)) == [round(14 + size / 100, 6)]
    assert link.tally.octets_down == len(octets)
    assert link.tally.octets_up == size - len(octets)
    assert link.tally.radio_seconds == pytest.approx(size / 100)
    assert (link.tally.commands, link.tally.replies, link.tally.sms) == (1, 1, 0)


def test_a_wan_without_costs_costs_nothing() -> None:
    fleet = make_fleet(0.0, wan=wan())
    assert [due(ask(fleet, number)) for number in range(1, 9)] == [[0]] * 8


def test_a_sleeping_meter_is_woken_once_and_stays_awake_for_a_while() -> None:
    link = wan(wake_sms=1, wake_latency="30s", awake_seconds=60.0)
    fleet = make_fleet(1.0, wan=link)
    assert due(ask(fleet, 1)) == [31]
    assert due(ask(fleet, 2, after=5.0)) == [32]
    assert link.tally.sms == 1
    assert due(ask(fleet, 3, after=91.0)) == [92]
    assert (link.tally.wakes, link.tally.sms) == (1, 1)
    assert due(ask(fleet, 4, after=152.5)) == [183.5]
    assert (link.tally.wakes, link.tally.sms) == (2, 2)
    ask(fleet, 5, after=152.5, device=OTHER_METER)
    assert link.tally.wakes == 3


def test_a_wan_loses_commands_and_replies_at_its_rate() -> None:
    link = wan(loss=0.2)
    fleet = make_fleet(0.0, wan=link)
    octets = command("4.8.3", Role.ED)[1]
    receipts = [fleet.receive(METER, octets, UNIX_NOW + number) for number in range(600)]
    lost = [receipt for receipt in receipts if receipt.outcome == Dropped.LOST]
    unheard = [receipt for receipt in receipts if receipt.outcome == "answered"]
    unheard = [receipt for receipt in unheard if not receipt.replies]
    assert len(lost) == link.tally.lost_commands == pytest.approx(120, abs=35)
    assert len(unheard) == link.tally.lost_replies == pytest.approx(96, abs=35)
    assert link.tally.commands == fleet.counters.total(Stage.RECEIVED) == 600
    assert link.tally.replies == 600 - len(lost)
    assert fleet.counters.total(outcome=Dropped.LOST) == len(lost)


def test_the_seed_determines_every_outcome() -> None:
    def run(seed: str) -> list[tuple[str, list[float]]]:
        link = wan("uniform:0s,3s", 1, "lognormal:5s,40s", 20.0, 0.1, 500)
        fleet = Fleet(ESTATE.meters, KEYS, seed, Uniform(0.0, 2.0), wan=WanLink(link.profile, seed))
        receipts = [
            ask(fleet, number, after=number * 7.0, device=device)
            for number in range(1, 40)
            for device in (METER, OTHER_METER)
        ]
        return [(receipt.outcome, due(receipt)) for receipt in receipts]

    other = SEED + "!"
    assert run(SEED) == run(SEED)
    assert [times for _, times in run(SEED)] != [times for _, times in run(other)]


ASKS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=60
)
"""Seconds after the command before, a meter, and the seconds that it takes."""


@given(ASKS, st.integers(0, 4))
def test_queues_agree_with_a_simulation_that_keeps_everything(
    asks: list[tuple[int, int, int]], room: int
) -> None:
    states = MeterStates()
    began: dict[int, list[float]] = {0: [], 1: [], 2: []}
    free_at = {0: 0.0, 1: 0.0, 2: 0.0}
    now = 1.0
    for after, meter, takes in asks:
        now += after
        state = states.at(meter, now)
        start = state.turn(now, room)
        waiting = [other for other in began[meter] if other > now]
        if free_at[meter] > now and len(waiting) >= room:
            assert start is None
            continue
        assert start == max(now, free_at[meter])
        state.occupy(start, start + takes, now)
        began[meter].append(start)
        free_at[meter] = start + takes
    assert len(states) <= 3
    states.at(99, now + 10_000)
    assert len(states) == 1


def reply(octets: bytes, due: float, overtaken: bool = False, device: EUI = METER) -> Reply:
    return Reply(device, METER, "4.8.1", "answered", octets, due, overtaken)


def taken(outbox: Outbox, now: float) -> list[bytes]:
    return [one.octets for one in outbox.take(now)]


def test_an_outbox_releases_replies_in_order_when_they_are_due() -> None:
    outbox = Outbox()
    outbox.put((reply(b"late", 5.0), reply(b"soon", 1.0), reply(b"then", 1.0)))
    assert taken(outbox, 0.9) == []
    assert taken(outbox, 1.0) == [b"soon", b"then"]
    assert len(outbox) == 1
    assert taken(outbox, 99.0) == [b"late"]
    assert len(outbox) == 0


def test_an_overtaken_reply_leaves_directly_after_the_next_one_of_its_meter() -> None:
    outbox = Outbox()
    outbox.put((reply(b"held", 100.0, overtaken=True),))
    outbox.put((reply(b"held too", 100.0, overtaken=True),))
    outbox.put((reply(b"neighbour", 5.0, device=OTHER_METER),))
    outbox.put((reply(b"next", 10.0),))
    outbox.put((reply(b"another", 10.0),))
    assert len(outbox) == 5
    assert taken(outbox, 9.0) == [b"neighbour"]
    assert taken(outbox, 10.0) == [b"next", b"held", b"held too", b"another"]
    assert taken(outbox, 1000.0) == []
    assert len(outbox) == 0


def test_an_overtaken_reply_without_a_next_one_leaves_when_it_is_due() -> None:
    outbox = Outbox()
    outbox.put((reply(b"held", 10.0, overtaken=True),))
    assert taken(outbox, 9.0) == []
    assert taken(outbox, 10.0) == [b"held"]
    outbox.put((reply(b"held", 20.0, overtaken=True),))
    outbox.put((reply(b"next", 30.0),))
    assert taken(outbox, 25.0) == [b"held"]
    assert taken(outbox, 30.0) == [b"next"]


def test_replies_to_one_command_do_not_overtake_each_other() -> None:
    outbox = Outbox()
    outbox.put((reply(b"held", 50.0, overtaken=True), reply(b"own", 10.0)))
    assert taken(outbox, 10.0) == [b"own"]
    outbox.put((reply(b"next", 20.0),))
    assert taken(outbox, 20.0) == [b"next", b"held"]


def test_the_state_of_an_idle_meter_is_dropped() -> None:
    fleet = make_fleet(5.0)
    for number, device in enumerate(ESTATE.meters):
        ask(fleet, after=number, device=device)
    ask(fleet, 2, after=4.0)
    assert fleet.busy_meters == 5
    ask(fleet, 3, after=7.5, device=OTHER_METER)
    assert fleet.busy_meters == 4  # all except the one finished at 7 s
    ask(fleet, 4, after=100.0, device=OTHER_METER)
    assert fleet.busy_meters == 1


def test_a_fleet_without_latency_keeps_no_states() -> None:
    fleet = make_fleet(0.0, strict=True)
    for device in ESTATE.meters:
        assert ask(fleet, device=device).replies
    assert fleet.busy_meters == 0


def test_a_meter_that_stays_awake_is_kept_until_it_sleeps() -> None:
    fleet = make_fleet(0.0, wan=wan(wake_sms=1, wake_latency="1s", awake_seconds=60.0))
    ask(fleet)
    ask(fleet, after=60.9, device=OTHER_METER)
    assert fleet.busy_meters == 2
    ask(fleet, after=61.0, device=OTHER_METER)
    assert fleet.busy_meters == 1
