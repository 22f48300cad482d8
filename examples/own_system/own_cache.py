"""A system under test: a simple read-through cache of half-hourly readings.

It takes the commands of remote parties on `s1sp/…`, sends commands to meters on `esme/…`, and keeps
the readings. It uses gbcs and, of the emulator, only the transport, which supports MQTT and the
in-memory broker of the tests.

    esme keys --meters 100 > keystore.json
    python own_cache.py mqtt://127.0.0.1:1883 keystore.json
    esme load --broker mqtt://127.0.0.1:1883 --rate 50 --seconds 60 --via cache
"""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import gbcs
from esme_emulator.transport import Broker, Transport, TransportError, connect
from gbcs.usecases.profile_read import (
    ProfileRead,
    Window,
    answer_profile_read,
    buffer_of,
    profile_read_of,
    takes_own_counter,
)

Key = tuple[gbcs.EUI, str, Window]


class OwnCache:
    """Keeps readings for `keep` seconds of the clock `now`, and fetches each only once."""

    def __init__(
        self, keystore: gbcs.Keystore, keep: float, now: Callable[[], float] = time.time
    ) -> None:
        self._keystore, self._keep, self._now = keystore, keep, now
        self._kept: dict[Key, tuple[bytes, float]] = {}
        self._fetching: dict[Key, list[tuple[gbcs.Command, ProfileRead]]] = {}
        self._own_counter = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.transport: Transport

    def on_command(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Answer a command from a kept reading, or forward it to the meter."""
        try:
            command = gbcs.decode(octets, self._keystore)
            gbcs.authenticate(command)
        except gbcs.GbcsError:
            return
        read = profile_read_of(command)
        if read is None or not isinstance(command, gbcs.Command):
            return
        key = command.device, read.log.srv, read.window
        buffer, received = self._kept.get(key, (b"", 0.0))
        if buffer and self._now() < received + self._keep:
            self._answer(command, read, buffer, "hit")
        elif key in self._fetching:
            self._fetching[key].append((command, read))
        else:
            self._fetching[key] = [(command, read)]
            self._publish(f"esme/{command.device}/command", octets)

    def on_response(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Keep the readings of a response, and answer all commands that wait for them."""
        try:
            response = gbcs.decode(octets, self._keystore)
            gbcs.authenticate(response)
        except gbcs.GbcsError:
            return
        for key, waiting in list(self._fetching.items()):
            first, read = waiting[0]
            counters = first.originator_counter, response.originator_counter
            if first.device == response.originator and counters[0] == counters[1]:
                buffer = buffer_of(response, read.log)
                del self._fetching[key]
                if isinstance(buffer, bytes):
                    self._kept[key] = buffer, self._now()
                    for number, (command, wanted) in enumerate(waiting):
                        status = "fwd=miss; collapsed" if number else "fwd=miss; stored"
                        self._answer(command, wanted, buffer, status)

    def _answer(self, command: gbcs.Command, read: ProfileRead, buffer: bytes, status: str) -> None:
        own_counter = None
        if takes_own_counter(command, read.log):
            self._own_counter = max(self._own_counter + 1, int(self._now() * 1e6))
            own_counter = self._own_counter * 2 + 1
        octets = answer_profile_read(command, read.log, buffer, self._keystore, own_counter)
        # as in RFC 9211; esme load counts hits by it
        properties = {"cache-status": f"own-cache; {status}"}
        self._publish(f"s1sp/{command.device}/response/{command.originator}", octets, properties)

    def _publish(
        self, topic: str, octets: bytes, properties: Mapping[str, str] | None = None
    ) -> None:
        task = asyncio.ensure_future(self.transport.publish(topic, octets, properties))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def serve(broker: Broker, cache: OwnCache) -> AsyncIterator[None]:
    """Run `cache` on a broker until the context ends."""
    subscriptions = {"s1sp/+/command": cache.on_command, "esme/+/response/+": cache.on_response}
    async with connect(broker, client_id="own-cache", subscriptions=subscriptions) as transport:
        cache.transport = transport
        yield


async def main(url: str, keystore: str) -> None:
    """Run until interrupted."""
    async with serve(url, OwnCache(gbcs.FileKeystore.load(Path(keystore)), keep=25 * 3600)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("give the URL of a broker and the keystore file that esme keys wrote")
    # A script that starts this with & makes it ignore SIGINT; it is to end by it all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(main(*sys.argv[1:]))
    except (TransportError, gbcs.GbcsError) as error:  # one line that says how to correct it
        raise SystemExit(str(error)) from None
