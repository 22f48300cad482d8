"""A system under test: a read-through cache of half-hourly readings, as somebody might write it.

It listens where remote parties ask (`s1sp/…`), asks meters (`esme/…`), and keeps what they say. It
knows the topics, gbcs, and nothing of the emulator but the transport, which speaks MQTT and, in
tests, the broker within the process.

    esme keys --meters 100 > keystore.json
    python own_cache.py mqtt://127.0.0.1:1883 keystore.json
    esme load --broker mqtt://127.0.0.1:1883 --rate 50 --seconds 60 --via cache
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
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
    """Keeps readings for `keep` seconds of the clock `now`, and asks for each only once."""

    def __init__(
        self, keystore: gbcs.Keystore, keep: float, now: Callable[[], float] = time.time
    ) -> None:
        self._keystore, self._keep, self._now = keystore, keep, now
        self._kept: dict[Key, tuple[bytes, float]] = {}
        self._asking: dict[Key, list[tuple[gbcs.Command, ProfileRead]]] = {}
        self._own_counter = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.transport: Transport

    def on_command(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Answer a command from what is kept, or pass it on to the meter."""
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
        elif key in self._asking:
            self._asking[key].append((command, read))
        else:
            self._asking[key] = [(command, read)]
            self._publish(f"esme/{command.device}/command", octets)

    def on_response(self, topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        """Keep what a meter says, and answer everybody who waits for it."""
        try:
            response = gbcs.decode(octets, self._keystore)
            gbcs.authenticate(response)
        except gbcs.GbcsError:
            return
        for key, waiting in list(self._asking.items()):
            asked, read = waiting[0]
            counters = asked.originator_counter, response.originator_counter
            if asked.device == response.originator and counters[0] == counters[1]:
                buffer = buffer_of(response, read.log)
                del self._asking[key]
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
        told = {"cache-status": f"own-cache; {status}"}  # RFC 9211; esme load tells hits by it
        self._publish(f"s1sp/{command.device}/response/{command.originator}", octets, told)

    def _publish(self, topic: str, octets: bytes, told: Mapping[str, str] | None = None) -> None:
        task = asyncio.ensure_future(self.transport.publish(topic, octets, told))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def serve(broker: Broker, cache: OwnCache) -> AsyncIterator[None]:
    """Run `cache` on a broker as long as the context lasts."""
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
        raise SystemExit("give the URL of a broker, and the keystore file of esme keys")
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (TransportError, gbcs.GbcsError) as error:  # one line that says how to mend it
        raise SystemExit(str(error)) from None
