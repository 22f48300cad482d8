"""The rule, to the second, and the options that change it."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esme_emulator.cache.entry import CACHED_SRVS, Entry, Key
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.reads import CACHEABLE_SRVS
from esme_emulator.cache.policy.settings import CacheSettings, HoldDown
from esme_emulator.estate.parties import SUPPLIER
from gbcs import EUI, Command, decode, encode
from gbcs.instants import DAY, HALF_HOUR
from gbcs.tables.reading_services import service_of
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from gbcs.usecases.read_request import reading_command
from tests.emulator.cache.bench import Bench
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    MIDNIGHT,
    NOW,
    UNIX_NOW,
    YESTERDAY,
    command,
    meter_octets,
    own_counter_in,
)

HOUR = 3600.0
OPEN = Window(MIDNIGHT, NOW + HALF_HOUR)


@pytest.mark.parametrize("hours", [25, 72])
@pytest.mark.parametrize(
    ("beyond", "decision"),
    [(-1, Decision.HIT), (-0.001, Decision.HIT), (0, Decision.FORWARDED), (1, Decision.FORWARDED)],
)
def test_readings_are_served_to_the_end_of_retention_and_no_second_longer(
    hours: int, beyond: float, decision: Decision
) -> None:
    bench = Bench(retention=hours * HOUR)
    bench.read_through("4.8.1")
    bench.now += hours * HOUR + beyond
    replies = bench.ask("4.8.1", Role.ED, 2)
    assert bench.decided[-1].decision is decision
    assert len(replies) == (decision is Decision.HIT)
    assert len(bench.forwards) == (decision is Decision.FORWARDED)


@pytest.mark.parametrize("hours", [25, 25.5, 48.5, 72])
def test_retention_of_25_to_72_hours_is_taken(hours: float) -> None:
    assert CacheSettings(retention_hours=hours).retention == hours * HOUR


@pytest.mark.parametrize("hours", [24, 25 - 1e-9, 72.001, 73, 0, -25, math.nan, math.inf])
def test_any_other_retention_is_refused(hours: float) -> None:
    with pytest.raises(ValueError, match="give 25 to 72") as raised:
        CacheSettings(retention_hours=hours)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"srvs": ["4.8.1", "4.9"]}, "SRV 4.9 cannot be cached: give some of 4.4.2, 4.4.4"),
        ({"srvs": ["4.1.1"]}, "SRV 4.1.1 cannot be cached"),
        ({"shadow": 1.1}, "shadow of 1.1: give 0 to 1"),
        ({"shadow": math.nan}, "shadow of nan"),
        ({"retries": -1}, "retries"),
        ({"device_limit": 0}, "device limit"),
        ({"reply_timeout": 0.0}, "reply timeout"),
    ],
)
def test_impossible_options_are_refused_in_one_line(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        CacheSettings(**options)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(("failures", "seconds"), [(0, 1.0), (1, 0.0), (1, math.nan)])
def test_an_impossible_hold_down_is_refused(failures: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="hold-down"):
        HoldDown(failures, seconds)


def test_every_cacheable_srv_reads_by_window() -> None:
    assert set(CACHED_SRVS) == {"4.6.1", "4.8.1", "4.8.3"}
    assert set(CACHED_SRVS) < CACHEABLE_SRVS
    assert {"4.6.2", "4.8.2", "4.10", "4.14", "4.17"} <= CACHEABLE_SRVS
    assert CACHEABLE_SRVS.isdisjoint({"4.1.1", "4.4.3"})


@pytest.mark.parametrize(
    ("srv", "role"), [("4.6.2", Role.ES), ("4.8.2", Role.ED), ("4.8.2", Role.OU)]
)
def test_an_srv_that_is_added_is_cached_and_the_others_are_not(srv: str, role: Role) -> None:
    bench = Bench(srvs=[srv])
    bench.read_through(srv, role)
    (hit,) = bench.ask(srv, role, 2)
    assert hit.octets == meter_octets(command(srv, role, 2)[0])
    bench.read_through("4.8.1", counter=3)
    bench.read_through("4.8.1", counter=4)
    assert bench.decisions() == {Decision.FORWARDED: 3, Decision.HIT: 1}


@pytest.mark.parametrize("literal", [False, True])
def test_an_open_window_is_kept_only_by_a_literal_cache(
    literal: bool,
) -> None:
    bench = Bench(literal=literal)
    miss = bench.read_through("4.8.1", window=OPEN)
    bench.now += HALF_HOUR
    replies = bench.ask("4.8.1", counter=2, window=OPEN)
    if literal:
        assert miss.status == "s1sp; fwd=miss; stored"
        assert replies[0].octets == meter_octets(command("4.8.1", counter=2, window=OPEN)[0])
        later = meter_octets(command("4.8.1", counter=2, window=OPEN)[0], bench.now)
        assert replies[0].octets != later
    else:
        assert miss.status == "s1sp; fwd=miss; detail=open-window"
        assert replies == []
        assert bench.policy.ledger.reasons == {"open-window": 1}


@pytest.mark.parametrize("back", [1e-3, 1.0, 36_000.0])
def test_a_clock_that_was_stepped_back_serves_nothing_from_the_future(back: float) -> None:
    bench = Bench()
    bench.read_through("4.8.1")
    bench.now -= back
    assert bench.ask("4.8.1", counter=2) == []
    (reply,) = bench.deliver()
    assert reply.status == "s1sp; fwd=stale; stored"
    (hit,) = bench.ask("4.8.1", counter=3)
    assert hit.age == 0


def test_a_hit_says_its_age_and_its_remaining_lifetime() -> None:
    bench = Bench()
    miss = bench.read_through("4.8.1")
    assert miss.age is None
    bench.now += 3599.9
    (hit,) = bench.ask("4.8.1", Role.ED, 2)
    assert (hit.age, hit.status) == (3599, "s1sp; hit; ttl=86400")
    decided = bench.decided[-1]
    assert decided.as_dict() == {
        "time": bench.now,
        "at": "2026-01-15T12:59:59Z",
        "device": str(METER),
        "srv": "4.8.1",
        "party": "90B3D51F30020000",
        "counter": 2,
        "from": "2026-01-14T00:00:00Z",
        "to": "2026-01-15T00:00:00Z",
        "decision": "hits",
        "reason": "",
        "age": 3599,
    }


def test_every_request_is_one_decision_and_counted_by_party_and_meter() -> None:
    bench = Bench()
    for counter, role in enumerate([Role.IS, Role.ED, Role.IS], start=1):
        bench.ask("4.8.1", role, counter)
    bench.deliver()
    bench.ask("4.8.1", Role.ED, 9)
    bench.receive(b"nonsense")
    kinds = [decided.decision for decided in bench.decided]
    assert kinds == [
        Decision.FORWARDED,
        Decision.COLLAPSED,
        Decision.COLLAPSED,
        Decision.HIT,
        Decision.REFUSED,
    ]
    ledger = bench.policy.ledger
    assert sum(ledger.by_party.values()) == sum(ledger.decisions.values()) == 5
    distributor = EUI.parse("90B3D51F30020000")
    assert ledger.by_party[distributor, "4.8.1", Decision.HIT] == 1
    assert ledger.by_party[distributor, "4.8.1", Decision.COLLAPSED] == 1
    assert ledger.by_meter[METER].total() == 4
    assert ledger.by_meter[None] == {Decision.REFUSED: 1}


def test_without_collapse_every_request_goes_on_its_own() -> None:
    bench = Bench(collapse=False)
    for counter in (1, 2, 3):
        bench.ask("4.8.1", counter=counter)
    assert len(bench.forwards) == 3
    for _ in range(3):
        assert [reply.status for reply in bench.deliver()] == ["s1sp; fwd=miss; stored"]
    assert len(bench.ask("4.8.1", counter=4)) == 1
    assert bench.decisions() == {Decision.FORWARDED: 3, Decision.HIT: 1}
    assert bench.shared.leases == {}
    bench.assert_settled()


WIDE = Window(MIDNIGHT - 3 * DAY, MIDNIGHT)
STEPS = st.one_of(
    st.integers(0, 3 * DAY),
    st.builds(
        lambda half_hours, off: half_hours * HALF_HOUR + off,
        st.integers(0, 144),
        st.integers(-1, 1),
    ),
)
READS = [
    ("4.6.1", Role.IS),
    ("4.8.1", Role.IS),
    ("4.8.1", Role.OU),
    ("4.8.3", Role.ED),
    ("4.8.3", Role.OU),
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(READS), st.sampled_from(ESTATE.meters), STEPS, STEPS)
def test_a_narrower_window_is_octet_for_octet_what_the_meter_says(
    read: tuple[str, Role], device: EUI, one: int, other: int
) -> None:
    """Any window within one that was read, its limits and a second around them among them."""
    srv, role = read
    first, last = sorted((min(max(one, 0), 3 * DAY), min(max(other, 0), 3 * DAY)))
    window = Window(WIDE.start + first, WIDE.start + last)
    bench = Bench(sub_window=True)
    bench.ask(srv, role, 1, WIDE, device)
    bench.deliver()
    bench.now += 100
    (hit,) = bench.ask(srv, role, 2, window, device)
    asked, _ = command(srv, role, 2, window, device)
    assert hit.octets == meter_octets(asked, bench.now, own_counter_in(hit.octets) or 0)
    detail = "" if window == WIDE else "; detail=sub-window"
    assert (hit.status, hit.age) == (f"s1sp; hit; ttl={25 * 3600 - 100}{detail}", 100)
    assert bench.forwards == []
    bench.now += 100
    (again,) = bench.ask(srv, role, 3, window, device)
    asked, _ = command(srv, role, 3, window, device)
    assert again.octets == meter_octets(asked, bench.now, own_counter_in(again.octets) or 0)
    assert again.age == 200
    assert bench.shared.leases == {}
    bench.assert_settled()


def test_a_window_that_only_overlaps_is_not_answered_from_another() -> None:
    bench = Bench(sub_window=True)
    bench.read_through("4.8.1", window=WIDE)
    for number, (start, end) in enumerate([(-1, 0), (0, 1), (-1, 1)]):
        window = Window(WIDE.start + start, WIDE.end + end)
        assert bench.ask("4.8.1", counter=10 + number, window=window) == []
    assert len(bench.forwards) == 3


def test_an_open_wider_window_is_cut_only_to_what_was_surely_over() -> None:
    """Readings that came 60 s after the command may lack entries of these 60 s."""
    bench = Bench(sub_window=True, literal=True)
    bench.read_through("4.8.1", window=Window(MIDNIGHT - DAY, NOW + DAY))
    bench.now += DAY
    assert bench.ask("4.8.1", counter=2, window=Window(MIDNIGHT, NOW)) == []
    assert len(bench.ask("4.8.1", counter=3, window=Window(MIDNIGHT, NOW - 60))) == 1


def test_without_sub_windows_a_wider_one_does_not_answer() -> None:
    bench = Bench()
    bench.read_through("4.8.1", window=WIDE)
    assert bench.ask("4.8.1", counter=2, window=YESTERDAY) == []


def test_readings_in_the_store_that_cannot_be_read_fail_the_request_and_nothing_else() -> None:
    bench = Bench()
    key = Key(METER, "4.8.3", YESTERDAY.start, YESTERDAY.end)
    bench.store[key] = Entry(b"nonsense", UNIX_NOW)
    assert bench.ask("4.8.3", Role.ED) == []
    assert bench.decisions() == {Decision.FAILED: 1}
    assert bench.policy.ledger.reasons == {"reply-failed": 1}
    bench.store.clear()
    assert decode(bench.read_through("4.8.3", Role.ED, 2).octets)


def reading(srv: str, counter: int, window: Window, device: EUI) -> Command:
    return reading_command(
        service_of(srv), device=device, originator=SUPPLIER, counter=counter, window=window
    )


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(sorted(CACHEABLE_SRVS - {"4.10"})),  # 4.10 carries the time of its reading
    st.sampled_from(ESTATE.meters),
    STEPS,
    STEPS,
)
def test_every_cacheable_srv_is_answered_as_the_meter_would(
    srv: str, device: EUI, one: int, other: int
) -> None:
    """Success or refusal, the whole window or a part of it."""
    bench = Bench(srvs=[srv], sub_window=True)
    limits = sorted((min(max(one, 0), 3 * DAY), min(max(other, 0), 3 * DAY)))
    part = Window(*(WIDE.start + limit for limit in limits))
    bench.receive(encode(reading(srv, 1, WIDE, device), KEYS), device)
    bench.receive(encode(reading(srv, 2, WIDE, device), KEYS), device)
    replies = bench.deliver()
    bench.now += 100
    asked = [reading(srv, counter, window, device) for counter, window in ((3, WIDE), (4, part))]
    for command_ in asked:
        replies += bench.receive(encode(command_, KEYS), device)
        if bench.forwards:
            replies += bench.deliver()
    wanted = [reading(srv, 1, WIDE, device), reading(srv, 2, WIDE, device), *asked]
    assert [reply.octets for reply in replies] == [meter_octets(one, bench.now) for one in wanted]
    bench.assert_settled()


def test_every_cacheable_srv_is_cached_for_some_meter() -> None:
    hit = set()
    for srv in CACHEABLE_SRVS:
        for device in ESTATE.meters:
            bench = Bench(srvs=[srv])
            for counter in (1, 2):
                bench.receive(encode(reading(srv, counter, WIDE, device), KEYS), device)
                if bench.forwards:
                    bench.deliver()
            hit |= {srv} if Decision.HIT in bench.decisions() else set()
    assert hit == CACHEABLE_SRVS
