"""Brokers to run the transport's tests on."""

from collections.abc import AsyncIterator

import pytest

from esme_emulator.transport import MemoryBroker
from esme_emulator.transport.embedded import embedded_broker
from tests.emulator.transport.brokers import Inbox, Kind
from tests.support.mosquitto import Mosquitto


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(params=["memory", "amqtt", "mosquitto"])
async def kind(request: pytest.FixtureRequest) -> AsyncIterator[Kind]:
    match request.param:
        case "memory":
            yield Kind("memory", MemoryBroker(), True, True)
        case "amqtt":
            async with embedded_broker() as url:
                yield Kind("amqtt", url, False, False)
        case _:
            running: Mosquitto = request.getfixturevalue("mosquitto")
            yield Kind("mosquitto", running.url, True, True)
