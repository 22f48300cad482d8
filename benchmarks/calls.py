"""Counts the Python calls of a cache hit, and the switches from one module to another.

A supplier reads a day of 4.8.1 several times; the last read is a hit in the memory store. The
profiler counts from the receipt of its command until its reply is delivered, and groups the calls
by room: the codec and asyncio make most of them.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping
from types import FrameType

from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.service import serve_cache
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.estate.estate import derived_estate
from esme_emulator.estate.parties import SUPPLIER
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.topics import CACHED, command_topic, response_topic
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import MemoryBroker, connect
from gbcs.instants import EPOCH_UNIX, parse_iso
from gbcs.usecases.profile_read import Window

NOW = float(EPOCH_UNIX + parse_iso("2026-01-15T12:00:00Z"))
YESTERDAY = Window(parse_iso("2026-01-14"), parse_iso("2026-01-15"))


class Calls:
    """Counts calls of Python functions, and switches of module from one call to the next."""

    def __init__(self) -> None:
        self.by_room: Counter[str] = Counter()
        self.switches = 0
        self._module = ""

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call":
            self.by_room[_room_of(module)] += 1
            self.switches += module != self._module
            self._module = module


def _room_of(module: str) -> str:
    """Return `cache` and the like for our rooms, the package for other modules."""
    package, _, rest = module.partition(".")
    if package == "esme_emulator":
        return rest.partition(".")[0]
    return package if package in ("gbcs", "asyncio") else "other"


def main() -> None:
    counted = asyncio.run(_of_a_hit())
    calls, switches = counted.by_room.total(), counted.switches
    print(f"a cache hit, memory store: {calls} calls, {switches} module switches")
    print(", ".join(f"{room} {number}" for room, number in counted.by_room.most_common()))


async def _of_a_hit() -> Calls:
    estate = derived_estate("1", 1)
    device = estate.meters[0]
    [party] = [each for each in estate.parties(1) if each.eui == SUPPLIER]
    clock, broker, counted = ManualClock(NOW), MemoryBroker(), Calls()
    replied = asyncio.Event()

    def take(topic: str, octets: bytes, properties: Mapping[str, str]) -> None:
        sys.setprofile(None)
        replied.set()

    policy = CachePolicy(estate.keystore, CacheSettings())
    replies = {response_topic(CACHED, device, SUPPLIER): take}
    async with (
        serve_fleet(broker, Fleet(estate.meters, estate.keystore, "1", NONE), clock),
        serve_cache(broker, policy, MemoryStore(), clock) as service,
        connect(broker, client_id="party", subscriptions=replies),
    ):
        for profile in (None, None, None, counted):
            _, octets = party.command(device, "4.8.1", YESTERDAY)
            replied.clear()
            sys.setprofile(profile)
            service.receive_command(command_topic(CACHED, device), octets, {})
            await replied.wait()
    return counted
