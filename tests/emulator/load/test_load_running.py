"""Loads on the memory broker with a manual clock, and in several processes on mosquitto."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from esme_emulator.estate.estate import DEFAULT_BASE, EstateSource
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.load import run
from esme_emulator.load.generator import Generator
from esme_emulator.load.in_flight import Batch, Outcome
from esme_emulator.load.plan import Arrivals, LoadError, Plan
from esme_emulator.load.run import Load
from esme_emulator.load.tally import Live, Tally, parse_rule
from esme_emulator.messaging.topics import DIRECT, command_topic
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import ManualClock, SystemClock
from esme_emulator.scenario.scenario import Mix
from esme_emulator.transport import Broker, MemoryBroker, TransportError, connect
from tests.support.estate import ESTATE, SEED, UNIX_NOW
from tests.support.mosquitto import Mosquitto

MIX = (Mix(3, "import-supplier", "4.8.1"), Mix(1, "other-user", "4.8.1"))
SOURCE = EstateSource(SEED, 5, DEFAULT_BASE)
GUARD = 30.0
"""Timeout of a test that hangs, in seconds. No test relies on it."""


def plan(arrivals: Arrivals = Arrivals.CONSTANT, **changes: Any) -> Plan:
    settings: dict[str, Any] = {"mix": MIX, "seed": SEED, "meters": 5, "via": "direct"}
    return Plan(arrivals, **{**settings, "rate": 100.0, "seconds": 1.0, **changes})


class Leaping:
    """A clock that jumps by the time slept, and by at least `least` seconds."""

    def __init__(self, least: float = 0.0) -> None:
        self._time = 100.0
        self._least = least

    def now(self) -> float:
        return self._time

    async def sleep(self, seconds: float) -> None:
        self._time += max(seconds, self._least)
        for _ in range(20):
            await asyncio.sleep(0)


@asynccontextmanager
async def meters(broker: Broker) -> AsyncIterator[list[str]]:
    """Run the meters, and yield the topics of the commands that reach them."""
    topics: list[str] = []

    def count(topic: str, _: bytes, __: Mapping[str, str]) -> None:
        topics.append(topic)

    fleet = Fleet(ESTATE.meters, ESTATE.keystore, SEED, NONE)
    counting = {command_topic(DIRECT, "+"): count}
    async with (
        serve_fleet(broker, fleet, SystemClock()),
        connect(broker, client_id="count", subscriptions=counting),
    ):
        yield topics


async def generate(
    broker: Broker, load: Plan, least: float = 0.0, generator: Generator | None = None
) -> Tally:
    """Run one generator with a `Leaping` clock."""
    clock = Leaping(least)
    tally = Tally()
    wall = ManualClock(UNIX_NOW)
    made = generator or Generator(load, ESTATE, 0, 1, broker, timer=clock, clock=wall)

    async def begin() -> float:
        return clock.now()

    async with asyncio.timeout(GUARD):
        await made.run(begin, tally.add)
    return tally


async def test_every_planned_request_is_sent_and_answered() -> None:
    broker = MemoryBroker()
    async with meters(broker) as received:
        tally = await generate(broker, plan(warm_up=0.5))
    assert tally.total(Outcome.SENT) == tally.total(Outcome.ANSWERED) == 100
    assert len(received) == 150
    assert tally.checked == len(tally.lags) == len(tally.latency()) == 100


async def test_latency_includes_the_delays_of_the_generator() -> None:
    """Replies come at once, but each sleep takes two seconds, which users would have to wait."""
    broker = MemoryBroker()
    async with meters(broker):
        tally = await generate(broker, plan(rate=10.0, seconds=4.0), least=2.0)
    assert tally.total(Outcome.ANSWERED) == 40
    quantiles = tally.latency().quantiles()
    assert quantiles.max is not None
    assert quantiles.p50 is not None
    assert quantiles.max >= 1500
    assert quantiles.p50 >= 500
    late = tally.lags.quantiles()
    assert late.max is not None
    assert late.max >= 1500


async def test_a_load_without_meters_has_no_replies() -> None:
    tally = await generate(MemoryBroker(), plan(timeout=2.0))
    assert tally.total(Outcome.SENT) == tally.total(Outcome.NO_REPLY) == 100
    assert tally.failed() == tally.made == tally.unheard == 100
    assert tally.heard == 0


@pytest.mark.parametrize(("via", "peer"), [("direct", "a fleet"), ("cache", "a cache")])
async def test_a_load_that_nobody_subscribes_to_ends_soon(
    via: str, peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SILENCE", 0.0)
    long = plan(seconds=600.0, timeout=600.0, via=via)
    async with asyncio.timeout(GUARD):
        result = await Load("quickstart", long, SOURCE, MemoryBroker()).run(lambda _: None)
    assert not result.complete
    assert f"is {peer} connected to this broker?" in str(result.ended)


async def test_live_figures_say_that_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """With MQTT 3.1.1 the broker cannot say that nobody listens."""
    monkeypatch.setattr(run, "SILENCE", 0.0)
    broker = MemoryBroker()
    ignored = {command_topic(DIRECT, "+"): lambda *_: None}
    load = Load("quickstart", plan(seconds=600.0, timeout=600.0), SOURCE, broker)
    said: list[bool] = []

    def watch(now: Live) -> None:
        said.append(now.silent)
        load.interrupt()

    async with (
        asyncio.timeout(GUARD),
        connect(broker, client_id="silent", subscriptions=ignored),
    ):
        await load.run(watch)
    assert said
    assert all(said)


async def test_slow_meters_do_not_slow_down_the_load_below_the_limit_in_flight() -> None:
    tally = await generate(MemoryBroker(), plan(in_flight=30, timeout=50.0))
    assert tally.total(Outcome.SENT) == tally.total(Outcome.NO_REPLY) == 30
    assert tally.total(Outcome.NOT_SENT) == 70


async def test_a_closed_loop_keeps_a_fixed_number_in_flight() -> None:
    broker = MemoryBroker()
    load = plan(Arrivals.CLOSED, closed=7, rate=0.0, timeout=50.0)
    silent = await generate(broker, load)
    assert silent.total(Outcome.SENT) == silent.total(Outcome.NO_REPLY) == 7
    async with meters(broker) as received:
        tally = await generate(broker, load)
    assert len(received) == tally.total(Outcome.ANSWERED) > 7


async def test_breaking_off_leaves_requests_unfinished() -> None:
    target, wall = MemoryBroker(), ManualClock(UNIX_NOW)
    made = Generator(plan(timeout=50.0), ESTATE, 0, 1, target, timer=Leaping(), clock=wall)
    tally = Tally()

    def take(batch: Batch) -> None:
        tally.add(batch)
        if tally.total(Outcome.SENT) >= 20:
            made.break_off()

    async def begin() -> float:
        return 100.0

    async with asyncio.timeout(GUARD):
        await made.run(begin, take)
    sent = tally.total(Outcome.SENT)
    assert 20 <= sent < 100
    assert tally.total(Outcome.UNFINISHED) == sent


async def test_a_load_gives_a_result() -> None:
    broker = MemoryBroker()
    async with meters(broker):
        load = Load("quickstart", plan(seconds=0.3, rate=50.0), SOURCE, broker, shared=True)
        result = await load.run(lambda _: None)
    assert result.complete
    assert result.requests.answered == result.requests.planned == 15
    assert result.latency["untold"].count == 15


@pytest.mark.parametrize("rule", ["max > 0.001ms", "in-flight > 0"])
async def test_rules_are_checked_at_the_end_of_a_short_load(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def in_the_first_second(*_: object) -> None:
        await asyncio.Event().wait()

    # A machine that stalls makes the load longer, and its last second may be without requests.
    monkeypatch.setattr(Load, "_watch", in_the_first_second)
    broker = MemoryBroker()
    async with meters(broker):
        rules = [parse_rule(rule)]
        load = Load("quickstart", plan(seconds=0.3, rate=50.0), SOURCE, broker, rules=rules)
        result = await load.run(lambda _: None)
    assert not result.complete
    assert result.ended.startswith(f"aborted: {rule}: ")
    assert result.requests.answered == result.requests.planned == 15


@pytest.mark.parametrize("rule", ["max > 100ms", "no-reply > 0%", "failed > 0%"])
async def test_rules_are_checked_without_any_answer(rule: str) -> None:
    rules, short = [parse_rule(rule)], plan(seconds=0.2, rate=50.0, timeout=0.2)
    load = Load("quickstart", short, SOURCE, MemoryBroker(), rules=rules)
    result = await load.run(lambda _: None)
    assert result.ended.startswith(f"aborted: {rule}: ")


async def test_old_requests_in_flight_end_a_load() -> None:
    rules, long = [parse_rule("max > 100ms")], plan(seconds=60.0, rate=50.0, timeout=60.0)
    load = Load("quickstart", long, SOURCE, MemoryBroker(), rules=rules)
    async with asyncio.timeout(GUARD):
        result = await load.run(lambda _: None)
    assert result.ended == "aborted: max > 100ms: no answer in time over the last 1 s"


async def test_a_load_can_be_interrupted_before_it_starts() -> None:
    broker = MemoryBroker()
    load = Load("quickstart", plan(), SOURCE, broker)
    load.interrupt()
    result = await load.run(lambda _: None)
    assert (result.complete, result.ended) == (False, "interrupted")


async def test_two_workers_share_a_load(mosquitto: Mosquitto) -> None:
    async with meters(mosquitto.url) as received:
        shared = plan(rate=60.0, seconds=0.5, workers=2, timeout=GUARD)
        result = await Load("quickstart", shared, SOURCE, mosquitto.url).run(lambda _: None)
    assert result.complete, result.ended
    assert result.requests.answered == result.requests.planned == len(received) == 30
    assert result.latency["all"].count == result.checked == 30
    assert result.unexpected == 0
    assert active_children() == []


async def test_a_dead_worker_ends_the_load(mosquitto: Mosquitto) -> None:
    killed = []

    def kill(_: Live) -> None:
        if not killed:
            killed.append(active_children()[0].pid)
            os.kill(killed[0] or 0, signal.SIGKILL)

    async with meters(mosquitto.url):
        load = Load("quickstart", plan(seconds=600.0, workers=2), SOURCE, mosquitto.url)
        async with asyncio.timeout(GUARD):
            result = await load.run(kill)
    assert not result.complete
    assert result.ended.startswith("worker ")
    assert result.ended.endswith(" died (signal 9)")
    assert result.requests.answered
    assert active_children() == []


async def test_workers_can_be_interrupted(mosquitto: Mosquitto) -> None:
    async with meters(mosquitto.url):
        load = Load("quickstart", plan(seconds=600.0, workers=2), SOURCE, mosquitto.url)
        async with asyncio.timeout(GUARD):
            result = await load.run(lambda _: load.interrupt())
    assert (result.complete, result.ended) == (False, "interrupted")
    assert result.requests.answered
    assert active_children() == []


async def test_an_exceeded_rule_ends_a_load(mosquitto: Mosquitto) -> None:
    load = Load(
        "quickstart",
        plan(seconds=600.0, in_flight=5),
        SOURCE,
        mosquitto.url,
        rules=[parse_rule("not-sent > 50%")],
    )
    async with asyncio.timeout(GUARD):
        result = await load.run(lambda _: None)
    assert result.ended.startswith("aborted: not-sent > 50%: 100.0% over the last")
    assert result.requests.unfinished == result.requests.sent == 5


@pytest.mark.processes
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_lost_broker_ends_a_load(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "GONE", 1)
    with Mosquitto(tmp_path) as broker:
        async with meters(broker.url):
            load = Load("quickstart", plan(seconds=600.0, workers=workers), SOURCE, broker.url)
            async with asyncio.timeout(GUARD):
                result = await load.run(lambda _: broker.kill())
    assert not result.complete
    assert result.ended.startswith("aborted: the connection to the broker was lost ")
    assert result.requests.answered
    assert result.measured_seconds < 600
    assert active_children() == []


@pytest.mark.processes
async def test_a_load_that_ends_without_a_broker_is_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "GONE", GUARD)
    with Mosquitto(tmp_path) as broker:
        load = Load("quickstart", plan(seconds=2.5, timeout=0.1), SOURCE, broker.url)
        async with asyncio.timeout(GUARD):
            result = await load.run(lambda _: broker.kill())
    assert not result.complete
    assert result.ended == "aborted: there was no connection to the broker at the end"


@pytest.mark.processes
async def test_a_reconnection_leaves_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "GONE", GUARD)
    with Mosquitto(tmp_path) as broker:
        load = Load("quickstart", plan(seconds=600.0, timeout=GUARD), SOURCE, broker.url)

        def restart_once(_: Live) -> None:
            if load.tally.reconnections:
                load.interrupt()
            elif load.tally.is_up:
                broker.restart()

        async with asyncio.timeout(GUARD):
            result = await load.run(restart_once)
    assert result.ended == "interrupted"
    assert result.reconnections == 1
    assert "lost and restored: 1;" in "".join(result.notes)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_bad_broker_url_is_one_error(workers: int) -> None:
    load = Load("quickstart", plan(workers=workers), SOURCE, "http://127.0.0.1")
    with pytest.raises(TransportError, match="is not the URL of a broker"):
        await load.run(lambda _: None)
    assert active_children() == []


async def test_workers_need_the_url_of_a_broker() -> None:
    load = Load("quickstart", plan(workers=2), SOURCE, MemoryBroker())
    with pytest.raises(LoadError, match="2 workers need the URL of a broker"):
        await load.run(lambda _: None)
