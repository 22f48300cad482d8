"""The pytest plugin `esme`: meters, a reading cache, parties and faults as fixtures.

pytest loads this module at every start, so it imports only pytest and, if installed,
pytest-asyncio. Each fixture imports what it needs when a test uses it.
"""

import inspect
import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from pytest_asyncio import fixture as asynchronous

    from esme_emulator.pytest_plugin.bench import Bench, EuiAllocator
    from esme_emulator.pytest_plugin.clock import AnyClock
    from esme_emulator.pytest_plugin.dsp import EsmeDsp
    from esme_emulator.pytest_plugin.faults import EsmeFaults
    from esme_emulator.pytest_plugin.party import Parties
    from esme_emulator.pytest_plugin.system import EsmeCache, EsmeFleet, EsmeMeter, EsmeMeters
    from esme_emulator.transport import Broker

else:
    try:
        from pytest_asyncio import fixture as asynchronous
    except ImportError:  # then each fixture fails and says what to install
        asynchronous = pytest.fixture

_ALLOCATOR: "pytest.StashKey[EuiAllocator]" = pytest.StashKey()
_BENCH: "pytest.StashKey[Bench]" = pytest.StashKey()
_JOURNAL = "esme_emulator.pytest_plugin.journal"

# Settings of pytest-asyncio: the scope of the event loop that fixtures and tests run in.
_FIXTURE_LOOP = "asyncio_default_fixture_loop_scope"
_TEST_LOOP = "asyncio_default_test_loop_scope"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options `--esme-broker` and `--esme-seed`."""
    group = parser.getgroup("esme", "emulated smart electricity meters")
    group.addoption(
        "--esme-broker",
        metavar="BROKER",
        help="memory (default), embedded (MQTT on a free port for each test), embedded-3.1.1, "
        "or mqtt://host:port",
    )
    group.addoption("--esme-seed", metavar="SEED", help="seed for keys, meters and readings")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker `esme`."""
    config.addinivalue_line(
        "markers",
        "esme(meters=10, profiles=None, fleet=None, seed='1', latency='none', wan=None, "
        "strict=False, retention=25, cache={}, parties=None, broker='memory', clock='manual', "
        "now=None, quiet=None): settings of the esme fixtures of a test",
    )


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Return the device hits behind a failed comparison, or None if it compared no hits."""
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
    """Add a section to a failed test: commands received, decisions of the cache, faults fired."""
    report = yield
    bench = item.stash.get(_BENCH, None)
    if report.failed and bench is not None and bench.journal.events:
        report.sections.append(("esme: what happened", "\n".join(bench.journal.lines())))
    return report


class MakeFleet(Protocol):
    """Starts another fleet. A keyword that is None has the value of the marker."""

    async def __call__(
        self,
        *,
        meters: int | None = None,
        profiles: Sequence[str] | None = None,
        latency: str | None = None,
        wan: str | None = None,
        strict: bool | None = None,
    ) -> "EsmeFleet":
        """Return a fleet that runs until the test ends; no other fleet has its EUIs."""
        ...


class AssertDeviceHits(Protocol):
    """Fails the test if the meters received a different number of commands."""

    def __call__(
        self,
        expected: int | None = None,
        *,
        meter: "EsmeMeter | None" = None,
        srv: str | None = None,
        at_most: int | None = None,
    ) -> None:
        """Compare with `expected` or `at_most`, for one meter or all and one SRV or all."""
        ...


@pytest.fixture
def _esme(request: pytest.FixtureRequest) -> "Bench":
    if not request.config.pluginmanager.hasplugin("asyncio"):
        pytest.fail("the esme fixtures need pytest-asyncio: pip install pytest-asyncio", False)
    from esme_emulator.pytest_plugin.bench import Bench, EuiAllocator, NearbyFiles
    from esme_emulator.pytest_plugin.settings import settings_of

    problem = _loop_problem(request)
    if problem is not None:
        pytest.fail(f"esme: {problem}", False)
    config = request.config
    if _ALLOCATOR not in config.stash:
        worker = getattr(config, "workerinput", {}).get("workerid", "gw-1")
        config.stash[_ALLOCATOR] = EuiAllocator(int(worker.removeprefix("gw")) + 1)
    markers = [(mark.args, mark.kwargs) for mark in request.node.iter_markers("esme")]
    with _one_line():
        settings = settings_of(
            markers,
            broker=_with_password(config.getoption("--esme-broker")),
            seed=config.getoption("--esme-seed"),
        )
        files = NearbyFiles(request.path.parent)
        bench = Bench(settings, config.stash[_ALLOCATOR], files)
        request.node.stash[_BENCH] = bench
    return bench


@asynchronous
async def esme_broker(_esme: "Bench") -> "AsyncIterator[Broker]":
    """Broker of this test: a `transport.MemoryBroker`, or the URL of an MQTT broker."""
    async with AsyncExitStack() as stack:
        with _one_line():
            broker = await stack.enter_async_context(_esme.broker())
        yield broker


@pytest.fixture
def esme_clock(_esme: "Bench") -> "AnyClock":
    """Clock of meters and cache. A manual one moves with `await esme_clock.advance(hours=25)`."""
    return _esme.clock


@asynchronous
async def esme_make_fleet(_esme: "Bench", esme_broker: "Broker") -> AsyncIterator[MakeFleet]:
    """Start more fleets, each with an `await` and keywords of the marker: `meters=3`."""
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
    """Fleet of meters that the marker `esme` describes: `meters`, `counters`, `hits()`."""
    return await esme_make_fleet()


@pytest.fixture
def esme_meters(esme_fleet: "EsmeFleet") -> "EsmeMeters":
    """Meters of `esme_fleet`, by number from 0: `eui`, `hits()`, `rows()`."""
    return esme_fleet.meters


@pytest.fixture
def esme_meter(esme_fleet: "EsmeFleet") -> "EsmeMeter":
    """First meter of `esme_fleet`."""
    return esme_fleet.meters[0]


@asynchronous
async def esme_cache(
    request: pytest.FixtureRequest, _esme: "Bench", esme_broker: "Broker"
) -> "AsyncIterator[EsmeCache]":
    """Run the reading cache on the prefix `s1sp`: `ledger`, `decisions`, `purge()`."""
    async with AsyncExitStack() as stack:
        with _one_line():
            registry = None
            if "esme_dsp" in request.fixturenames:  # users of DUIS have more roles
                from esme_emulator.gateway.keys import duis_registry

                registry = duis_registry(_esme.known_parties)
            cache = await stack.enter_async_context(_esme.cache(esme_broker, registry))
        yield cache


@asynchronous
async def esme_dsp(
    _esme: "Bench",
    esme_broker: "Broker",
    esme_fleet: "EsmeFleet",
    esme_cache: "EsmeCache",
    tmp_path: Path,
) -> "AsyncIterator[EsmeDsp]":
    """Run the front door for DUIS before `esme_cache`: `url`, `sign(xml)`, `await response()`."""
    async with AsyncExitStack() as stack:
        with _one_line():
            dsp = await stack.enter_async_context(_esme.dsp(esme_broker, tmp_path))
        yield dsp


@asynchronous
async def esme_party(_esme: "Bench", esme_broker: "Broker") -> "AsyncIterator[Parties]":
    """Remote parties: `await esme_party.supplier.read(meter, "4.8.1", via="direct")`."""
    async with _esme.parties(esme_broker) as parties:
        yield parties


@pytest.fixture
def esme_faults(_esme: "Bench") -> "Iterator[EsmeFaults]":
    """Make meters misbehave: in a `with` statement, call it with a fault and selector keys."""
    yield _esme.faults
    for kind in _esme.faults.never_entered:
        how = "use it in a statement: with esme_faults(…):"
        pytest.fail(f"esme: fault {kind} was made but never in force; {how}", False)


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
            raise TypeError("give assert_device_hits either the expected number or at_most=")
        hits = _esme.hits(srv) if meter is None else meter.hits(srv)
        wrong = hits != expected if at_most is None else hits > at_most
        if wrong:
            bound = f"{expected}" if at_most is None else f"at most {at_most}"
            pytest.fail("\n".join([f"{hits!r}, not {bound}", *hits.explain()]), pytrace=True)

    return check


def _loop_problem(request: pytest.FixtureRequest) -> str | None:
    """Return why meters could not answer in the event loop of a test, or None if they can."""
    from pytest_asyncio import is_async_test

    if not is_async_test(request.node):
        return _no_loop(request.node)
    marker = request.node.get_closest_marker("asyncio")
    marked = marker.kwargs.get("loop_scope") if marker else None
    # pytest-asyncio uses the scope "function" if nothing is set.
    tests = marked or request.config.getini(_TEST_LOOP) or "function"
    fixtures = request.config.getini(_FIXTURE_LOOP) or "function"
    if tests == fixtures:
        return None
    return (
        f"this test runs in the event loop of its {tests}, and fixtures in that of the {fixtures}: "
        f"set {_FIXTURE_LOOP} = {tests}, or {_TEST_LOOP} = {fixtures}, "
        f'or mark the test asyncio(loop_scope="{fixtures}")'
    )


def _no_loop(item: pytest.Item) -> str:
    """Return why pytest-asyncio does not run a test, and what to do."""
    from unittest import TestCase

    name = item.name.partition("[")[0]
    if isinstance(item, pytest.DoctestItem):
        return f"doctest {name} has no event loop: write async def test_… in a test file"
    if issubclass(getattr(item, "cls", None) or object, TestCase):
        return f"{name} is a test of unittest, not of pytest-asyncio: write it outside of TestCase"
    if not inspect.iscoroutinefunction(getattr(item, "function", None)):
        return f"write async def {name}: no event loop runs in a def, so no meter could answer"
    if item.get_closest_marker("anyio") is not None:
        return f"{name} runs in an event loop of anyio: mark it asyncio in place of anyio"
    return f"mark {name} with @pytest.mark.asyncio, or set asyncio_mode = auto: its mode is strict"


def _with_password(url: str | None) -> str | None:
    """Return the URL of a broker, with the password from the environment if it has a user only."""
    from esme_emulator.runtime.urls import user_of, with_password

    password = os.environ.get("ESME_BROKER_PASSWORD")
    if url is None or not password or not user_of(url):
        return url
    with suppress(ValueError):  # the URL has a password already, which takes precedence
        return with_password(url, password)
    return url


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn errors that the user can correct into a test failure of one line."""
    from esme_emulator.profiles import ProfileError
    from esme_emulator.runtime.errors import UserError, hint
    from esme_emulator.transport import TransportError

    try:
        yield
    except (ProfileError, TransportError, TypeError, UserError, ValueError) as error:
        raise pytest.fail.Exception(f"esme: {error}", pytrace=False) from None
    except ModuleNotFoundError as error:
        if (text := hint(error)) is None:
            raise
        raise pytest.fail.Exception(f"esme: {text}", pytrace=False) from None
