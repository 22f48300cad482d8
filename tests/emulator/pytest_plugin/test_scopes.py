"""Fixtures that the tests of a class, a module or a whole run share."""

import pytest

from tests.emulator.pytest_plugin.running import run, run_apart

pytest_plugins = ["pytester"]


def options(scope: str, fixtures: str = "", tests: str = "") -> tuple[str, ...]:
    """Return settings for the command line; event loops have the scope unless given."""
    return (
        *("-o", f"esme_scope={scope}"),
        *("-o", f"asyncio_default_fixture_loop_scope={fixtures or scope}"),
        *("-o", f"asyncio_default_test_loop_scope={tests or scope}"),
    )


SHARED = """
import pytest
from esme_emulator.faults.kind import NoReply
from esme_emulator.messaging.client import NoReplyError

seen = []


class TestShared:
    async def test_first(self, esme_fleet, esme_cache, esme_party, esme_meter, esme_clock):
        seen.extend([esme_fleet, esme_clock.now()])
        await esme_party.supplier.read(esme_meter, "4.8.1")
        await esme_party.distributor.read(esme_meter, "4.8.1")
        assert (esme_meter.hits(), esme_fleet.hits(), esme_cache.ledger.requests) == (1, 1, 2)
        await esme_clock.advance(hours=1)

    async def test_counts_begin_at_0_and_the_rest_goes_on(
        self, esme_fleet, esme_cache, esme_party, esme_meter, esme_clock, assert_device_hits
    ):
        assert esme_fleet is seen[0]
        assert esme_clock.now() == seen[1] + 3600
        assert_device_hits(0)
        assert esme_fleet.counters.total() == esme_cache.ledger.requests == 0
        assert esme_cache.decisions == ()
        reading = await esme_party.supplier.read(esme_meter, "4.8.1", "2026-01-14")
        assert reading.cache_status.startswith("s1sp; hit")
        assert await esme_cache.purge() == 1
        await esme_party.supplier.read(esme_meter, "4.8.1", "2026-01-14")
        assert_device_hits(1)

    @pytest.mark.parametrize("time", [1, 2])
    async def test_faults_end_with_their_test(
        self, time, esme_faults, esme_cache, esme_party, esme_meter, esme_fleet
    ):
        assert esme_faults.fired == ()
        await esme_party.supplier.read(esme_meter, "4.6.1", via="direct")
        esme_faults(NoReply(), srv="4.6.1", calls=2).__enter__()
        with pytest.raises(NoReplyError):
            await esme_party.supplier.read(esme_meter, "4.6.1", via="direct", timeout=5)
        assert [(fired.rule, fired.number) for fired in esme_faults.fired] == [("no-reply-1", 2)]

    async def test_no_fault_is_left(self, esme_faults, esme_party, esme_meters):
        assert not esme_faults.engine
        for _ in range(2):
            await esme_party.supplier.read(esme_meters[0], "4.6.1", via="direct")

    async def test_a_fleet_of_its_own(self, esme_make_fleet, esme_fleet, esme_party):
        own = await esme_make_fleet(meters=1)
        await esme_party.supplier.read(own.meters[0], "4.8.1", via="direct")
        assert (own.hits(), esme_fleet.hits()) == (1, 0)
"""


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_tests_share_the_fixtures_and_not_their_events(
    scope: str, mode: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(__init__="")
    tests = SHARED
    if mode == "strict":
        tests = tests.replace(
            "import pytest\n", "import pytest\npytestmark = pytest.mark.asyncio\n"
        )
    run(pytester, tests, *options(scope), mode=mode).assert_outcomes(passed=6)


@pytest.mark.processes
def test_each_worker_has_its_own_fleet(pytester: pytest.Pytester) -> None:
    tests = """
    import os
    import pytest
    from pathlib import Path

    @pytest.mark.parametrize("number", range(6))
    async def test_it(number, esme_cache, esme_fleet, esme_party, esme_meter):
        with Path("fleets").open("a") as file:
            file.write(f"{os.getpid()} {id(esme_fleet)}\\n")
        await esme_party.supplier.read(esme_meter, "4.6.1", via="direct")
        assert esme_meter.hits() == 1
    """
    run_apart(pytester, tests, "-n", "2", *options("session")).assert_outcomes(passed=6)
    fleets = (pytester.path / "fleets").read_text().splitlines()
    assert len(fleets) == 6
    assert len(set(fleets)) == len({line.split()[0] for line in fleets})


OTHERS = """
import pytest
import pytest_asyncio

seen = []


@pytest_asyncio.fixture(scope="module")
async def own_system(esme_cache, esme_party, esme_meter):
    await esme_party.supplier.read(esme_meter, "4.8.1")
    return "own"


async def test_a_fixture_of_the_module_uses_the_fleet(own_system, esme_meter, esme_fleet):
    seen.append(esme_fleet)
    assert esme_meter.hits() == 0  # reads of the fixture belong to no test


async def test_it_is_made_once(own_system, request, esme_meter):
    assert request.getfixturevalue("esme_fleet") is seen[0]
    assert esme_meter.hits() == 0


def test_without_the_fixtures():
    pass
"""


def test_own_fixtures_of_the_module_use_the_fleet(pytester: pytest.Pytester) -> None:
    run(pytester, OTHERS, *options("module")).assert_outcomes(passed=3)
    result = run(pytester, OTHERS, "--setup-plan", *options("module"))
    assert result.stdout.str().count("SETUP    M esme_fleet") == 1
    assert "SETUP    F esme_party" not in result.stdout.str()


@pytest.mark.parametrize(("scope", "number"), [("module", 2), ("session", 1)])
def test_every_module_has_a_fleet(scope: str, number: int, pytester: pytest.Pytester) -> None:
    tests = """
    from pathlib import Path

    async def test_it(esme_fleet):
        with Path("fleets").open("a") as file:
            file.write(f"{id(esme_fleet)}\\n")
    """
    pytester.makepyfile(test_other=tests)
    run(pytester, tests, *options(scope)).assert_outcomes(passed=2)
    assert len(set((pytester.path / "fleets").read_text().splitlines())) == number


def test_a_failed_test_shows_its_own_events_alone(pytester: pytest.Pytester) -> None:
    tests = """
    import pytest

    async def test_before(esme_cache, esme_party, esme_meter):
        await esme_party.supplier.read(esme_meter, "4.8.1", "2026-01-10")

    async def test_it(esme_cache, esme_party, esme_meter):
        await esme_party.supplier.read(esme_meter, "4.8.1", "2026-01-12")
        assert esme_meter.hits() == 0

    @pytest.fixture(scope="module")
    def broken():
        raise RuntimeError

    async def test_set_up(broken, esme_meter): ...

    def test_another():
        assert False
    """
    result = run(pytester, tests, *options("module"))
    result.assert_outcomes(passed=1, failed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["E *hit 1, answered *2026-01-12/01-13", "*esme: what happened*", "*supplier 2026-01-12*"]
    )
    output = result.stdout.str()
    assert "2026-01-10" not in output
    assert output.count("esme: what happened") == 1


CONFLICTS = """
import pytest

pytestmark = pytest.mark.esme(meters=3, seed="7")

async def test_good(esme_meters):
    assert len(esme_meters) == 3

@pytest.mark.esme(meters=3)
async def test_the_same(esme_meters):
    assert len(esme_meters) == 3

@pytest.mark.esme(meters=4, latency="5s")
async def test_other(esme_meters): ...

@pytest.mark.esme(metres=4)
async def test_wrong(esme_meters): ...
"""


def test_another_mark_in_a_shared_scope_is_refused_in_one_line(pytester: pytest.Pytester) -> None:
    result = run(pytester, CONFLICTS, *options("module"))
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(
        [
            "esme: test_other is marked esme(meters=4, latency='5s'), but the fixtures of its "
            "module have esme(meters=3, latency='none'): with esme_scope = module, mark the module "
            "and not the test",
            "esme: marker esme has no metres; did you mean meters?",
        ]
    )


def test_the_session_is_marked_in_conftest(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
    import pytest

    def pytest_sessionstart(session):
        session.add_marker(pytest.mark.esme(meters=3))
    """)
    tests = CONFLICTS.replace(', seed="7"', "")
    result = run(pytester, tests, *options("session"))
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*but the fixtures of its session have esme(meters=3, *"])


@pytest.mark.parametrize(
    ("fixtures", "tests", "narrow"),
    [
        ("function", "function", "function"),
        ("function", "module", "function"),
        ("module", "class", "class"),
        ("session", "function", "function"),
    ],
)
def test_an_event_loop_that_ends_before_the_fleet_is_reported_in_one_line(
    fixtures: str, tests: str, narrow: str, pytester: pytest.Pytester
) -> None:
    test = "async def test_it(esme_cache, esme_meter): ..."
    result = run(pytester, test, *options("module", fixtures, tests))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "esme: esme_scope = module needs an event loop of that scope, and not of the "
            f"{narrow}: set asyncio_default_fixture_loop_scope = module and "
            "asyncio_default_test_loop_scope = module"
        ]
    )
    assert "ScopeMismatch" not in result.stdout.str()


def test_a_wider_event_loop_is_good(pytester: pytest.Pytester) -> None:
    loops = options("class", "session", "session")
    run(pytester, SHARED, *loops).assert_outcomes(passed=6)


def test_a_test_without_a_loop_is_refused_in_a_shared_scope(pytester: pytest.Pytester) -> None:
    tests = """
    from unittest import TestCase
    import pytest

    async def test_good(esme_meter): ...

    def test_it(esme_meter): ...

    @pytest.mark.usefixtures("esme_meter")
    class TestMeters(TestCase):
        def test_case(self): ...

    @pytest.mark.anyio
    async def test_any(esme_meter): ...
    """
    mark = tests.replace("async def test_good", "@pytest.mark.asyncio\n    async def test_good")
    result = run(pytester, mark, *options("module"), mode="strict")
    result.assert_outcomes(passed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            "esme: write async def test_it: no event loop runs in a def*",
            "esme: test_case is a test of unittest, not of pytest-asyncio*",
            "esme: test_any runs in an event loop of anyio: *",
        ]
    )


@pytest.mark.parametrize("clock", ["system", "scaled:600"])
def test_a_clock_that_runs_goes_on(clock: str, pytester: pytest.Pytester) -> None:
    tests = f"""
    import pytest

    pytestmark = pytest.mark.esme(clock="{clock}")
    times = []

    @pytest.mark.parametrize("number", range(3))
    async def test_it(number, esme_clock, esme_cache, esme_party, esme_meter):
        times.append(esme_clock.now())
        assert times == sorted(times)
        await esme_clock.advance(seconds=0.01)
        await esme_party.supplier.read(esme_meter, "4.6.1", via="direct")
        assert esme_meter.hits() == 1
    """
    run(pytester, tests, *options("module")).assert_outcomes(passed=3)


def test_an_unknown_scope_is_reported_in_one_line(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_it(): ...", "-o", "esme_scope=file")
    scopes = "function, class, module, package, session"
    result.stderr.fnmatch_lines([f"ERROR: esme_scope = file: choose one of {scopes}"])
    assert "Traceback" not in result.stderr.str()


def test_a_read_that_is_not_awaited_ends_with_the_scope(pytester: pytest.Pytester) -> None:
    tests = """
    tasks = []

    async def test_first(esme_party, esme_meter, esme_clock, esme_faults):
        with esme_faults.no_reply():
            tasks.append(esme_party.supplier.ask(esme_meter, "4.8.1", via="direct"))
            await esme_clock.settle()

    async def test_second(esme_party, esme_meter):
        assert not tasks[0].done()
        assert esme_meter.hits() == 0
    """
    run(pytester, tests, *options("module")).assert_outcomes(passed=2)


def test_a_front_door_is_shared_too(pytester: pytest.Pytester) -> None:
    pytest.importorskip("signxml", reason="DUIS needs the extra duis")
    tests = """
    import asyncio
    from esme_emulator.estate.parties import DUIS_USERS
    from tests.emulator.pytest_plugin.test_duis import send

    async def test_the_cache_knows_the_users_of_duis(esme_cache):
        assert all(map(esme_cache.policy.registry.knows, DUIS_USERS))

    async def test_a_response_is_left(esme_dsp, esme_meter):
        assert await send(esme_dsp, esme_meter, 1) == "I99"
        await esme_dsp.response()
        assert await send(esme_dsp, esme_meter, 2) == "I99"
        arrived = esme_dsp._arrived
        while arrived.empty():
            await asyncio.sleep(0.01)

    async def test_it_is_gone(esme_dsp, esme_meter):
        assert esme_dsp._arrived.empty()
        assert await send(esme_dsp, esme_meter, 3) == "I99"
        assert (await esme_dsp.response()).code == "I0"
    """
    run(pytester, tests, *options("module")).assert_outcomes(passed=3)
