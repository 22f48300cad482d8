"""Brokers to run the transport's tests on."""

from collections.abc import AsyncIterator

import pytest

from esme_emulator.transport import MemoryBroker
from tests.emulator.transport.brokers import Inbox, Kind, speak_only_3_1_1
from tests.support.embedded import embedded
from tests.support.mosquitto import Mosquitto


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(params=["memory", "amqtt", "rumqttd", "mosquitto", "mosquitto-3.1.1"])
async def kind(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Kind]:
    match request.param:
        case "memory":
            yield Kind("memory", MemoryBroker(), True, True)
        case "amqtt":
            async with embedded("amqtt") as url:
                yield Kind("amqtt", url, False, False)
        case "rumqttd":
            async with embedded("rumqttd") as url:
                yield Kind("rumqttd", url, True, True)
        case "mosquitto":
            running: Mosquitto = request.getfixturevalue("mosquitto")
            yield Kind("mosquitto", running.url, True, True)
        case _:
            running = request.getfixturevalue("mosquitto")
            speak_only_3_1_1(monkeypatch)
            yield Kind("mosquitto-3.1.1", running.url, False, True)
