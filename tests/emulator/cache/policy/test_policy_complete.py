"""Windows that the meter had not finished, by either clock, are relayed and never kept."""

import pytest

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.device.logs import buffer
from esme_emulator.device.model import meter_of
from esme_emulator.estate.parties import SUPPLIER
from gbcs import decode, encode
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR
from gbcs.tables.profile_logs import BY_SRV
from gbcs.tables.reading_services import service_of
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window, answer_profile_read
from gbcs.usecases.read_request import reading_command
from tests.emulator.cache.bench import PATIENCE, Bench, BenchStore
from tests.support.estate import (
    KEYS,
    METER,
    MIDNIGHT,
    NOW,
    SEED,
    YESTERDAY,
    command,
    meter_octets,
)

TWO_SECONDS_PAST = float(EPOCH_UNIX + MIDNIGHT + 2)
ROLES = {"4.6.1": Role.IS, "4.8.1": Role.IS, "4.8.3": Role.ED}
WINDOWS = [YESTERDAY, Window(YESTERDAY.start, MIDNIGHT + 1), Window(MIDNIGHT, MIDNIGHT)]


def past_midnight(**options: object) -> Bench:
    bench = Bench(**options)  # type: ignore[arg-type]
    bench.now = TWO_SECONDS_PAST
    return bench


@pytest.mark.parametrize("srv", ROLES)
@pytest.mark.parametrize("skew", [-3.0, -30.0, -3600.0, -2 * DAY])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_that_the_clock_of_the_meter_has_not_reached_is_relayed_and_not_kept(
    srv: str, skew: float, window: Window
) -> None:
    bench = past_midnight()
    bench.skew = skew
    reply = bench.read_through(srv, ROLES[srv], 1, window)
    assert reply.status == "s1sp; fwd=miss; detail=incomplete-window"
    assert reply.octets == meter_octets(command(srv, ROLES[srv], 1, window)[0], bench.now + skew)
    assert bench.policy.ledger.reasons == {"incomplete-window": 1}
    assert bench.store == {}
    bench.skew = 0.0
    assert bench.read_through(srv, ROLES[srv], 2, window).status == "s1sp; fwd=miss; stored"
    (hit,) = bench.ask(srv, ROLES[srv], 3, window)
    assert hit.octets == meter_octets(command(srv, ROLES[srv], 3, window)[0], bench.now)
    bench.assert_settled()


@pytest.mark.parametrize("srv", ROLES)
@pytest.mark.parametrize("skew", [0.0, 3.0, 3600.0])
def test_a_window_that_is_over_on_both_clocks_is_kept_in_its_last_second(
    srv: str, skew: float
) -> None:
    """The last entry proves that the window is complete: no margin is needed."""
    bench = Bench()
    bench.now = float(EPOCH_UNIX + MIDNIGHT)
    bench.skew = skew
    assert bench.read_through(srv, ROLES[srv]).status == "s1sp; fwd=miss; stored"


@pytest.mark.parametrize("srv", ROLES)
def test_a_window_that_the_log_no_longer_holds_is_kept(srv: str) -> None:
    """Its last entry is gone for good, so that it is missing shows nothing."""
    log = BY_SRV[srv]
    last_kept = MIDNIGHT - log.depth * log.period
    bench = Bench()
    gone = Window(last_kept - 2 * DAY, last_kept - DAY)
    assert bench.read_through(srv, ROLES[srv], 1, gone).status == "s1sp; fwd=miss; stored"


@pytest.mark.parametrize("literal", [False, True])
def test_a_late_reply_is_checked_for_completeness_too(literal: bool) -> None:
    bench = past_midnight(literal=literal)
    bench.skew = -PATIENCE - 30
    bench.ask("4.8.1")
    late = bench.meter_reply()
    bench.expire()
    bench.deliver(late)
    assert bench.store == {}
    assert bench.policy.ledger.reasons == {
        **{"no-reply": 1, "late-reply": 1},
        "incomplete-window": 1,
    }


def test_waiting_requests_get_incomplete_readings_and_later_ones_do_not() -> None:
    bench = past_midnight()
    bench.skew = -3.0
    for counter in (1, 2):
        bench.ask("4.8.1", counter=counter)
    told = [reply.status for reply in bench.deliver()]
    assert told == [
        "s1sp; fwd=miss; detail=incomplete-window",
        "s1sp; fwd=miss; collapsed; detail=incomplete-window",
    ]
    assert bench.ask("4.8.1", counter=3) == []


@pytest.mark.parametrize(
    ("lost", "stored"),
    [
        (set(), True),
        ({MIDNIGHT}, False),
        ({MIDNIGHT - HALF_HOUR}, True),
        (set(range(YESTERDAY.start, MIDNIGHT, HALF_HOUR)), True),
        (set(range(YESTERDAY.start, MIDNIGHT + 1, HALF_HOUR)), False),
    ],
)
def test_gaps_are_kept_and_a_log_that_lacks_the_end_is_not(lost: set[int], stored: bool) -> None:
    """A last entry that is lost and one that is not there yet look the same."""
    bench = Bench()
    bench.ask("4.8.1")
    bench.forwards.clear()
    log = BY_SRV["4.8.1"]
    readings = buffer(meter_of(SEED, METER), log, YESTERDAY, NOW, lambda stamp: stamp not in lost)
    bench.deliver(answer_profile_read(command("4.8.1")[0], log, readings, KEYS))
    assert bool(bench.store) is stored


EVENTS = Window(MIDNIGHT - 700 * DAY, MIDNIGHT)


def read_events(bench: Bench, srv: str, counter: int, window: Window) -> str:
    """Read events, to which every party is entitled here, and return the status of the reply."""
    octets = encode(
        reading_command(
            service_of(srv), device=METER, originator=SUPPLIER, counter=counter, window=window
        ),
        KEYS,
    )
    replies = bench.receive(octets)
    if bench.forwards:
        replies += bench.deliver()
    [reply] = replies
    return reply.status


@pytest.mark.parametrize("srv", ["4.4.2", "4.4.5"])
@pytest.mark.parametrize("skew", [0.0, 10.0, 60.0])
def test_a_log_that_does_not_show_its_end_is_kept_once_the_tolerated_skew_has_passed(
    srv: str, skew: float
) -> None:
    bench = Bench(srvs=[srv], clock_skew=skew)
    bench.now = float(EPOCH_UNIX + MIDNIGHT) + skew - 1
    assert read_events(bench, srv, 1, EVENTS) == "s1sp; fwd=miss; detail=open-window"
    bench.now += 1
    assert read_events(bench, srv, 2, EVENTS) == "s1sp; fwd=miss; stored"


def test_a_window_without_a_due_entry_is_kept_after_the_tolerated_skew_too() -> None:
    bench = Bench()
    window = Window(MIDNIGHT + 1, MIDNIGHT + HALF_HOUR - 1)
    bench.now = float(EPOCH_UNIX + window.end + 1)
    assert bench.read_through("4.8.1", window=window).status.endswith("open-window")
    bench.now = float(EPOCH_UNIX + window.end + 60)
    assert bench.read_through("4.8.1", counter=2, window=window).status.endswith("stored")


@pytest.mark.parametrize(("skew", "detail"), [(-3, "incomplete-window"), (0, "")])
def test_a_response_with_the_meters_time_is_judged_by_that_time(skew: float, detail: str) -> None:
    bench = past_midnight(srvs=["4.10"])
    bench.skew = skew
    assert bench.read_through("4.10").status.partition("detail=")[2] == detail
    assert bool(bench.store) is not bool(detail)


WIDE = Window(YESTERDAY.start, NOW + DAY)
PART = Window(YESTERDAY.start, NOW - HALF_HOUR)


@pytest.mark.parametrize(
    ("srv", "skew", "hits"),
    [
        *((("4.8.1"), skew, hits) for skew, hits in ((0, 1), (-HALF_HOUR, 1), (-3600, 0))),
        *((("4.10"), skew, hits) for skew, hits in ((0, 1), (-1, 1), (-3600, 0))),
    ],
)
def test_only_finished_parts_are_cut_from_a_window_that_is_kept_literally(
    srv: str, skew: float, hits: int
) -> None:
    bench = Bench(srvs=[srv], literal=True, sub_window=True)
    bench.skew = skew
    assert bench.read_through(srv, window=WIDE).status == "s1sp; fwd=miss; stored"
    replies = bench.ask(srv, counter=2, window=PART)
    assert bench.decisions().get(Decision.HIT, 0) == hits == len(replies)


def test_parts_that_show_no_end_are_cut_with_the_tolerated_skew() -> None:
    bench = Bench(srvs=["4.4.2"], literal=True, sub_window=True, clock_skew=600.0)
    read_events(bench, "4.4.2", 1, Window(MIDNIGHT - DAY, NOW + DAY))
    for counter, (ago, said) in enumerate(((60, "miss"), (659, "miss"), (660, "sub-window")), 2):
        part = Window(MIDNIGHT - DAY, NOW - ago)
        assert said in read_events(bench, "4.4.2", counter, part)


def test_without_literal_each_part_of_an_entry_is_complete_despite_gaps() -> None:
    bench = Bench(sub_window=True)
    bench.ask("4.8.1")
    bench.forwards.clear()
    log, lost = BY_SRV["4.8.1"], MIDNIGHT - HALF_HOUR
    readings = buffer(meter_of(SEED, METER), log, YESTERDAY, NOW, lambda stamp: stamp != lost)
    bench.deliver(answer_profile_read(command("4.8.1")[0], log, readings, KEYS))
    (hit,) = bench.ask("4.8.1", counter=2, window=Window(YESTERDAY.start, lost))
    assert hit.status.endswith("sub-window")


@pytest.mark.parametrize("skew", [-1.0, float("nan"), float("inf")])
def test_an_impossible_skew_is_refused(skew: float) -> None:
    with pytest.raises(ValueError, match=r"clock skew of .* seconds: give 0 or more"):
        Bench(clock_skew=skew)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_request_after_the_end_of_a_window_gets_all_of_it_despite_one_in_flight(
    processes: int,
) -> None:
    """The reply to the first is on its way, and was made before the end."""
    store = BenchStore()
    benches = [Bench(shared_store=store, shared=processes > 1) for _ in range(processes)]
    for bench in benches:
        bench.now = float(EPOCH_UNIX + MIDNIGHT - 1)
    first, last = benches[0], benches[-1]
    first.ask("4.8.1", Role.IS, 1)
    first.ask("4.8.1", Role.ED, 2)
    before = first.meter_reply()
    for bench in benches:
        bench.now += 2
    last.ask("4.8.1", Role.ED, 3)
    last.ask("4.8.1", Role.IS, 4)
    assert last.forwards == []
    told = {decode(one.octets).originator_counter: one.octets for one in first.deliver(before)}
    assert set(told) == {1, 2}
    assert told[1] == meter_octets(command("4.8.1")[0], first.now - 2)
    assert len(last.forwards) == 1
    told = {decode(one.octets).originator_counter: one.octets for one in last.deliver()}
    assert told == {
        counter: meter_octets(command("4.8.1", role, counter)[0], last.now)
        for counter, role in ((3, Role.ED), (4, Role.IS))
    }
    assert len(store.entries) == 1
    for bench in benches:
        bench.assert_settled()


def test_a_later_entry_shows_the_end_of_a_part_whose_own_last_entry_was_lost() -> None:
    bench = Bench(literal=True, sub_window=True)
    bench.ask("4.8.1", window=WIDE)
    bench.forwards.clear()
    log, lost = BY_SRV["4.8.1"], NOW - 2 * HALF_HOUR
    readings = buffer(meter_of(SEED, METER), log, WIDE, NOW, lambda stamp: stamp != lost)
    bench.deliver(answer_profile_read(command("4.8.1", window=WIDE)[0], log, readings, KEYS))
    assert len(bench.ask("4.8.1", counter=2, window=Window(WIDE.start, lost))) == 1
