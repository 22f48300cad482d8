"""A responder without a codec: `python -m benchmarks.echo URL [VERSION]`, a version of MQTT.

It replies with 560 octets. The reply begins with the first 64 octets of the command, which include
its originator counter.
"""

import asyncio
import sys
from collections.abc import Mapping

import pytest

from esme_emulator.messaging.topics import DIRECT, command_topic, device_of, response_topic
from esme_emulator.transport import connect
from tests.emulator.transport.brokers import speak_only_3_1_1

REPLY_OCTETS = 560


async def main(url: str) -> None:
    def receive(topic: str, payload: bytes, _: Mapping[str, str]) -> None:
        replies = response_topic(DIRECT, str(device_of(topic)), "bare")
        reply = payload[:64].ljust(REPLY_OCTETS, b"\0")
        transport.post(replies, reply, lambda _: None)

    subscriptions = {command_topic(DIRECT, "+"): receive}
    async with connect(url, client_id="echo", subscriptions=subscriptions) as transport:
        print('{"ready": true}', flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    if "3.1.1" in sys.argv[2:]:
        speak_only_3_1_1(pytest.MonkeyPatch())
    asyncio.run(main(sys.argv[1]))
