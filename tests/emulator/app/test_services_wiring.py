"""Services: which parts run for which options, and what is warned of."""

from dataclasses import replace
from pathlib import Path

import pytest

from esme_emulator.app.services import CacheOptions, FleetOptions, fault_warnings, run_services
from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.store.base import ENTRY_OCTETS, StoreError
from esme_emulator.estate.estate import sharded, with_parties
from esme_emulator.estate.parties import Party, PartyList, RemoteParty
from esme_emulator.faults.loading import parse_rules
from esme_emulator.messaging.topics import CACHED, command_topic
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.runtime.files import JournalError
from esme_emulator.transport import MemoryBroker, TransportError, connect
from gbcs import EUI
from gbcs.instants import parse_iso
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.support.estate import ESTATE, METER, UNIX_NOW
from tests.support.waiting import settle

DAY = parse_iso("2026-01-14")
SETTINGS = CacheSettings()
KEPT = CacheOptions(SETTINGS, "memory:")
NOWHERE = parse_rules('[[fault]]\nkind = "no-reply"\nname = "far"\nmeters = "00DBE5000000FFFF"\n')


@pytest.mark.parametrize("meters", [FleetOptions(), None])
@pytest.mark.parametrize("cache", [KEPT, None])
async def test_only_parts_with_options_run(
    meters: FleetOptions | None, cache: CacheOptions | None
) -> None:
    services = run_services(MemoryBroker(), ESTATE, ManualClock(UNIX_NOW), meters, cache)
    async with services as running:
        assert (running.fleet is None) is (meters is None)
        assert (running.ledger is None) is (cache is None)
        assert (running.parts.fleet is None) is (meters is None)
        assert running.parts.is_connected()
        assert running.control is None
        assert running.warnings == []


async def test_a_party_that_the_registry_lacks_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stranger = RemoteParty(METER, frozenset({Role.IS}), ESTATE.keystore, 1)
    unknown = RemoteParty(EUI(b"\x22" * 8), frozenset({Role.IS}), ESTATE.keystore, 1)
    broker = MemoryBroker()
    services = run_services(broker, ESTATE, ManualClock(UNIX_NOW), None, KEPT)
    async with services as running, connect(broker, client_id="them", subscriptions={}) as them:
        for party in (stranger, unknown, stranger):
            _, octets = party.command(ESTATE.meters[1], "4.8.1", Window(DAY, DAY + 86400))
            await them.publish(command_topic(CACHED, ESTATE.meters[1]), octets)
        assert running.ledger is not None
        await settle()
        assert running.ledger.total(Decision.REFUSED) == 3
    assert caplog.messages == [
        f"{METER} is a meter and no party, so its requests are refused: "
        "declare it in --parties or --registry",
        f"{unknown.eui} is in no registry, so its requests are refused: "
        "declare it in --parties or --registry",
    ]


async def test_parties_of_the_estate_are_registered_without_a_registry() -> None:
    own = Party(EUI(b"\x22" * 8), "own", frozenset({Role.IS}))
    estate = with_parties(ESTATE, PartyList((own,)))
    services = run_services(MemoryBroker(), estate, ManualClock(UNIX_NOW), None, KEPT)
    async with services as running:
        cache = running.parts.cache
        assert cache is not None
        assert cache.policy.registry.why_all_refused(own.eui) == ""


async def test_the_store_has_the_chosen_limit() -> None:
    options = replace(KEPT, store_limit=2 * ENTRY_OCTETS)
    async with run_services(
        MemoryBroker(), ESTATE, ManualClock(UNIX_NOW), cache_options=options
    ) as running:
        assert running.parts.cache is not None
        store = running.parts.cache.store
        for start in range(3):
            await store.put(Key(METER, "4.8.1", start, 9), Entry(b"", UNIX_NOW))
        assert (await store.size()).entries == 2


async def test_a_shard_is_warned_only_of_meters_that_the_whole_fleet_lacks() -> None:
    part = sharded(ESTATE, 1, 2)
    rules = parse_rules(f'[[fault]]\nkind = "no-reply"\nmeters = "{ESTATE.meters[0]}"\n')
    clock = ManualClock(UNIX_NOW)
    options = FleetOptions(faults=tuple(rules))
    async with run_services(MemoryBroker(), part, clock, options, whole=ESTATE) as running:
        assert running.warnings == []
    assert len(fault_warnings(options, part, clock)) == 1
    assert len(fault_warnings(FleetOptions(faults=tuple(NOWHERE)), ESTATE, clock)) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (CacheOptions(SETTINGS, "none/store"), StoreError),
        (CacheOptions(SETTINGS, "memory:", store_key=Path("none")), StoreError),
        (CacheOptions(SETTINGS, "memory:", decisions=Path("none/journal")), JournalError),
    ],
)
async def test_a_part_that_fails_to_start_leaves_nothing_running(
    options: CacheOptions, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    with pytest.raises(error):
        async with run_services(broker, ESTATE, clock, FleetOptions(), options):
            pass
    assert clock.next_wake() is None
    with pytest.raises(TransportError):
        async with run_services("nonsense", ESTATE, clock, FleetOptions()):
            pass
