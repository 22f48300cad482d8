"""Requesters and cache on one mosquitto, meters on another, and the documented bridge between."""

from pathlib import Path

import pytest

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.service import serve_cache
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.client import NoReplyError, Requester
from esme_emulator.messaging.topics import CACHED
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import ManualClock
from gbcs.tables.roles import Role
from tests.emulator.cache.bench import anything_for_anybody
from tests.support.estate import ESTATE, KEYS, METER, SEED, UNIX_NOW, command, party
from tests.support.mosquitto import OPEN, Mosquitto
from tests.support.rtds import ROOT
from tests.support.waiting import GUARD

pytestmark = pytest.mark.processes

ATTEMPTS, SOON = 40, 0.5
"""Requests until one is answered, and the timeout of each in seconds: bridges connect late."""


def documented_bridge(address: str) -> tuple[str, ...]:
    """Return the configuration in docs/scale.md, with the address of the meters' broker."""
    page = (ROOT / "docs/scale.md").read_text("utf-8")
    block = page.partition("<!-- bridge -->\n```\n")[2].partition("```")[0]
    assert "address 192.0.2.1:1883" in block
    return tuple(block.replace("192.0.2.1:1883", address).splitlines())


async def test_reads_through_the_cache_cross_a_bridge(tmp_path: Path) -> None:
    clock, fleet = ManualClock(UNIX_NOW), Fleet(ESTATE.meters, KEYS, SEED, NONE)
    policy = CachePolicy(KEYS, CacheSettings(), anything_for_anybody())
    recipient = party(Role.IS).recipient
    with Mosquitto(tmp_path) as far:
        bridge = documented_bridge(f"127.0.0.1:{far.port}")
        requester = Requester(CACHED, KEYS)
        with Mosquitto(tmp_path, (*OPEN, *bridge)) as near:
            async with (
                serve_fleet(far.url, fleet, clock),
                serve_cache(near.url, policy, MemoryStore(), clock),
                requester.connected(near.url, {recipient}),
            ):
                for counter in range(1, ATTEMPTS):
                    try:
                        await requester.request(*command("4.8.1", Role.IS, counter), SOON)
                        break
                    except NoReplyError:
                        continue
                again = command("4.8.1", Role.IS, ATTEMPTS)
                assert (await requester.request(*again, GUARD)).response.device == METER
    assert fleet.counters.device_hits >= 1, "the first attempts may arrive late"
    assert policy.ledger.total(Decision.HIT) >= 1
