"""Meters that misbehave, and time that passes without waiting."""

import asyncio

import pytest

from esme_emulator.faults.kind import CorruptOctets, NoReply
from esme_emulator.messaging.client import NoReplyError


async def test_a_silent_meter_is_read_again(esme_cache, esme_party, esme_meter, esme_faults):
    with esme_faults(NoReply(), meters=esme_meter, srv="4.8.1", calls=1) as fault:
        with pytest.raises(NoReplyError):
            await esme_party.supplier.read(esme_meter, "4.8.1")
        await esme_party.supplier.read(esme_meter, "4.8.1")
    assert len(fault.fired) == 1
    assert esme_meter.hits("4.8.1") == 2


async def test_a_corrupt_reply_is_not_kept(esme_cache, esme_party, esme_meter, esme_faults):
    with esme_faults(CorruptOctets(octets=3)), pytest.raises(NoReplyError):
        await esme_party.supplier.read(esme_meter, "4.8.1")
    await esme_party.supplier.read(esme_meter, "4.8.1")
    assert [str(decided.decision) for decided in esme_cache.decisions] == ["forwarded", "forwarded"]


@pytest.mark.esme(retention=26)
async def test_readings_are_kept_for_26_hours(esme_cache, esme_party, esme_meter, esme_clock):
    for expected in (1, 1, 2):
        await esme_party.supplier.read(esme_meter, "4.8.1", "2026-01-14")
        assert esme_meter.hits("4.8.1") == expected
        await esme_clock.advance(hours=25)


@pytest.mark.esme(latency="lognormal:2s,15s")
async def test_requests_at_once_share_one_reply(esme_cache, esme_party, esme_meter):
    await asyncio.gather(*[esme_party.distributor.read(esme_meter, "4.8.1") for _ in range(50)])
    assert esme_meter.hits("4.8.1") == 1


@pytest.mark.esme(latency="5s")
async def test_step_by_step(esme_party, esme_meter, esme_clock):
    task = esme_party.supplier.ask(esme_meter, "4.8.1", via="direct")
    await esme_clock.advance(seconds=4.9)
    assert not task.done()
    await esme_clock.advance(seconds=0.1)
    assert len((await task).rows) == 49
