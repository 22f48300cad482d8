"""A supplier with keys of its own reads through the cache. First run `./make_keys.sh`."""

import pytest

pytestmark = pytest.mark.esme(parties="parties.toml")


async def test_our_supplier_reads_through_the_cache(esme_cache, esme_party, esme_meter):
    ours = esme_party["our-supplier"]
    for cache_status in ("s1sp; fwd=miss; stored", "s1sp; hit"):
        reading = await ours.read(esme_meter, "4.8.1", "2026-01-14")
        assert reading.rows == esme_meter.rows("4.8.1", "2026-01-14")
        assert reading.cache_status.startswith(cache_status)
    assert esme_meter.hits("4.8.1") == 1


async def test_it_shares_readings_with_other_parties(esme_cache, esme_party, esme_meter):
    for party in (esme_party.distributor, esme_party["our-supplier"]):
        await party.read(esme_meter, "4.8.1", "2026-01-14")
    assert esme_meter.hits("4.8.1") == 1
