"""The shipped access control list on a real mosquitto: what a party may publish and receive."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.service import serve_cache
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.client import ReceivedReply, Requester
from esme_emulator.messaging.topics import CACHED, DIRECT, command_topic, response_topic
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import Transport, connect
from esme_emulator.transport.base import RefusedError
from gbcs import EUI
from gbcs.tables.roles import Role
from tests.emulator.cache.bench import anything_for_anybody
from tests.emulator.cache.policy.test_policy_contradictions import forged
from tests.support.estate import (
    ESTATE,
    KEYS,
    METER,
    SEED,
    UNIX_NOW,
    command,
    meter_octets,
    party,
)
from tests.support.mosquitto import MISSING, Mosquitto
from tests.support.programs import skip
from tests.support.rtds import ROOT

PASSWD = shutil.which("mosquitto_passwd")
BROKER = ROOT / "examples/broker"
GUARD = 10.0
"""Seconds after which a test that waits in vain fails; no test relies on it."""

pytestmark = pytest.mark.processes

SUPPLIER, DISTRIBUTOR, ACB = (party(role).recipient for role in (Role.IS, Role.ED, Role.OU))
USERS = ("fleet", "cache", str(SUPPLIER), str(DISTRIBUTOR), str(ACB))


def access_options(folder: Path) -> tuple[str, ...]:
    """Return the lines of the shipped configuration about passwords and access."""
    if PASSWD is None:
        skip(MISSING)
    passwords = folder / "passwords"
    passwords.touch()
    for user in USERS:
        subprocess.run([str(PASSWD), "-b", str(passwords), user, "secret"], check=True)
    places = {"passwords": passwords, "acl": BROKER / "acl"}
    options = []
    for line in (BROKER / "mosquitto.conf").read_text("utf-8").splitlines():
        key, _, value = line.partition(" ")
        if key not in ("#", "listener", "persistence"):
            options.append(f"{key} {places.get(value, value)}")
    assert f"acl_file {BROKER / 'acl'}" in options
    return tuple(options)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    folder = tmp_path_factory.mktemp("broker")
    with Mosquitto(folder, access_options(folder)) as running:
        yield running


def as_user(broker: Mosquitto, user: object) -> str:
    return broker.url.replace("//", f"//{user}:secret@")


@dataclass
class Running:
    broker: Mosquitto
    fleet: Fleet
    policy: CachePolicy

    async def read(self, role: Role, counter: int) -> ReceivedReply:
        """Read through the cache as a party of that role."""
        requester = Requester(CACHED, KEYS)
        recipient = party(role).recipient
        async with requester.connected(as_user(self.broker, recipient), {recipient}):
            return await requester.request(*command("4.8.1", role, counter), GUARD)

    @asynccontextmanager
    async def user(
        self, name: object, hear: Callable[[str], object] = len
    ) -> AsyncIterator[Transport]:
        """Be a client of that name that asks for every message there is; `hear` gets its topic."""
        filters = {"#": lambda topic, _octets, _properties: hear(topic)}
        url = as_user(self.broker, name)
        async with connect(url, client_id="test", subscriptions=filters) as transport:
            yield transport


@asynccontextmanager
async def run(broker: Mosquitto, shared: bool = False) -> AsyncIterator[Running]:
    clock = ManualClock(UNIX_NOW)
    fleet = Fleet(ESTATE.meters, KEYS, SEED, NONE)
    settings = CacheSettings(shared=shared)
    policy = CachePolicy(KEYS, settings, anything_for_anybody())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve_fleet(as_user(broker, "fleet"), fleet, clock))
        url = as_user(broker, "cache")
        await stack.enter_async_context(serve_cache(url, policy, MemoryStore(), clock))
        yield Running(broker, fleet, policy)


@pytest.mark.parametrize("shared", [False, True])
async def test_fleet_cache_and_parties_work_with_the_list(broker: Mosquitto, shared: bool) -> None:
    async with run(broker, shared) as running:
        for counter, role in enumerate((Role.IS, Role.ED, Role.OU), 1):
            assert (await running.read(role, counter)).response.device == METER
        assert running.fleet.counters.device_hits == 1
        assert running.policy.ledger.total(Decision.HIT) == 2
        assert running.policy.ledger.reasons == {}


@pytest.mark.parametrize("user", [SUPPLIER, DISTRIBUTOR, ACB])
async def test_a_party_cannot_answer_in_place_of_a_meter(broker: Mosquitto, user: EUI) -> None:
    async with run(broker) as running, running.user(user) as transport:
        for recipient in (SUPPLIER, DISTRIBUTOR, user):
            with pytest.raises(RefusedError, match="not authorized"):
                await transport.publish(response_topic(DIRECT, METER, recipient), forged())
        assert (await running.read(Role.IS, 1)).octets == meter_octets(command("4.8.1")[0])
        assert running.policy.ledger.reasons == {}, "none of them came to the cache"


async def test_what_a_party_cannot_do_the_fleet_can(broker: Mosquitto) -> None:
    """Otherwise the test above would show nothing."""
    async with run(broker) as running, running.user("fleet") as transport:
        await transport.publish(response_topic(DIRECT, METER, SUPPLIER), forged())
        await running.read(Role.IS, 1)
        assert running.policy.ledger.reasons == {"reply-unsolicited": 1}


async def test_a_party_reaches_no_meter_past_the_cache_and_forges_no_reply_of_the_cache(
    broker: Mosquitto,
) -> None:
    heard: list[str] = []
    something = asyncio.Event()

    def hear(topic: str) -> None:
        heard.append(topic)
        something.set()

    async with (
        run(broker) as running,
        running.user(SUPPLIER) as evil,
        running.user(DISTRIBUTOR, hear),
    ):
        for topic, octets in (
            (command_topic(DIRECT, METER), command("4.8.1")[1]),
            (response_topic(CACHED, METER, DISTRIBUTOR), forged(role=Role.ED)),
        ):
            with pytest.raises(RefusedError, match="not authorized"):
                await evil.publish(topic, octets)
        await running.read(Role.IS, 2)
        assert running.fleet.counters.device_hits == 1
        await running.read(Role.ED, 3)
        assert running.policy.ledger.requests == 2
        async with asyncio.timeout(GUARD):
            await something.wait()
    assert heard == [response_topic(CACHED, METER, DISTRIBUTOR)], "its own reply and no other"


async def test_a_client_without_a_password_is_not_let_in(broker: Mosquitto) -> None:
    with pytest.raises(Exception, match=r"authori|refuse|password"):
        async with connect(broker.url, client_id="test", start_timeout=0.1):
            pass


def test_the_page_shows_the_list_that_is_shipped() -> None:
    shown = (ROOT / "docs/broker.md").read_text("utf-8").partition("<!-- acl -->\n```\n")[2]
    shown = shown.partition("```")[0]
    shipped = (BROKER / "acl").read_text("utf-8").splitlines()
    rules = [line for line in shipped if line and not line.startswith("#")]
    assert [line for line in shown.splitlines() if line] == rules
