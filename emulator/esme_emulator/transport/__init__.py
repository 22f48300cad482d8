"""The transport: carries opaque octets over MQTT or within the process, behind one interface.

The only room that knows an MQTT library. It knows nothing of GBCS or of the services that use it.
`connect` is the entrance; `esme_emulator.transport.embedded` runs a broker.
"""

import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from random import Random, SystemRandom

from esme_emulator.runtime.complaints import Outages
from esme_emulator.transport.base import (
    NO_PROPERTIES,
    RESPONSE_TOPIC,
    Done,
    Drop,
    Handler,
    OnDropped,
    Outcome,
    RefusedError,
    Transport,
    TransportCounters,
    TransportError,
)
from esme_emulator.transport.connection import BrokerAddress
from esme_emulator.transport.gauge import Gauge, Gauged
from esme_emulator.transport.memory import MemoryBroker, connect_memory
from esme_emulator.transport.topic import TopicFilter

__all__ = [
    "NO_PROPERTIES",
    "RESPONSE_TOPIC",
    "Broker",
    "BrokerAddress",
    "Done",
    "Drop",
    "Gauge",
    "Gauged",
    "Handler",
    "MemoryBroker",
    "OnDropped",
    "Outages",
    "Outcome",
    "RefusedError",
    "TopicFilter",
    "Transport",
    "TransportCounters",
    "TransportError",
    "connect",
]

Broker = str | MemoryBroker | Gauged
"""A broker to connect to: a URL, or a broker in this process, either perhaps gauged."""


def connect(
    broker: Broker,
    *,
    client_id: str,
    subscriptions: Mapping[str, Handler] | None = None,
    on_dropped: OnDropped | None = None,
    outages: Outages | None = None,
    start_timeout: float = 3.0,
    give_up_after: float = 30.0,
    random: Random | None = None,
    tls: ssl.SSLContext | None = None,
) -> AbstractAsyncContextManager[Transport]:
    """Connect to `broker`, a URL or a `MemoryBroker`, for the body of `async with`.

    `subscriptions` are topic filters and their handlers, all in force when the body begins. They
    must not overlap, so that every message has one handler. Retained messages and messages longer
    than 1 MiB are dropped; `on_dropped` is called for each.

    `outages` logs the outages of several transports as one, such as a connection for each meter.

    `client_id` names the transport in logs; over MQTT eight random digits make it unique.
    `start_timeout` and `give_up_after` are in seconds: how long to wait for the broker at the
    start, and how long to try to publish a message. `random` spreads the attempts to reconnect.
    `tls` replaces the default context of `mqtts://`, for a private certificate authority.

    Entering raises `TransportError` if the broker cannot be reached or refuses us, `ValueError` if
    a filter is invalid or two filters overlap.
    """
    handlers = subscriptions or {}
    if isinstance(broker, Gauged):
        inner = connect(
            broker.broker,
            client_id=client_id,
            subscriptions=broker.handlers(handlers),
            on_dropped=on_dropped,
            outages=outages,
            start_timeout=start_timeout,
            give_up_after=give_up_after,
            random=random,
            tls=tls,
        )
        return broker.connected(handlers, inner)
    if isinstance(broker, MemoryBroker):
        return connect_memory(broker, client_id, handlers)
    # Only here, so that commands without a broker do not import an MQTT library.
    from esme_emulator.transport.mqtt import connect_mqtt

    return connect_mqtt(
        broker,
        client_id,
        handlers,
        on_dropped=on_dropped,
        outages=outages,
        start_timeout=start_timeout,
        give_up_after=give_up_after,
        random=random or SystemRandom(),
        tls=tls,
    )
