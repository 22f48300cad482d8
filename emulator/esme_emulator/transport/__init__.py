"""The transport: opaque octets over MQTT, or within the process, behind one interface.

The only place that knows an MQTT library. It knows nothing of GBCS or of the services that use
it. `connect` is the door; `esme_emulator.transport.embedded` runs a broker where there is none.
"""

import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from random import Random, SystemRandom

from esme_emulator.transport.address import BrokerAddress
from esme_emulator.transport.base import (
    NO_PROPERTIES,
    Drop,
    Handler,
    OnDropped,
    RefusedError,
    Transport,
    TransportCounters,
    TransportError,
)
from esme_emulator.transport.gauge import Gauge, Gauged
from esme_emulator.transport.memory import MemoryBroker, connect_memory
from esme_emulator.transport.outages import Outages
from esme_emulator.transport.topic import TopicFilter

__all__ = [
    "NO_PROPERTIES",
    "Broker",
    "BrokerAddress",
    "Drop",
    "Gauge",
    "Gauged",
    "Handler",
    "MemoryBroker",
    "OnDropped",
    "Outages",
    "RefusedError",
    "TopicFilter",
    "Transport",
    "TransportCounters",
    "TransportError",
    "connect",
]

Broker = str | MemoryBroker | Gauged
"""Where to connect: the URL of a broker, or one in this process; perhaps under a gauge."""


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
    """Connect to `broker`, a URL or a `MemoryBroker`; to be entered with `async with`.

    All `subscriptions`, topic filters and their handlers, are in force before it is entered.
    They must not overlap, so that every message has one handler. Messages that the broker had
    retained, and those longer than a mebioctet, get to no handler; `on_dropped` is told of each.

    `outages` logs those of several transports as one, such as of a connection for each meter.

    `client_id` names the transport in logs; over MQTT eight random digits make it unique.
    `start_timeout` and `give_up_after` are seconds: to wait for a broker that is not there yet,
    and to keep trying to publish a message. `random` spreads the attempts to reconnect.
    `tls` replaces the default context of `mqtts://`, for a private authority.

    Entering raises `TransportError` where there is no such broker or it refuses us, `ValueError`
    where a filter is invalid or two overlap.
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
    # Only here, so that commands without a broker do not import aiomqtt.
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
