"""Fleets on one broker notice that they have the same meters."""

import pytest

from esme_emulator.app.services import FleetOptions, run_services
from esme_emulator.estate.estate import Estate, derived_estate, sharded
from esme_emulator.messaging.service import MeterCheck
from esme_emulator.messaging.topics import METERS, NEW_METERS
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import MemoryBroker, connect
from gbcs import EUI
from tests.support.estate import UNIX_NOW
from tests.support.waiting import settle

FIRST = 0x00DBE50000000000


def estate(first: int, number: int) -> Estate:
    return derived_estate("1", number, EUI.from_int(FIRST + first))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (estate(0, 5), estate(0, 5), 0),
        (estate(0, 5), estate(4, 5), 4),
        (estate(4, 5), estate(0, 5), 4),
        (estate(0, 9), estate(3, 2), 3),
        (estate(3, 2), estate(0, 9), 3),
        (estate(0, 5), estate(5, 5), None),
        (sharded(estate(0, 6), 0, 2), sharded(estate(0, 6), 1, 2), None),
    ],
)
async def test_a_fleet_that_starts_warns_of_meters_that_another_has(
    one: Estate, other: Estate, both: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    async with (
        run_services(broker, one, clock, FleetOptions()),
        run_services(broker, other, clock, FleetOptions()),
    ):
        await settle()
    warnings = {record.message.partition(" too,")[0] for record in caplog.records}
    if both is None:
        assert not warnings
    else:
        meter = EUI.from_int(FIRST + both)
        assert warnings == {f"another fleet on this broker has meter {meter}"}


async def test_fleets_that_share_their_meters_do_not_warn(caplog: pytest.LogCaptureFixture) -> None:
    broker, clock, shared = MemoryBroker(), ManualClock(UNIX_NOW), FleetOptions(shared=True)
    async with (
        run_services(broker, estate(0, 5), clock, shared),
        run_services(broker, estate(0, 5), clock, shared),
    ):
        await settle()
    assert not caplog.records


async def test_octets_of_another_form_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    broker = MemoryBroker()
    check = MeterCheck(estate(0, 5).meters)
    async with (
        connect(broker, client_id="check", subscriptions=check.subscriptions) as transport,
        check.run(transport),
        connect(broker, client_id="other") as stranger,
    ):
        for topic in (METERS, NEW_METERS):
            for octets in (b"", b"x", b"\xff\xff", b"x 00DBE5", b" ".join([b"x"] * 9)):
                await stranger.publish(topic, octets)
        await settle()
    assert not caplog.records
