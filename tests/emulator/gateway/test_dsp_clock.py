"""Thirteen months of a daily schedule in two jumps of a manual clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from esme_emulator.app.services import CacheOptions, FleetOptions, paced, run_services
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.store import MEMORY
from esme_emulator.control.models import MAX_ADVANCE
from esme_emulator.profiles.latency import parse_latency
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import MemoryBroker, TransportError
from gbcs import authenticate, decode
from gbcs.instants import parse_iso
from gbcs.usecases.values import values_of
from tests.support.dsp_bench import DAILY, ESTATE, KEYS, NON_DEVICE, Starter, for_the_dsp
from tests.support.duis_user import Receiver, answered, post
from tests.support.embedded import embedded
from tests.support.estate import UNIX_NOW

DAYS = 396
FIRST = datetime(2026, 1, 16, tzinfo=UTC)


@asynccontextmanager
async def broker_of(name: str) -> AsyncIterator[str | MemoryBroker]:
    if name == "memory":
        yield MemoryBroker()
    else:
        async with embedded(name) as url:
            yield url


@pytest.mark.parametrize(
    ("name", "latency"),
    [
        ("memory", "lognormal:2s,15s"),
        pytest.param("rumqttd", "none", marks=pytest.mark.processes),
    ],
)
async def test_thirteen_months_pass_in_two_advances_of_the_control_interface(
    starter: Starter, user: Receiver, name: str, latency: str
) -> None:
    clock = ManualClock(UNIX_NOW)
    fleet = FleetOptions(latency=parse_latency(latency))
    cache = CacheOptions(CacheSettings(), MEMORY)
    async with AsyncExitStack() as stack:
        broker = paced(await stack.enter_async_context(broker_of(name)), clock)
        running = await stack.enter_async_context(
            run_services(
                broker, ESTATE, clock, fleet, cache, control_port=0, dsp_options=starter.options
            )
        )
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=120))
        assert running.dsp is not None
        assert running.fleet is not None
        created = await post(client, running.dsp.duis + NON_DEVICE, for_the_dsp(1, "5.1", DAILY))
        assert answered(KEYS, created.content).code == "I0"
        for seconds in (MAX_ADVANCE, DAYS * 86_400 - MAX_ADVANCE):
            advance = {"seconds": seconds}
            answer = await client.post(f"{running.control}/clock/advance", json=advance)
            assert answer.status_code == 200, answer.text
        messages = [answered(KEYS, octets) for octets in await user.wait_for(DAYS)]
        assert {one.code for one in messages} == {"I0"}
        assert running.fleet.counters.hits("4.8.1") == DAYS
        days = []
        for message in messages:
            assert message.text("DSPScheduleID") == "1"
            response = decode(message.payload, KEYS.keystore)
            authenticate(response)
            rows = values_of(response)[0].rows
            assert rows is not None
            assert len(rows) == 49  # both ends of the day are included
            days.append(rows[0]["time"])
        # Each run reads the day before it.
        expected = [FIRST + timedelta(days=each - 1) for each in range(DAYS)]
        assert days == [parse_iso(each.isoformat()) for each in expected]


async def test_a_clock_that_cannot_go_on_says_where_it_stands() -> None:
    clock = ManualClock(UNIX_NOW)

    async def never() -> None:
        raise TransportError("the broker was lost")

    async def sleeper() -> None:
        await clock.sleep(60)
        clock.settled = never

    task = asyncio.create_task(sleeper())
    await asyncio.sleep(0)
    with pytest.raises(TransportError):
        await clock.advance(120)
    assert clock.now() == UNIX_NOW + 60
    await task
