"""A fleet on a broker: commands in, replies out after the meter's latency."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from emulator.clock import Clock
from emulator.fleet import Fleet, Receipt
from emulator.tasks import Tasks
from emulator.topics import DIRECT, command_topic, device_of, response_topic
from emulator.transport import Broker, Transport, connect
from gbcs import EUI


@asynccontextmanager
async def serve_fleet(broker: Broker, fleet: Fleet, clock: Clock) -> AsyncIterator[Transport]:
    """Answer commands for the meters of `fleet` as long as the context lasts.

    Raises `TransportError` where there is no broker.
    """

    def receive(topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        device = device_of(topic)
        if device is not None:
            receipt = fleet.receive(device, octets, clock.now())
            if receipt.reply is not None:
                tasks.start(reply(device, receipt))

    async def reply(device: EUI, receipt: Receipt) -> None:
        if receipt.delay:
            await clock.sleep(receipt.delay)
        topic = response_topic(DIRECT, device, str(receipt.recipient))
        await transport.publish(topic, receipt.reply or b"")

    subscriptions = {command_topic(DIRECT, "+"): receive}
    async with (
        connect(broker, client_id="esme-fleet", subscriptions=subscriptions) as transport,
        Tasks() as tasks,
    ):
        yield transport
