"""The embedded brokers by name: amqtt, and rumqttd, which starts a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from esme_emulator.transport.embedded import MQTT_3, MQTT_5, embedded_broker

EMBEDDED = {"amqtt": MQTT_3, "rumqttd": MQTT_5}
"""MQTT version of each broker."""
_PACKAGES = {"amqtt": "amqtt", "rumqttd": "iotcore"}


@asynccontextmanager
async def embedded(name: str, port: int = 0) -> AsyncIterator[str]:
    """Run one of `EMBEDDED`, and yield its URL. Skips the test if it is not installed."""
    pytest.importorskip(_PACKAGES[name])
    async with embedded_broker(port, EMBEDDED[name]) as url:
        yield url
