"""Connections that are cut on request, and come back."""

import asyncio
from pathlib import Path

import pytest

from esme_emulator.transport import MemoryBroker, TransportError, connect
from tests.emulator.transport.brokers import Inbox
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import until


async def test_a_cut_in_memory_ends_by_itself() -> None:
    broker, inbox = MemoryBroker(), Inbox()
    async with (
        connect(broker, client_id="meters", subscriptions={"a": inbox}) as meters,
        connect(broker, client_id="party") as party,
    ):
        meters.cut(0.02)
        assert not meters.is_connected
        assert not await party.publish("a", b"unheard")
        with pytest.raises(TransportError, match="cannot publish to b: the connection is cut"):
            await meters.publish("b", b"")
        await until(lambda: meters.is_connected)
        assert await party.publish("a", b"heard")
        assert [message.payload for message in await inbox.wait_for(1)] == [b"heard"]


async def test_a_transport_may_close_during_a_cut() -> None:
    broker = MemoryBroker()
    async with connect(broker, client_id="meters", subscriptions={"a": Inbox()}) as meters:
        meters.cut(0.0)
    await asyncio.sleep(0.01)
    assert not meters.is_connected


@pytest.mark.processes
async def test_a_cut_connection_stays_away_and_comes_back(tmp_path: Path, inbox: Inbox) -> None:
    with Mosquitto(tmp_path) as broker:
        async with (
            connect(broker.url, client_id="meters", subscriptions={"a": inbox}) as meters,
            connect(broker.url, client_id="party") as party,
        ):
            loop = asyncio.get_running_loop()
            began = loop.time()
            meters.cut(0.01)
            meters.cut(0.3)
            assert not meters.is_connected
            waiting = asyncio.create_task(meters.publish("b", b""))
            await until(lambda: meters.is_connected)
            assert loop.time() - began >= 0.3
            await waiting
            assert meters.counters.reconnections == 1
            await party.publish("a", b"heard")
            assert (await inbox.wait_for(1))[-1].payload == b"heard"
