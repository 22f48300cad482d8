"""The fixtures, used as in a user's tests."""

import pytest

from tests.emulator.pytest_plugin.running import run, run_apart
from tests.support.rtds import ROOT

pytest_plugins = ["pytester"]

GOOD = """
import asyncio
import pytest
from esme_emulator.transport import MemoryBroker
from gbcs.tables.result_codes import ResultCode


async def test_one_device_hit_for_three_parties(esme_cache, esme_party, esme_meter):
    first = await esme_party.supplier.read(esme_meter, "4.8.1")
    second = await esme_party.distributor.read(esme_meter, "4.8.1", "2026-01-14")
    third = await esme_party.other_user.read(
        esme_meter, "4.8.1", ("2026-01-14", "2026-01-15T00:00:00Z")
    )
    assert first.rows == second.rows == third.rows == esme_meter.rows("4.8.1")
    assert len(first.rows) == 49
    assert [one.cache_status.split("; ")[1] for one in (first, second, third)] == [
        "fwd=miss", "hit", "hit"
    ]
    assert esme_meter.hits("4.8.1") == 1
    assert esme_meter.hits("4.6.1") == 0
    assert [str(decided.decision) for decided in esme_cache.decisions] == [
        "forwarded", "hits", "hits"
    ]
    assert esme_cache.ledger.undecided() == 0


async def test_direct_needs_no_cache(esme_party, esme_meter, esme_fleet, assert_device_hits):
    for srv, party in (
        ("4.6.1", esme_party.supplier),
        ("4.6.2", esme_party.export_supplier),
        ("4.8.2", esme_party.distributor),
        ("4.8.3", esme_party["other_user"]),
    ):
        reading = await party.read(esme_meter, srv, via="direct")
        assert reading.rows == esme_meter.rows(srv)
        assert reading.cache_status is None
    assert esme_fleet.hits() == esme_meter.hits() == 4
    assert_device_hits(4)
    assert_device_hits(1, meter=esme_meter, srv="4.8.2")
    assert_device_hits(at_most=1, srv="4.8.3")


async def test_registers_are_read_without_a_window(esme_cache, esme_party, esme_meter):
    reading = await esme_party.supplier.read(esme_meter, "4.1.1")
    assert reading.window is None
    assert reading.rows == []
    assert all(value.data is not None for value in reading.values)
    assert reading.values
    assert esme_meter.hits("4.1.1") == 1


async def test_purge(esme_cache, esme_party, esme_meters):
    for _ in range(2):
        for meter in esme_meters[:2]:
            await esme_party.supplier.read(meter, "4.8.1")
        assert await esme_cache.purge(esme_meters[0]) == 1
    assert [meter.hits() for meter in esme_meters[:3]] == [2, 1, 0]
    assert await esme_cache.purge() == 1


@pytest.mark.esme(retention=26)
async def test_readings_expire_after_26_hours(esme_clock, esme_cache, esme_party, esme_meter):
    supplier, began = esme_party.supplier, esme_clock.now()
    await supplier.read(esme_meter, "4.8.1", "2026-01-14")
    await esme_clock.advance(hours=25, minutes=59)
    await supplier.read(esme_meter, "4.8.1", "2026-01-14")
    assert esme_meter.hits() == 1
    await esme_clock.advance(minutes=1)
    await supplier.read(esme_meter, "4.8.1", "2026-01-14")
    assert esme_meter.hits() == 2
    assert esme_clock.now() - began == 26 * 3600


@pytest.mark.esme(latency="5s")
async def test_a_read_advances_the_clock_by_its_latency(esme_clock, esme_party, esme_meter):
    began = esme_clock.now()
    await esme_party.supplier.read(esme_meter, "4.8.1", via="direct")
    assert esme_clock.now() - began == 5


@pytest.mark.esme(latency="5s")
async def test_ask_does_not_advance_the_clock(esme_clock, esme_party, esme_cache, esme_meter):
    asked = [esme_party.supplier.ask(esme_meter, "4.8.1") for _ in range(3)]
    await esme_clock.advance(seconds=4.5)
    assert not any(one.done() for one in asked)
    await esme_clock.advance(seconds=0.5)
    assert all(one.done() for one in asked)
    readings = [await one for one in asked]
    assert readings[0].rows == readings[2].rows
    assert esme_meter.hits() == 1


async def test_an_ask_that_is_not_awaited_ends_with_the_test(esme_party, esme_fleet, esme_meter):
    esme_party.supplier.ask(esme_meter, "4.8.1")


@pytest.mark.esme(meters=3, profiles="twin", seed="other", now="2026-06-01")
class TestMarker:
    async def test_of_the_class(self, esme_fleet, esme_meters, esme_clock):
        assert len(esme_meters) == 3
        assert {meter.profile.name for meter in esme_meters} == {"twin"}
        assert esme_fleet.seed == "other"
        assert repr(esme_clock) == "<clock at 2026-06-01T00:00:00Z>"

    @pytest.mark.esme(meters=4)
    async def test_the_closest_takes_precedence(self, esme_meters):
        assert len(esme_meters) == 4
        assert esme_meters[0].profile.name == "twin"


async def test_more_fleets(esme_make_fleet, esme_party, esme_clock, assert_device_hits):
    quick, slow = await esme_make_fleet(meters=2), await esme_make_fleet(latency="9s", meters=1)
    assert not set(quick.meters.euis) & set(slow.meters.euis)
    began = esme_clock.now()
    for fleet in (quick, slow):
        await esme_party.supplier.read(fleet.meters[-1], "4.8.1", via="direct")
    assert esme_clock.now() - began == 9
    assert (quick.hits(), slow.hits()) == (1, 1)
    assert_device_hits(2)
    assert quick.meter(str(quick.meters[1])) == quick.meters[1]


@pytest.mark.esme(cache={"sub_window": True, "reply_timeout": 10.0})
async def test_settings_of_the_cache(esme_cache, esme_party, esme_meter):
    await esme_party.supplier.read(esme_meter, "4.8.1", ("2026-01-12", "2026-01-14"))
    await esme_party.supplier.read(esme_meter, "4.8.1", "2026-01-13")
    assert esme_meter.hits() == 1
    assert esme_cache.policy.settings.reply_timeout == 10


@pytest.mark.esme(wan="smets2-cellular", strict=True)
async def test_wan(esme_fleet, esme_party, esme_meter):
    await esme_party.supplier.read(esme_meter, "4.8.1", via="direct", timeout=3600)
    assert esme_fleet.fleet.wan.tally.commands == 1


@pytest.mark.esme(wan="profile", profiles=("smets1",))
async def test_each_meter_has_the_wan_of_its_profile(esme_fleet, esme_party, esme_meter):
    await esme_party.supplier.read(esme_meter, "4.6.1", "2026-01-14", via="direct", timeout=3600)
    assert esme_fleet.fleet.wan.tally.sms == 2


async def test_the_default_broker_is_in_memory(esme_broker):
    assert isinstance(esme_broker, MemoryBroker)


async def test_two_hundred_at_once(esme_cache, esme_party, esme_meter):
    await asyncio.gather(
        *[esme_party.distributor.read(esme_meter, "4.8.1") for _ in range(200)]
    )
    assert esme_meter.hits() == 1
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_correct_tests_pass(mode: str, pytester: pytest.Pytester) -> None:
    tests = GOOD
    if mode == "strict":
        tests = tests.replace("\n\n\nasync def", "\n\n\n@pytest.mark.asyncio\nasync def")
        tests = tests.replace("\n@pytest.mark.esme", "\n@pytest.mark.asyncio\n@pytest.mark.esme")
    run(pytester, tests, mode=mode).assert_outcomes(passed=16)


@pytest.mark.processes
def test_workers_do_not_disturb_each_other(pytester: pytest.Pytester) -> None:
    run_apart(pytester, GOOD, "-n", "2").assert_outcomes(passed=16)


EVERY_SRV = """
import pytest
from gbcs.tables.reading_services import READING_SERVICES

def kind(name):
    return pytest.param(name, marks=pytest.mark.esme(profiles=[name]))

@pytest.mark.parametrize("kind", [kind("single"), kind("twin"), kind("polyphase")])
async def test_every_srv(esme_party, esme_meter, kind):
    meter = esme_meter
    assert meter.profile.variant == kind
    parties = [esme_party[name] for name in ("import-supplier", "export-supplier", "distributor")]
    srvs = {each.srv for each in READING_SERVICES if kind in each.meters}
    assert len(srvs) > 20
    for srv in sorted(srvs):
        party = next(each for each in parties if each.remote.may_ask(srv))
        reading = await party.read(meter, srv, via="direct")
        assert reading.values and all(value.code == 0 for value in reading.values), srv
        assert bool(reading.window) == any(value.rows is not None for value in reading.values)
"""


def test_every_srv_is_read(pytester: pytest.Pytester) -> None:
    run(pytester, EVERY_SRV).assert_outcomes(passed=3)


BESIDE = """
import pytest

@pytest.mark.esme(profiles="beside.toml", latency="empirical:beside.csv")
async def test_it(esme_meter, esme_party, esme_clock, esme_make_fleet):
    began = esme_clock.now()
    await esme_party.supplier.read(esme_meter, "4.8.1", via="direct")
    assert (esme_meter.profile.title, esme_clock.now() - began) == ("Beside", 3)
    other = await esme_make_fleet(profiles="beside.toml", wan="smets2-cellular")
    assert other.meters[0].profile.title == "Beside"
"""


@pytest.mark.parametrize("where", ["deep", "."])
def test_files_are_found_in_the_folder_of_the_test_or_the_current_one(
    where: str, pytester: pytest.Pytester
) -> None:
    twin = (ROOT / "profiles" / "meters" / "twin.toml").read_text("utf-8")
    folder = pytester.mkdir("deep")
    (folder / "test_beside.py").write_text(BESIDE)
    (pytester.path / where / "beside.toml").write_text(twin.replace("Twin element", "Beside"))
    (pytester.path / where / "beside.csv").write_text("3\n")
    run(pytester, "").assert_outcomes(passed=1)


def test_every_fixture_has_a_description(pytester: pytest.Pytester) -> None:
    output = run(pytester, "", "--fixtures").stdout.str()
    ours = output.partition("fixtures defined from esme_emulator.pytest_plugin")[2]
    ours = ours.partition("\n---")[0]
    for name in ("broker", "cache", "clock", "faults", "fleet", "make_fleet", "meter", "meters"):
        assert f"esme_{name} -- " in ours
    assert "assert_device_hits -- " in ours
    assert "no docstring available" not in ours


OCTETS = """
from pathlib import Path

async def test_octets(esme_cache, esme_party, esme_meters):
    parties = esme_party.supplier, esme_party.other_user, esme_party.distributor
    readings = [await party.read(meter, "4.8.1") for meter in esme_meters for party in parties]
    Path("octets").write_text("\\n".join(reading.octets.hex() for reading in readings))
"""


def test_the_same_seed_gives_the_same_octets(pytester: pytest.Pytester) -> None:
    seen = []
    for seed in ("a", "a", "b"):
        run(pytester, OCTETS, "--esme-seed", seed).assert_outcomes(passed=1)
        seen.append((pytester.path / "octets").read_text().splitlines())
    assert seen[0] == seen[1]
    assert len(seen[0]) == 30
    assert not set(seen[0]) & set(seen[2])


@pytest.mark.processes
def test_the_plugin_imports_nothing_until_a_test_uses_a_fixture(pytester: pytest.Pytester) -> None:
    tests = """
    import sys

    def test_nothing():
        roots = {name.split(".")[0] for name in sys.modules}
        ours = {name for name in sys.modules if name.startswith("esme_emulator")}
        assert ours == {"esme_emulator", "esme_emulator.pytest_plugin"}
        assert not roots & {"gbcs", "construct", "cryptography", "pydantic", "aiomqtt", "click"}
        assert "mqtt5" not in roots
    """
    run_apart(pytester, tests).assert_outcomes(passed=1)


@pytest.mark.processes
def test_a_missing_pytest_asyncio_is_reported_in_one_line(pytester: pytest.Pytester) -> None:
    tests = "def test_needs(esme_clock): ...\n\ndef test_not(): ..."
    ini = "-p", "no:asyncio", "-c", "/dev/null", "--rootdir", str(pytester.path)
    result = run_apart(pytester, tests, *ini)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*need pytest-asyncio: pip install pytest-asyncio*"])
