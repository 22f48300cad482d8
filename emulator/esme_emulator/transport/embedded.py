"""The embedded broker, so that a user needs no other: its port, and the MQTT version it speaks.

It listens on the loopback interface, unless told otherwise, accepts every client, and stores
nothing. rumqttd speaks MQTT 5 and is fast, but is not built for every platform; amqtt speaks MQTT
3.1.1.
"""

import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec

from esme_emulator.runtime.accepting import BACKLOG
from esme_emulator.runtime.listening import HOST, bracketed, reachable
from esme_emulator.transport.base import TransportError
from esme_emulator.transport.embedded_rumqttd import OnEnded, rumqttd_broker

MQTT_5, MQTT_3 = "5", "3.1.1"
"""Versions of MQTT that an embedded broker may speak."""

logger = logging.getLogger("esme_emulator.transport")


@asynccontextmanager
async def embedded_broker(
    port: int = 0, mqtt: str | None = None, on_ended: OnEnded = logger.error, host: str = HOST
) -> AsyncIterator[str]:
    """Run a broker on `host` and `port`, 0 for a free one, and yield its URL on this machine.

    `mqtt` is `MQTT_5` or `MQTT_3`. None is MQTT 5, or MQTT 3.1.1 with a warning if only amqtt is
    installed. `on_ended` is called if the broker with MQTT 5 ends by itself; by default the error
    is logged. Raises `TransportError` if the port is taken or not allowed or the broker does not
    start, and `ModuleNotFoundError` if its package is not installed.
    """
    version = mqtt or _best_version()
    if version == MQTT_5 and not _is_installed("iotcore"):
        raise ModuleNotFoundError(name="iotcore")
    with _listen(host, port) as listener:
        number = listener.getsockname()[1]
        if version == MQTT_3:
            from esme_emulator.transport.embedded_amqtt import amqtt_broker

            broker = amqtt_broker(listener)
        else:
            listener.close()  # rumqttd listens by itself
            broker = rumqttd_broker(bracketed(host), number, on_ended)
        async with broker:
            yield f"mqtt://{bracketed(reachable(host))}:{number}"


def _best_version() -> str:
    if _is_installed("iotcore") or not _is_installed("amqtt"):
        return MQTT_5
    logger.warning(
        "iotcore is not installed, so the embedded broker speaks MQTT 3.1.1, without cache-status "
        "and shared subscriptions: pip install 'esme-emulator[broker]', or give --broker"
    )
    return MQTT_3


def _is_installed(package: str) -> bool:
    with suppress(ModuleNotFoundError):
        return find_spec(package) is not None
    return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise TransportError(
            f"no broker on {host}:{port} ({reason}): choose another port, or give --broker"
        ) from None
