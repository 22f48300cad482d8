import asyncio
from collections.abc import Mapping

import pytest

from esme_emulator.transport import Gauged, MemoryBroker, Outcome, TransportError, connect
from esme_emulator.transport.memory import _MemoryTransport


async def test_gauge_is_still_once_every_message_was_handled() -> None:
    broker = Gauged(MemoryBroker())
    seen: list[str] = []
    answering = asyncio.Event()

    async def answer() -> None:
        await answering.wait()
        await sender.publish("answers/1", b"")

    tasks: set[asyncio.Task[None]] = set()

    def ask(topic: str, _octets: bytes, _properties: Mapping[str, str]) -> None:
        seen.append(topic)
        tasks.add(asyncio.ensure_future(sender.publish("answers/0", b"")))
        tasks.add(asyncio.ensure_future(answer()))

    def take(topic: str, _octets: bytes, _properties: Mapping[str, str]) -> None:
        seen.append(topic)

    async with (
        connect(broker, client_id="a", subscriptions={"asks/+": ask}) as sender,
        connect(broker, client_id="b", subscriptions={"answers/+": take}),
    ):
        await broker.gauge.still()
        await sender.publish("asks/0", b"")
        await broker.gauge.still()
        assert seen == ["asks/0", "answers/0"]
        answering.set()
        await broker.gauge.still()
        assert seen == ["asks/0", "answers/0", "answers/1"]
        await asyncio.gather(*tasks)


async def test_messages_without_a_subscriber_are_not_waited_for() -> None:
    broker = Gauged(MemoryBroker())
    async with connect(broker, client_id="a") as transport:
        await transport.publish("nowhere", b"")
        await broker.gauge.still()


async def test_shared_subscribers_receive_a_message_once() -> None:
    broker = Gauged(MemoryBroker())
    seen: list[str] = []

    def take(topic: str, _octets: bytes, _properties: Mapping[str, str]) -> None:
        seen.append(topic)

    async with (
        connect(broker, client_id="a", subscriptions={"$share/g/x/+": take}) as transport,
        connect(broker, client_id="b", subscriptions={"$share/g/x/+": take}),
    ):
        assert broker.gauge.copies("x/1") == 1
        await transport.publish("x/1", b"")
        await broker.gauge.still()
    assert seen == ["x/1"]
    assert broker.gauge.copies("x/1") == 0


async def test_a_lost_message_raises_an_error() -> None:
    broker = Gauged(MemoryBroker())
    broker.gauge.add(2)
    with pytest.raises(TransportError, match="2 messages were not delivered within"):
        await broker.gauge.still(0.01)


async def test_a_lost_broker_raises_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seam: the transport, which says that it has no connection."""
    broker = Gauged(MemoryBroker())
    async with connect(broker, client_id="a"):
        broker.gauge.add(1)
        monkeypatch.setattr("esme_emulator.transport.memory._MemoryTransport.is_connected", False)
        with pytest.raises(TransportError, match="the broker was lost, and did not come back"):
            await broker.gauge.still(0.01)


async def test_a_refused_message_is_not_in_flight() -> None:
    broker = Gauged(MemoryBroker())
    async with connect(broker, client_id="a", subscriptions={"x": lambda *_: None}) as transport:
        with pytest.raises(ValueError, match="65535"):
            await transport.publish("x", b"", {"name": "v" * 70_000})
        await broker.gauge.still()


async def test_gauge_waits_for_what_follows_a_post() -> None:
    broker = Gauged(MemoryBroker())
    order: list[str] = []

    def follow(outcome: Outcome) -> None:
        order.append(f"done {outcome}")
        if len(order) < 4:
            transport.post("x", b"", follow)

    async with connect(
        broker, client_id="a", subscriptions={"x": lambda *_: order.append("arrived")}
    ) as transport:
        transport.post("x", b"", follow)
        await broker.gauge.still()
        assert order == ["arrived", "done True"] * 2
        with pytest.raises(ValueError, match="topic"):
            transport.post("#", b"", follow)
        await broker.gauge.still()
    transport.post("x", b"", follow)
    await broker.gauge.still()
    assert order[-1] == "done cannot publish to x: the transport is closed"


async def test_gauge_is_not_still_while_a_publisher_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seam: a broker that delivers at once and acknowledges late, as one that is busy does."""
    delivered, acknowledged = asyncio.Event(), asyncio.Event()
    publish = _MemoryTransport.publish

    async def publish_late(self: _MemoryTransport, topic: str, octets: bytes, _: object) -> None:
        await publish(self, topic, octets)
        await acknowledged.wait()

    monkeypatch.setattr(_MemoryTransport, "publish", publish_late)
    broker = Gauged(MemoryBroker())
    told: list[str] = []

    async def say() -> None:
        await transport.publish("x", b"")
        told.append("acknowledged")

    async with connect(
        broker, client_id="a", subscriptions={"x": lambda *_: delivered.set()}
    ) as transport:
        saying = asyncio.ensure_future(say())
        stillness = asyncio.ensure_future(broker.gauge.still())
        await delivered.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        assert not stillness.done()
        acknowledged.set()
        await stillness
        assert told == ["acknowledged"]
        await saying
