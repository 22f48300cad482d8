"""What a user reads when a test fails or is written wrongly."""

import pytest

from tests.emulator.pytest_plugin.running import run, run_here

pytest_plugins = ["pytester"]

BAD = """
import pytest
from esme_emulator.faults.kind import NoReply
from esme_emulator.messaging.client import NoReplyError


async def test_compared(esme_cache, esme_party, esme_meter, esme_faults):
    with esme_faults(NoReply(), calls=1):
        with pytest.raises(NoReplyError):
            await esme_party.supplier.read(esme_meter, "4.8.1")
    await esme_party.supplier.read(esme_meter, "4.8.1", timeout=5)
    await esme_party.other_user.read(esme_meter, "4.8.1")
    assert esme_meter.hits("4.8.1") == 1
"""


def test_a_failed_comparison_lists_the_hits(pytester: pytest.Pytester) -> None:
    result = run(pytester, BAD)
    result.assert_outcomes(failed=1)
    day = "2026-01-14/01-15"
    result.stdout.fnmatch_lines(
        [
            "E  *assert 2 device hits == 1",
            "E  *device hits of 00DBE50000000000, SRV 4.8.1:",
            "E  *… 1 earlier",
            "E  *2026-01-15T12:00:00Z fault no-reply-1 4.8.1 00DBE50000000000",
            f"E  *2026-01-15T12:00:00Z hit 1, silent    4.8.1 00DBE50000000000 supplier {day}",
            f"E  *2026-01-15T12:02:00Z forwarded        4.8.1 00DBE50000000000 supplier {day}",
            f"E  *2026-01-15T12:02:00Z hit 2, answered  4.8.1 00DBE50000000000 supplier {day}",
            f"E  *2026-01-15T12:02:00Z from the cache   4.8.1 00DBE50000000000 other_user {day}",
            "*esme: what happened*",
            f"2026-01-15T12:00:00Z forwarded        4.8.1 00DBE50000000000 supplier {day}",
        ]
    )
    assert "truncated" not in result.stdout.str()


@pytest.mark.parametrize(
    ("asserted", "message"),
    [
        ("esme_meters[1].hits() == 1", "assert 0 device hits == 1"),
        ("esme_fleet.hits() <= 1", "assert 2 device hits <= 1"),
        ("1 == esme_fleet.hits('4.8.1')", "assert 1 == 2 device hits"),
        ("esme_meter.hits() != 2", "assert 2 device hits != 2"),
    ],
)
def test_every_comparison_is_explained(
    asserted: str, message: str, pytester: pytest.Pytester
) -> None:
    tests = f"""
    async def test_it(esme_fleet, esme_meters, esme_meter, esme_party):
        for srv in ("4.8.1", "4.8.1"):
            await esme_party.supplier.read(esme_meter, srv, "2026-01-10", via="direct")
        assert {asserted}
    """
    result = run(pytester, tests)
    result.assert_outcomes(failed=1)
    shown = "none" if "[1]" in asserted else "*hit 2, answered  4.8.1*supplier 2026-01-10/01-11"
    result.stdout.fnmatch_lines([f"E *{message}", "E *device hits of *:", f"E *{shown}"])


@pytest.mark.parametrize(
    ("asserted", "message"),
    [
        ("1", "2 device hits, not 1"),
        ("at_most=1", "2 device hits, not at most 1"),
        ("3, meter=esme_meter", "2 device hits, not 3"),
        ("0, srv='4.6.1'", "1 device hit, not 0"),
        ("2, meter=esme_meter, srv='4.8.1'", "1 device hit, not 2"),
        ("", "give assert_device_hits either the expected number or at_most="),
        ("1, at_most=2", "give assert_device_hits either the expected number or at_most="),
    ],
)
def test_assert_device_hits_reports_the_number_of_hits(
    asserted: str, message: str, pytester: pytest.Pytester
) -> None:
    tests = f"""
    async def test_it(esme_meter, esme_party, assert_device_hits):
        for srv in ("4.8.1", "4.6.1"):
            await esme_party.supplier.read(esme_meter, srv, via="direct")
        assert_device_hits({asserted})
    """
    result = run(pytester, tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *{message}"])
    assert "pytest_plugin/__init__.py" not in result.stdout.str()


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("meetrs=3", "esme: marker esme has no meetrs; did you mean meters?"),
        ("x=3", "esme: marker esme has no x; known are meters, profiles, fleet, seed, *"),
        ("3", "esme: marker esme takes keywords only: meters, *"),
        ("meters=0", "esme: 0 meters from 00DBE50000000000 on: *"),
        ("latency='fast'", "esme: 'fast' is not a latency: give none, *"),
        ("profiles=['sinlge']", "esme: meters/sinlge.toml: there is no such profile; *"),
        ("wan='tin-can'", "esme: wan/tin-can.toml: there is no such profile; *"),
        ("retention=24", "esme: retention of 24 hours: give 25 to 72"),
        ("cache={'retries': -1}", "esme: retries of -1: give 0 to 10*"),
        ("cache={'subwindow': 1}", "esme: cache of marker esme has no subwindow; *sub_window?"),
        ("cache={'x': 1}", "esme: cache of marker esme has no x; known are srvs, *"),
        ("cache={'retention_hours': 26}", "esme: cache of marker esme has no retention_hours; *"),
        ("cache=2", "esme: cache: 2 is not of type collections.abc.Mapping*"),
        ("cache={'retries': '2'}", "esme: cache: retries: '2' is not of type int"),
        ("cache={'hold_down': 2}", "esme: cache: hold_down: 2 is not of type *HoldDown | None"),
        ("meters='3'", "esme: meters: '3' is not of type int"),
        ("meters=True", "esme: meters: True is not of type int"),
        ("seed=7", "esme: seed: 7 is not of type str"),
        ("retention='26'", "esme: retention: '26' is not of type float"),
        ("latency=2", "esme: latency: 2 is not of type str"),
        ("profiles=[3]", "esme: profiles: (3,) is not of type tuple[[]str, ...] | None"),
        ("quiet='1'", "esme: quiet: '1' is not of type float | None"),
        ("now='noon'", "esme: clock 'manual@noon': 'noon' is not a time: *"),
        ("broker='tcp://there'", "esme: 'tcp://there' is not the URL of a broker: *"),
    ],
)
def test_a_mistake_in_a_marker_is_reported_in_one_line(
    marker: str, message: str, pytester: pytest.Pytester
) -> None:
    tests = f"""
    import pytest

    @pytest.mark.esme({marker})
    async def test_it(esme_fleet, esme_cache): ...
    """
    result = run(pytester, tests)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"{message}"])
    assert "Traceback" not in result.stdout.str()
    assert "During handling" not in result.stdout.str()


READS = {
    "through a cache that does not run": (
        'read(esme_meter, "4.8.1")',
        "*did not reply to SRV 4.8.1 for supplier within 120 s of the clock: *esme_cache*",
    ),
    "of an unknown meter": (
        'read(EUI(8), "4.8.1", via="direct", timeout=2)',
        "*0000000000000000 did not reply to SRV 4.8.1 *within 2 s of the clock: *esme_fleet*",
    ),
    "of an SRV that no meter has": (
        'read(esme_meter, "4.9")',
        "*meter has no reading service 4.9",
    ),
    "of a window that the SRV does not take": (
        'read(esme_meter, "4.1.1", "2026-01-02")',
        "*SRV 4.1.1 takes no window: leave it out",
    ),
    "of a window that ends before it begins": (
        'read(esme_meter, "4.8.1", ("2026-01-02", "2026-01-01"))',
        "*window from 2026-01-02 to 2026-01-01: it ends before it begins",
    ),
    "of a time instead of a day": (
        'read(esme_meter, "4.8.1", "2026-01-02T12:00")',
        "*2026-01-02T12:00 is a time, not a day. *",
    ),
    "of an EUI as text": (
        'read("00DBE50000000000", "4.8.1")',
        "*'00DBE50000000000' is not a meter: give esme_meter or esme_fleet.meter(EUI)",
    ),
    "by an unknown way": (
        'read(esme_meter, "4.8.1", via="post")',
        "*via 'post': give 'cache' or 'direct'",
    ),
}


@pytest.mark.parametrize("case", READS)
def test_a_failed_read_says_why(case: str, pytester: pytest.Pytester) -> None:
    call, message = READS[case]
    tests = f"""
    from gbcs import EUI

    async def test_it(esme_party, esme_meter):
        await esme_party.supplier.{call}
    """
    result = run(pytester, tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *{message}"])


def test_a_refused_party_learns_the_reason(pytester: pytest.Pytester) -> None:
    tests = """
    async def test_it(esme_party, esme_meter, esme_cache):
        await esme_party.distributor.read(esme_meter, "4.6.1")
    """
    result = run(pytester, tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *NoReplyError: 00DBE50000000000 did not reply to SRV 4.6.1 for distributor within "
            "120 s of the clock: the cache refused it (role-not-entitled)",
            "E *2026-01-15T12:00:00Z refused, role-not-entitled 4.6.1 *distributor *",
            "*esme: what happened*",
            "*refused, role-not-entitled 4.6.1 *distributor 2026-01-14/01-15",
        ]
    )


def test_an_ask_fails_as_soon_as_the_cache_will_not_answer_it(pytester: pytest.Pytester) -> None:
    tests = """
    import pytest
    from esme_emulator.messaging.client import NoReplyError

    async def test_refused(esme_party, esme_meter, esme_cache, esme_clock):
        began = esme_clock.now()
        asked = esme_party.distributor.ask(esme_meter, "4.6.1")
        with pytest.raises(NoReplyError):
            await asked
        assert esme_clock.now() == began
        await esme_party.distributor.ask(esme_meter, "4.6.1")

    @pytest.mark.esme(cache={"reply_timeout": 10.0})
    async def test_given_up(esme_party, esme_meter, esme_cache, esme_clock, esme_faults):
        with esme_faults.no_reply():
            esme_party.supplier.ask(esme_meter, "4.8.1")
            asked = esme_party.distributor.ask(esme_meter, "4.8.1")
            await esme_clock.advance(seconds=9)
            assert not asked.done()
            await esme_clock.advance(seconds=2)
            assert asked.done()
            await asked

    async def test_not_awaited(esme_party, esme_meter, esme_cache, esme_clock):
        esme_party.distributor.ask(esme_meter, "4.6.1")
        await esme_clock.settle()
    """
    result = run(pytester, tests)
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "E *NoReplyError: 00DBE50000000000 did not reply to SRV 4.6.1 for distributor: "
            "the cache refused it (role-not-entitled)",
            "E *NoReplyError: 00DBE50000000000 did not reply to SRV 4.8.1 for distributor: "
            "the cache gave it up (*)",
        ]
    )


@pytest.mark.parametrize(
    ("via", "message"),
    [
        ("cache", "the cache forwarded it, the meter received it (silent)"),
        ("direct", "the meter received it (silent)"),
    ],
)
def test_a_read_that_a_meter_drops_names_the_outcome(
    via: str, message: str, pytester: pytest.Pytester
) -> None:
    tests = f"""
    async def test_it(esme_party, esme_meter, esme_cache, esme_faults):
        with esme_faults.no_reply():
            await esme_party.other_user.read(esme_meter, "4.8.1", via="{via}", timeout=5)
    """
    result = run(pytester, tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *within 5 s of the clock: {message}", "E *hit 1, silent *"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("assert esme_meter.hits('4.8.11') == 0", "no device hit is counted as SRV '4.8.11': *"),
        ("assert esme_fleet.hits('4.8.11') == 0", "no device hit is counted as SRV '4.8.11': *"),
        ("assert_device_hits(0, srv='4.81')", "*as SRV '4.81': did you mean 4.8.1?"),
        ("assert_device_hits(0, srv='x', meter=esme_meter)", "*'x': write one such as 4.8.1"),
        ("esme_meter.hits('7.6')", "*'7.6': its commands are counted as 7.5"),
        ("await esme_cache.purge(srv='4.8')", "*SRV '4.8': did you mean 4.*?"),
        # Python 3.12 adds a hint of its own.
        ("esme_party.suplier", "no party is called suplier; did you mean supplier?*"),
        ("esme_party['suplier']", "'no party is called suplier; choose one of supplier, *"),
        ("await esme_clock.advance()", "give seconds, minutes, hours or days to advance by"),
    ],
)
def test_an_assertion_that_could_only_pass_fails(
    call: str, message: str, pytester: pytest.Pytester
) -> None:
    tests = f"""
    async def test_it(esme_meter, esme_cache, esme_clock, request, esme_fleet, esme_party):
        assert_device_hits = request.getfixturevalue("assert_device_hits")
        assert esme_meter.hits("4.8.1") == esme_fleet.hits("unknown") == 0
        await esme_clock.advance(minutes=0)
        {call}
    """
    result = run(pytester, tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *Error: {message}"])


def test_a_fault_without_with_fails(pytester: pytest.Pytester) -> None:
    tests = """
    from esme_emulator.faults.kind import LateReply, NoReply

    async def test_it(esme_faults, esme_meter, esme_party):
        with esme_faults(LateReply(seconds=1)):
            esme_faults(NoReply(), srv="4.8.1")
            await esme_party.supplier.read(esme_meter, "4.8.1", via="direct")
    """
    result = run(pytester, tests)
    result.assert_outcomes(passed=1, errors=1)
    message = "esme: fault no-reply was made but never in force; *with esme_faults(…):"
    result.stdout.fnmatch_lines([message])


def test_an_invalid_fault_is_reported_at_its_line(pytester: pytest.Pytester) -> None:
    tests = """
    async def test_it(esme_faults, esme_meter):
        with esme_faults.no_reply(meter=esme_meter): ...
    """
    result = run(pytester, tests)
    result.stdout.fnmatch_lines(["E *FaultError: fault: meter: unknown key of no-reply; *meters?"])
    assert "emulator/esme_emulator/faults" not in result.stdout.str()


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_a_test_without_a_loop_fails(mode: str, pytester: pytest.Pytester) -> None:
    tests = """
    import pytest

    @pytest.mark.parametrize("number", [1])
    def test_it(number, esme_meter):
        assert esme_meter.hits() == 0
    """
    result = run(pytester, tests, mode=mode)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["esme: write async def test_it: no event loop runs in a def*"])


NO_LOOP = {
    "strict": (
        "async def test_it(esme_meter): ...",
        "esme: mark test_it with @pytest.mark.asyncio, or set asyncio_mode = auto*",
    ),
    "anyio": (
        "import pytest\n\n@pytest.mark.anyio\nasync def test_it(esme_meter): ...",
        "esme: test_it runs in an event loop of anyio: mark it asyncio in place of anyio",
    ),
    "unittest": (
        """
        from unittest import IsolatedAsyncioTestCase
        import pytest

        @pytest.mark.usefixtures("esme_meter")
        class TestMeters(IsolatedAsyncioTestCase):
            async def test_it(self): ...
        """,
        "esme: test_it is a test of unittest, not of pytest-asyncio: write it outside of TestCase",
    ),
    "doctest": (
        'def shown():\n    """>>> getfixture(\'esme_meter\')"""\n',
        "*esme: doctest *shown has no event loop: write async def test_… in a test file",
    ),
}


@pytest.mark.parametrize("case", NO_LOOP)
def test_a_test_that_pytest_asyncio_does_not_run_gets_the_right_advice(
    case: str, pytester: pytest.Pytester
) -> None:
    tests, advice = NO_LOOP[case]
    result = run(pytester, tests, "--doctest-modules", mode="strict")
    result.stdout.fnmatch_lines([advice])
    assert "write async def test_it" not in result.stdout.str()


def test_a_reply_that_is_not_due_yet_is_told_with_the_time(pytester: pytest.Pytester) -> None:
    tests = """
    import pytest

    @pytest.mark.esme(latency="1s")
    async def test_it(esme_party, esme_meter, esme_clock):
        esme_party.supplier.ask(esme_meter, "4.8.1", via="direct")
        await esme_clock.settle()
        assert esme_meter.hits() == 0
    """
    result = run(pytester, tests)
    result.stdout.fnmatch_lines(
        ["*hit 1, answered*supplier*, reply due at 12:00:01; the clock stands at 12:00:00"]
    )


SCOPES = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = {fixtures}
asyncio_default_test_loop_scope = {tests}
filterwarnings = error
"""


@pytest.mark.parametrize(
    ("fixtures", "tests", "marker", "shared"),
    [
        ("session", "function", "", False),
        ("function", "module", "", False),
        ("session", "session", "", True),
        ("module", "function", '@pytest.mark.asyncio(loop_scope="module")', True),
    ],
)
def test_different_event_loops_are_reported_in_one_line(
    fixtures: str, tests: str, marker: str, shared: bool, pytester: pytest.Pytester
) -> None:
    pytester.makeini(SCOPES.format(fixtures=fixtures, tests=tests))
    pytester.makepyfile(f"""
    import pytest

    {marker}
    async def test_it(esme_cache, esme_party, esme_meter):
        await esme_party.supplier.read(esme_meter, "4.8.1")
    """)
    result = run_here(pytester)
    result.assert_outcomes(passed=int(shared), errors=int(not shared))
    if not shared:
        message = (
            f"esme: this test runs in the event loop of its {tests}, and fixtures in *{fixtures}*"
        )
        result.stdout.fnmatch_lines([message])


def test_a_failure_without_the_fixtures_is_unchanged(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_it(): assert 1 == 2")
    result.assert_outcomes(failed=1)
    assert "esme: what happened" not in result.stdout.str()
