"""The pytest plugin `esme`: meters, a reading cache, parties and faults as fixtures.

pytest loads this module at every start, needed or not. So it imports nothing but pytest and, where
that is installed, pytest-asyncio; a fixture imports what it needs when a test asks for it.
"""

import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from pytest_asyncio import fixture as asynchronous

    from esme_emulator.pytest_plugin.bench import Allotment, Bench
    from esme_emulator.pytest_plugin.cache import EsmeCache
    from esme_emulator.pytest_plugin.clock import SteppedClock
    from esme_emulator.pytest_plugin.faults import EsmeFaults
    from esme_emulator.pytest_plugin.fleet import EsmeFleet
    from esme_emulator.pytest_plugin.meters import EsmeMeter, Meters
    from esme_emulator.pytest_plugin.parties import Parties
    from esme_emulator.transport import Broker

else:
    try:
        from pytest_asyncio import fixture as asynchronous
    except ImportError:  # then every fixture says what to install
        asynchronous = pytest.fixture

_ALLOTMENT: "pytest.StashKey[Allotment]" = pytest.StashKey()
_BENCH: "pytest.StashKey[Bench]" = pytest.StashKey()
_JOURNAL = "esme_emulator.pytest_plugin.journal"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("esme", "emulated smart electricity meters")
    group.addoption(
        "--esme-broker",
        metavar="WHERE",
        help="memory (default), embedded: MQTT on a free port for each test, or mqtt://host:port",
    )
    group.addoption("--esme-seed", metavar="SEED", help="what keys and readings follow from")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "esme(meters=10, profiles=None, seed='1', latency='none', wan=None, strict=False, "
        "retention=25, cache={}, broker='memory', now='2026-01-15T12:00:00Z', quiet=None): "
        "what the esme fixtures of a test run",
    )


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show, where a number of device hits is not the one asserted, which hits these were."""
    journal = sys.modules.get(_JOURNAL)
    if journal is None:
        return None
    hits = [side for side in (left, right) if isinstance(side, journal.Hits)]
    if not hits:
        return None
    return [f"{left!r} {op} {right!r}", *[line for one in hits for line in one.explain()]]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show below a failure what meters received, what the cache decided and which faults fired."""
    report = yield
    bench = item.stash.get(_BENCH, None)
    if report.failed and bench is not None and bench.journal.events:
        report.sections.append(("esme: what happened", "\n".join(bench.journal.lines())))
    return report


class MakeFleet(Protocol):
    """Starts a fleet more; what is None is as the marker has it."""

    async def __call__(
        self,
        *,
        meters: int | None = None,
        profiles: Sequence[str] | None = None,
        latency: str | None = None,
        wan: str | None = None,
        strict: bool | None = None,
    ) -> "EsmeFleet":
        """Return a fleet that runs as long as the test, with EUIs that no other has."""
        ...


class AssertDeviceHits(Protocol):
    """Fails the test where the meters received another number of commands."""

    def __call__(
        self,
        expected: int | None = None,
        *,
        meter: "EsmeMeter | None" = None,
        srv: str | None = None,
        at_most: int | None = None,
    ) -> None:
        """Compare with `expected`, or with `at_most`: of one meter or all, of one SRV or all."""
        ...


@pytest.fixture
def _esme(request: pytest.FixtureRequest) -> "Bench":
    if not request.config.pluginmanager.hasplugin("asyncio"):
        pytest.fail("the esme fixtures need pytest-asyncio: pip install pytest-asyncio", False)
    from esme_emulator.pytest_plugin.bench import Allotment, Bench
    from esme_emulator.pytest_plugin.loops import trouble_of
    from esme_emulator.pytest_plugin.nearby import Nearby
    from esme_emulator.pytest_plugin.settings import settings_of

    trouble = trouble_of(request)
    if trouble is not None:
        pytest.fail(f"esme: {trouble}", False)
    config = request.config
    if _ALLOTMENT not in config.stash:
        worker = getattr(config, "workerinput", {}).get("workerid", "gw-1")
        config.stash[_ALLOTMENT] = Allotment(int(worker.removeprefix("gw")) + 1)
    markers = [(mark.args, mark.kwargs) for mark in request.node.iter_markers("esme")]
    with _one_line():
        settings = settings_of(
            markers,
            broker=_with_password(config.getoption("--esme-broker")),
            seed=config.getoption("--esme-seed"),
        )
        parts = config.stash[_ALLOTMENT], Nearby(request.path.parent)
        bench = request.node.stash[_BENCH] = Bench(settings, *parts)
    return bench


@asynchronous
async def esme_broker(_esme: "Bench") -> "AsyncIterator[Broker]":
    """Broker of this test: a `transport.MemoryBroker`, or the URL of one over MQTT."""
    async with AsyncExitStack() as stack:
        with _one_line():
            broker = await stack.enter_async_context(_esme.broker())
        yield broker


@pytest.fixture
def esme_clock(_esme: "Bench") -> "SteppedClock":
    """Clock of meters and cache; it stands still until `await esme_clock.advance(hours=25)`."""
    return _esme.clock


@asynchronous
async def esme_make_fleet(_esme: "Bench", esme_broker: "Broker") -> AsyncIterator[MakeFleet]:
    """Start more fleets: each `await` of this, with keywords of the marker, returns one."""
    async with AsyncExitStack() as stack:

        async def make(**changes: Any) -> "EsmeFleet":
            profiles = changes.get("profiles")
            if profiles is not None:
                changes["profiles"] = (profiles,) if isinstance(profiles, str) else tuple(profiles)
            with _one_line():
                return await stack.enter_async_context(_esme.fleet(esme_broker, **changes))

        yield make


@asynchronous
async def esme_fleet(esme_make_fleet: MakeFleet) -> "EsmeFleet":
    """Fleet of meters, as marker `esme` has it: `meters`, `counters`, `hits()`."""
    return await esme_make_fleet()


@pytest.fixture
def esme_meters(esme_fleet: "EsmeFleet") -> "Meters":
    """Meters of `esme_fleet`, by number from 0: `eui`, `hits()`, `rows()`."""
    return esme_fleet.meters


@pytest.fixture
def esme_meter(esme_fleet: "EsmeFleet") -> "EsmeMeter":
    """First meter of `esme_fleet`."""
    return esme_fleet.meters[0]


@asynchronous
async def esme_cache(_esme: "Bench", esme_broker: "Broker") -> "AsyncIterator[EsmeCache]":
    """Cache of readings, on the prefix `s1sp`: `ledger`, `decisions`, `purge()`."""
    async with AsyncExitStack() as stack:
        with _one_line():
            cache = await stack.enter_async_context(_esme.cache(esme_broker))
        yield cache


@asynchronous
async def esme_party(_esme: "Bench", esme_broker: "Broker") -> "AsyncIterator[Parties]":
    """Remote parties: `await esme_party.supplier.read(meter, "4.8.1", via="direct")`."""
    async with _esme.parties(esme_broker) as parties:
        yield parties


@pytest.fixture
def esme_faults(_esme: "Bench") -> "Iterator[EsmeFaults]":
    """Faults of the meters: `with esme_faults.no_reply(srv="4.8.1"):` and every other kind."""
    yield _esme.faults
    for kind in _esme.faults.never_entered:
        call = f"esme_faults.{kind.replace('-', '_')}(…)"
        pytest.fail(f"esme: fault {kind} was never in force: write with {call}:", False)


@pytest.fixture
def assert_device_hits(_esme: "Bench") -> AssertDeviceHits:
    """Compare device hits: `assert_device_hits(1, meter=meter, srv="4.8.1")`, or `at_most=3`."""

    def check(
        expected: int | None = None,
        *,
        meter: "EsmeMeter | None" = None,
        srv: str | None = None,
        at_most: int | None = None,
    ) -> None:
        __tracebackhide__ = True
        if (expected is None) == (at_most is None):
            raise TypeError("assert_device_hits takes the number expected, or at_most=")
        hits = _esme.hits(srv) if meter is None else meter.hits(srv)
        wrong = hits != expected if at_most is None else hits > at_most
        if wrong:
            bound = f"{expected}" if at_most is None else f"at most {at_most}"
            pytest.fail("\n".join([f"{hits!r}, not {bound}", *hits.explain()]), pytrace=True)

    return check


def _with_password(url: str | None) -> str | None:
    """Return a broker's URL with the password of the environment, if it names a user and none."""
    from esme_emulator.transport.credentials import user_of, with_password

    password = os.environ.get("ESME_BROKER_PASSWORD")
    if url is None or not password or not user_of(url):
        return url
    with suppress(ValueError):  # what is on the command line counts for more
        return with_password(url, password)
    return url


@contextmanager
def _one_line() -> Iterator[None]:
    """Fail the test with one line for what a user mistook."""
    from esme_emulator.profiles import ProfileError
    from esme_emulator.runtime.extras import hint
    from esme_emulator.transport import TransportError

    try:
        yield
    except (ProfileError, TransportError, TypeError, ValueError) as error:
        raise pytest.fail.Exception(f"esme: {error}", pytrace=False) from None
    except ModuleNotFoundError as error:
        if (text := hint(error)) is None:
            raise
        raise pytest.fail.Exception(f"esme: {text}", pytrace=False) from None
