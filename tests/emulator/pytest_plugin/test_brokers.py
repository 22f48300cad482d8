"""Tests over MQTT: with a broker for each test, and with one that workers share."""

import sys
from pathlib import Path

import pytest

from tests.emulator.pytest_plugin.running import run, run_apart
from tests.support.mosquitto import Mosquitto

pytest_plugins = ["pytester"]

OVER_MQTT = """
import asyncio
import pytest
from esme_emulator.faults.kind import NoReply
from esme_emulator.messaging.client import NoReplyError

STATUSES = {properties!r}


async def test_hits(esme_broker, esme_cache, esme_party, esme_meter, assert_device_hits):
    assert esme_broker.startswith("mqtt://")
    first = await esme_party.supplier.read(esme_meter, "4.8.1")
    second = await esme_party.other_user.read(esme_meter, "4.8.1")
    assert first.rows == second.rows == esme_meter.rows("4.8.1")
    assert [first.cache_status, second.cache_status] == STATUSES
    assert_device_hits(1)
    assert esme_cache.ledger.requests == 2


@pytest.mark.parametrize("number", range(3))
async def test_the_same_with_other_meters(number, esme_cache, esme_party, esme_meters):
    for meter in esme_meters[:3]:
        for _ in range(2):
            await esme_party.distributor.read(meter, "4.8.1")
    assert [meter.hits() for meter in esme_meters[:4]] == [1, 1, 1, 0]
    assert esme_cache.ledger.requests == 6


@pytest.mark.esme(latency="4s", quiet=0.05)
async def test_time(esme_clock, esme_cache, esme_party, esme_meter, esme_faults):
    began = esme_clock.now()
    await esme_party.supplier.read(esme_meter, "4.8.1")
    assert esme_clock.now() - began == 4
    with esme_faults(NoReply(), srv="4.6.1"):
        with pytest.raises(NoReplyError):
            await esme_party.supplier.read(esme_meter, "4.6.1", timeout=30)
    assert esme_clock.now() - began == 34
    await esme_clock.advance(hours=1)
    assert esme_cache.ledger.undecided() == 0


@pytest.mark.esme(latency="4s", quiet=0.2)
async def test_reads_at_once_do_not_advance_the_clock_past_each_others_replies(
    esme_clock, esme_cache, esme_party, esme_meters
):
    began = esme_clock.now()
    reads = [esme_party.supplier.read(meter, "4.8.1") for meter in esme_meters for _ in range(5)]
    await asyncio.gather(*reads)
    assert esme_clock.now() - began == 4
"""


PROPERTIES = ["s1sp; fwd=miss; stored", "s1sp; hit; ttl=90000"]


@pytest.mark.processes
def test_each_test_has_its_own_broker(pytester: pytest.Pytester) -> None:
    pytest.importorskip("iotcore")
    tests = OVER_MQTT.format(properties=PROPERTIES)
    run(pytester, tests, "--esme-broker", "embedded").assert_outcomes(passed=6)


def test_each_test_has_its_own_broker_for_mqtt_3(pytester: pytest.Pytester) -> None:
    pytest.importorskip("amqtt")
    tests = OVER_MQTT.format(properties=[None, None])
    run(pytester, tests, "--esme-broker", "embedded-3.1.1").assert_outcomes(passed=6)


@pytest.mark.processes
def test_workers_share_a_broker_but_no_meter(pytester: pytest.Pytester, tmp_path: Path) -> None:
    tests = OVER_MQTT.format(properties=PROPERTIES)
    with Mosquitto(tmp_path) as broker:
        result = run_apart(pytester, tests, "-n", "2", "--esme-broker", broker.url)
    result.assert_outcomes(passed=6)


def test_the_marker_takes_precedence_over_the_option(pytester: pytest.Pytester) -> None:
    tests = """
    import pytest

    @pytest.mark.esme(broker="memory")
    async def test_it(esme_party, esme_meter):
        await esme_party.supplier.read(esme_meter, "4.8.1", via="direct")
    """
    run(pytester, tests, "--esme-broker", "mqtt://127.0.0.1:1").assert_outcomes(passed=1)


def test_an_unreachable_broker_is_reported_in_one_line(pytester: pytest.Pytester) -> None:
    result = run(
        pytester, "async def test_it(esme_fleet): ...", "--esme-broker", "mqtt://127.0.0.1:1"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["esme: *127.0.0.1:1*"])


def test_a_missing_embedded_broker_is_reported_in_one_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("iotcore", "amqtt"):
        monkeypatch.setitem(sys.modules, package, None)
    result = run(pytester, "async def test_it(esme_fleet): ...", "--esme-broker", "embedded")
    line = "esme: iotcore is not installed: pip install 'esme-emulator[broker]'"
    assert line in result.stdout.lines
