"""A recorded morning, made again: the same decisions and the same answers."""

import asyncio
from collections import Counter

import pytest

from esme_emulator.app.recording import Player, record
from esme_emulator.app.services import CacheOptions, FleetOptions, run_services
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.load.in_flight import Origin
from esme_emulator.load.replay import Comparison, Replay
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.recording import Recorded
from esme_emulator.messaging.topics import CACHED, DIRECT
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import MemoryBroker
from gbcs.tables.roles import Role
from tests.support.estate import ESTATE, KEYS, METER, OTHER_METER, UNIX_NOW, party
from tests.support.estate import YESTERDAY as DAY
from tests.support.waiting import settle

GUARD = 10.0


async def morning() -> list[Recorded]:
    """Record three parties that read two meters within an hour."""
    broker, clock, kept = MemoryBroker(), ManualClock(UNIX_NOW), []
    stopped = asyncio.get_running_loop().create_future()
    began = asyncio.Event()
    recording = asyncio.create_task(record(broker, kept.append, clock, began.set, stopped))
    await began.wait()
    cache = CacheOptions(CacheSettings(), "memory:")
    async with run_services(broker, ESTATE, clock, FleetOptions(), cache):
        requester = Requester(CACHED, KEYS, clock)
        roles = (Role.IS, Role.ED, Role.OU)
        parties = {role: party(role, 100) for role in roles}
        async with requester.connected(broker, {one.recipient for one in parties.values()}):
            for device in (METER, OTHER_METER):
                for role in roles:
                    command, octets = parties[role].command(device, "4.8.1", DAY)
                    await requester.request(command, octets, GUARD)
                    await clock.advance(600)
    stopped.set_result(None)
    assert await recording == {}
    return kept


async def again(kept: list[Recorded], prefix: str = CACHED) -> Replay:
    """Make the requests again, of meters and a cache that are new."""
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    replay = Replay(prefix, KEYS, 5_000)
    replay.load(kept)
    cache = CacheOptions(CacheSettings(), "memory:")
    async with run_services(broker, ESTATE, clock, FleetOptions(), cache):
        playing = asyncio.create_task(Player(replay, prefix, 1.0, 60.0, clock).run(broker))
        while not playing.done():
            await settle()
            await clock.advance(60)
        await playing
    return replay


async def test_a_recorded_morning_gives_the_same_decisions() -> None:
    kept = await morning()
    statuses = Counter(one.cache_status.split(";")[1].strip() for one in kept if one.cache_status)
    assert statuses == {"fwd=miss": 2, "hit": 4}
    replay = await again(kept)
    assert [one.seconds for one in replay.schedule] == [0, 600, 1200, 1800, 2400, 3000]
    assert replay.decisions() == {(Origin.MISS, Origin.MISS): 2, (Origin.HIT, Origin.HIT): 4}
    assert {comparison for _, comparison in replay.compared()} == {Comparison.SAME}


async def test_what_meters_received_can_be_made_again_directly() -> None:
    replay = await again(await morning(), DIRECT)
    assert [comparison for _, comparison in replay.compared()] == [Comparison.SAME] * 2


async def test_a_request_that_nobody_answers_ends_with_the_timeout() -> None:
    kept = await morning()
    replay, clock = Replay(CACHED, KEYS, 5_000), ManualClock(UNIX_NOW)
    replay.load(kept)
    player = Player(replay, CACHED, 60.0, 5.0, clock)
    playing = asyncio.create_task(player.run(MemoryBroker()))
    while not playing.done():
        await settle()
        await clock.advance(1)
    assert player.unsent == 6
    assert clock.now() == UNIX_NOW + 50 + 5 + 1
    assert {comparison for _, comparison in replay.compared()} == {Comparison.NO_REPLY}


async def test_a_recording_that_cannot_be_kept_ends_with_the_reason() -> None:
    def full(_: Recorded) -> None:
        raise OSError(28, "No space left on device")

    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    stopped = asyncio.get_running_loop().create_future()
    began = asyncio.Event()
    recording = asyncio.create_task(record(broker, full, clock, began.set, stopped))
    await began.wait()
    replay = Replay(CACHED, KEYS, 1)
    replay.load(await morning())
    assert not recording.done()
    await Player(replay, CACHED, 1e6, 0.0).run(broker)
    with pytest.raises(OSError, match="No space"):
        await recording
