"""What the tests of several rooms run on: brokers, servers, an empty folder."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from esme_emulator.transport import Broker, MemoryBroker
from tests.support.embedded import embedded
from tests.support.mosquitto import Mosquitto
from tests.support.valkey import ValkeyServer


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path) as running:
        yield running


@pytest.fixture(params=["memory", "amqtt", "rumqttd", "mosquitto"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    match request.param:
        case "memory":
            yield MemoryBroker()
        case "amqtt" | "rumqttd":
            async with embedded(request.param) as url:
                yield url
        case _:
            running: Mosquitto = request.getfixturevalue("mosquitto")
            yield running.url
