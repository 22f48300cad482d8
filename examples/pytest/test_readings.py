"""Readings, and the number of device hits that they cost."""

import pytest


async def test_three_parties_are_one_device_hit(esme_cache, esme_party, esme_meter):
    for party in (esme_party.supplier, esme_party.distributor, esme_party.other_user):
        reading = await party.read(esme_meter, "4.8.1", "2026-01-14")
        assert reading.rows == esme_meter.rows("4.8.1", "2026-01-14")
    assert esme_meter.hits("4.8.1") == 1


async def test_without_the_cache_each_of_them_is_a_hit(esme_party, esme_meter):
    for party in (esme_party.supplier, esme_party.distributor, esme_party.other_user):
        await party.read(esme_meter, "4.8.1", via="direct")
    assert esme_meter.hits("4.8.1") == 3


@pytest.mark.esme(meters=1000, profiles=["twin", "single-solar"])
async def test_a_morning_of_a_thousand_meters(
    esme_cache, esme_party, esme_meters, assert_device_hits
):
    for _ in range(2):
        for meter in esme_meters[::100]:
            await esme_party.supplier.read(meter, "4.6.1")
            await esme_party.distributor.read(meter, "4.8.3")
    assert_device_hits(20)
    assert_device_hits(at_most=2, meter=esme_meters[0])
