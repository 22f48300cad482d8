"""A clock that runs by itself, for a service with timeouts of its own."""

import pytest

from tests.emulator.pytest_plugin.running import run

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("clock", ["system", "scaled:100"])
def test_replies_come_without_the_test_moving_the_clock(
    clock: str, pytester: pytest.Pytester
) -> None:
    tests = f"""
    import asyncio
    import pytest

    @pytest.mark.esme(clock="{clock}", latency="10ms")
    async def test_asked(esme_party, esme_meter, esme_cache, esme_clock):
        began = esme_clock.now()
        asked = esme_party.supplier.ask(esme_meter, "4.8.1")
        reading = await asyncio.wait_for(asked, 60)
        assert reading.rows == esme_meter.rows("4.8.1")
        assert (await esme_party.supplier.read(esme_meter, "4.8.1")).cache_status
        assert esme_meter.hits() == 1
        assert esme_clock.now() > began
    """
    run(pytester, tests).assert_outcomes(passed=1)


def test_a_read_times_out_on_a_clock_that_runs(pytester: pytest.Pytester) -> None:
    tests = """
    import pytest

    from esme_emulator.messaging.client import NoReplyError

    @pytest.mark.esme(clock="scaled:1000", now="2026-03-01T00:00:00Z")
    async def test_no_reply(esme_party, esme_meter, esme_faults, esme_clock):
        with esme_faults.no_reply(), pytest.raises(NoReplyError, match="within 20 s"):
            await esme_party.supplier.read(esme_meter, "4.8.1", via="direct", timeout=20)
        before = esme_clock.now()
        await esme_clock.advance(seconds=15)
        assert esme_clock.now() >= before + 15
        assert "2026-03-01" in repr(esme_clock)
    """
    run(pytester, tests).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ('clock="fast"', "clock 'fast': give manual, system or scaled:FACTOR, and its start as *"),
        ('clock="manual@2026-01-01"', "clock 'manual@2026-01-01': give manual, system or *"),
        ('clock="scaled:0"', "clock 'scaled:0@2026-01-15T12:00:00Z': factor 0: give a number *"),
        ('clock="system", now="2026-01-01"', 'clock "system" shows the machine\'s time: *'),
    ],
)
def test_a_wrong_clock_is_one_line(keywords: str, message: str, pytester: pytest.Pytester) -> None:
    tests = f"""
    import pytest

    @pytest.mark.esme({keywords})
    async def test_it(esme_clock): ...
    """
    run(pytester, tests).stdout.fnmatch_lines([f"*esme: {message}"])
