"""The pytest plugin `esme`: meters, a reading cache, parties and faults as fixtures.

pytest loads this module at every start, so it imports only pytest and, if installed,
pytest-asyncio. Each fixture imports what it needs when a test uses it.
"""

import inspect
import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

import pytest

if TYPE_CHECKING:
    from pytest_asyncio import fixture as asynchronous

    from esme_emulator.pytest_plugin.bench import Bench, EuiAllocator
    from esme_emulator.pytest_plugin.clock import AnyClock
    from esme_emulator.pytest_plugin.dsp import EsmeDsp
    from esme_emulator.pytest_plugin.faults import EsmeFaults
    from esme_emulator.pytest_plugin.party import Parties
    from esme_emulator.pytest_plugin.settings import Settings
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

_SCOPE = "esme_scope"
_Scope: TypeAlias = Literal["function", "class", "module", "package", "session"]
_SCOPES = get_args(_Scope)
"""Scopes of fixtures, narrow ones first."""

# Settings of pytest-asyncio: the scope of the event loop that fixtures and tests run in.
_FIXTURE_LOOP = "asyncio_default_fixture_loop_scope"
_TEST_LOOP = "asyncio_default_test_loop_scope"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options `--esme-broker` and `--esme-seed`, and the setting `esme_scope`."""
    group = parser.getgroup("esme", "emulated smart electricity meters")
    group.addoption(
        "--esme-broker",
        metavar="BROKER",
        help="memory (default), embedded (MQTT on a free port for each test), embedded-3.1.1, "
        "or mqtt://host:port",
    )
    group.addoption("--esme-seed", metavar="SEED", help="seed for keys, meters and readings")
    scopes = ", ".join(_SCOPES)
    parser.addini(_SCOPE, f"scope of the esme fixtures: {scopes}", "string", "function")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker `esme`, and check the setting `esme_scope`."""
    config.addinivalue_line(
        "markers",
        "esme(meters=10, profiles=None, fleet=None, seed='1', latency='none', wan=None, "
        "strict=False, retention=25, cache={}, parties=None, broker='memory', clock='manual', "
        "now=None, quiet=None): settings of the esme fixtures of a test",
    )
    scope = config.getini(_SCOPE)
    if scope not in _SCOPES:
        raise pytest.UsageError(f"{_SCOPE} = {scope}: choose one of {', '.join(_SCOPES)}")


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Return the device hits behind a failed comparison, or None if it compared no hits."""
    journal = sys.modules.get(_JOURNAL)
    if journal is None:
        return None
    hits = [side for side in (left, right) if isinstance(side, journal.Hits)]
    if not hits:
        return None
    return [f"{left!r} {op} {right!r}", *[line for one in hits for line in one.explain()]]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget the test before, so that a failed setup does not show its events."""
    _begin_test(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a section to a failed test: commands received, decisions of the cache, faults fired."""
    report = yield
    bench = _bench_of(item)
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
        """Return a fleet that runs as long as the fixtures; no other fleet has its EUIs."""
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


def _scope(fixture_name: str, config: pytest.Config) -> _Scope:
    """Return the scope of the fixtures, for pytest."""
    # A setting and not a marker, since pytest asks for the scope before it knows any test.
    scope: _Scope = config.getini(_SCOPE)
    return scope


@pytest.fixture(scope=_scope)
def _esme(request: pytest.FixtureRequest) -> "Bench":
    if not request.config.pluginmanager.hasplugin("asyncio"):
        pytest.fail("the esme fixtures need pytest-asyncio: pip install pytest-asyncio", False)
    from esme_emulator.pytest_plugin.bench import Bench, EuiAllocator, NearbyFiles

    config, node = request.config, request.node
    is_own = isinstance(node, pytest.Item)
    problem = _loop_problem(node) if is_own else _narrow_loop(config, _fixture_loop(config))
    if problem is not None:
        pytest.fail(f"esme: {problem}", False)
    if _ALLOCATOR not in config.stash:
        worker = getattr(config, "workerinput", {}).get("workerid", "gw-1")
        config.stash[_ALLOCATOR] = EuiAllocator(int(worker.removeprefix("gw")) + 1)
    with _one_line():
        files = NearbyFiles(node.path if node.path.is_dir() else node.path.parent)
        bench = Bench(_settings(node), config.stash[_ALLOCATOR], files)
        node.stash[_BENCH] = bench
    return bench


@pytest.fixture(autouse=True)
def _esme_test(request: pytest.FixtureRequest) -> None:
    """Let a test see only its own events, and refuse it if it cannot share the fixtures."""
    # After the fixtures of wider scopes, whose events belong to no test, and before all others.
    item = request.node
    if "_esme" in request.fixturenames:
        bench = request.getfixturevalue("_esme")
        if _BENCH not in item.stash:
            problem = _loop_problem(item) or _conflict(item, bench)
            if problem is not None:
                pytest.fail(f"esme: {problem}", False)
    _begin_test(item)


@asynchronous(scope=_scope)
async def esme_broker(_esme: "Bench") -> "AsyncIterator[Broker]":
    """Broker of the fixtures: a `transport.MemoryBroker`, or the URL of an MQTT broker."""
    async with AsyncExitStack() as stack:
        with _one_line():
            broker = await stack.enter_async_context(_esme.broker())
        yield broker


@pytest.fixture(scope=_scope)
def esme_clock(_esme: "Bench") -> "AnyClock":
    """Clock of meters and cache. A manual one moves with `await esme_clock.advance(hours=25)`."""
    return _esme.clock


@asynchronous(scope=_scope)
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


@asynchronous(scope=_scope)
async def esme_fleet(esme_make_fleet: MakeFleet) -> "EsmeFleet":
    """Fleet of meters that the marker `esme` describes: `meters`, `counters`, `hits()`."""
    return await esme_make_fleet()


@pytest.fixture(scope=_scope)
def esme_meters(esme_fleet: "EsmeFleet") -> "EsmeMeters":
    """Meters of `esme_fleet`, by number from 0: `eui`, `hits()`, `rows()`."""
    return esme_fleet.meters


@pytest.fixture(scope=_scope)
def esme_meter(esme_fleet: "EsmeFleet") -> "EsmeMeter":
    """First meter of `esme_fleet`."""
    return esme_fleet.meters[0]


@asynchronous(scope=_scope)
async def esme_cache(
    request: pytest.FixtureRequest, _esme: "Bench", esme_broker: "Broker"
) -> "AsyncIterator[EsmeCache]":
    """Run the reading cache on the prefix `s1sp`: `ledger`, `decisions`, `purge()`."""
    async with AsyncExitStack() as stack:
        with _one_line():
            registry = None
            if _uses_dsp(request):  # users of DUIS have more roles
                from esme_emulator.gateway.keys import duis_registry

                registry = duis_registry(_esme.known_parties)
            cache = await stack.enter_async_context(_esme.cache(esme_broker, registry))
        yield cache


@asynchronous(scope=_scope)
async def esme_dsp(
    _esme: "Bench",
    esme_broker: "Broker",
    esme_fleet: "EsmeFleet",
    esme_cache: "EsmeCache",
    tmp_path_factory: pytest.TempPathFactory,
) -> "AsyncIterator[EsmeDsp]":
    """Run the front door for DUIS before `esme_cache`: `url`, `sign(xml)`, `await response()`."""
    async with AsyncExitStack() as stack:
        with _one_line():
            folder = tmp_path_factory.mktemp("esme")
            dsp = await stack.enter_async_context(_esme.dsp(esme_broker, folder))
        yield dsp


@asynchronous(scope=_scope)
async def esme_party(_esme: "Bench", esme_broker: "Broker") -> "AsyncIterator[Parties]":
    """Remote parties: `await esme_party.supplier.read(meter, "4.8.1", via="direct")`."""
    async with _esme.parties(esme_broker) as parties:
        yield parties


@pytest.fixture
def esme_faults(_esme: "Bench") -> "Iterator[EsmeFaults]":
    """Make meters misbehave: in a `with` statement, call it with a fault and selector keys."""
    yield _esme.faults
    for kind in _esme.faults.end_test():
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


def _bench_of(item: pytest.Item) -> "Bench | None":
    """Return what runs for a test, or for a class, module, package or session around it."""
    stashes = (node.stash for node in reversed(item.listchain()))
    return next((stash[_BENCH] for stash in stashes if _BENCH in stash), None)


def _begin_test(item: pytest.Item) -> None:
    """Let what runs for a test forget what happened before."""
    bench = _bench_of(item)
    if bench is not None:
        bench.begin_test()


def _settings(node: pytest.Item | pytest.Collector) -> "Settings":
    """Return the settings of a test, or of a class, module, package or session."""
    from esme_emulator.pytest_plugin.settings import settings_of

    return settings_of(
        [(mark.args, mark.kwargs) for mark in node.iter_markers("esme")],
        broker=_with_password(node.config.getoption("--esme-broker")),
        seed=node.config.getoption("--esme-seed"),
    )


def _conflict(item: pytest.Item, bench: "Bench") -> str | None:
    """Return why a test cannot share what runs, or None if it can."""
    from esme_emulator.pytest_plugin.settings import differences

    with _one_line():
        wanted, shared = differences(_settings(item), bench.settings)
    if not wanted:
        return None
    scope = item.config.getini(_SCOPE)
    return (
        f"{item.name} is marked esme({wanted}), but the fixtures of its {scope} have "
        f"esme({shared}): with {_SCOPE} = {scope}, mark the {scope} and not the test"
    )


def _uses_dsp(request: pytest.FixtureRequest) -> bool:
    """Return whether a test that shares the fixtures of `request` uses `esme_dsp`."""
    node = request.node
    items = [node] if isinstance(node, pytest.Item) else request.session.items
    return any(
        "esme_dsp" in getattr(item, "fixturenames", ()) and node in item.listchain()
        for item in items
    )


def _fixture_loop(config: pytest.Config) -> str:
    """Return the scope of the event loop of the fixtures."""
    loop = config.getini(_FIXTURE_LOOP)
    # pytest-asyncio uses the scope of the fixture if nothing is set.
    return str(loop if loop in _SCOPES else config.getini(_SCOPE))


def _narrow_loop(config: pytest.Config, *loops: str) -> str | None:
    """Return what to do if one of the event loops ends before the fixtures, else None."""
    scope = config.getini(_SCOPE)
    narrow = min(loops, key=_SCOPES.index)
    if _SCOPES.index(narrow) >= _SCOPES.index(scope):
        return None
    return (
        f"{_SCOPE} = {scope} needs an event loop of that scope, and not of the {narrow}: "
        f"set {_FIXTURE_LOOP} = {scope} and {_TEST_LOOP} = {scope}"
    )


def _loop_problem(item: pytest.Item) -> str | None:
    """Return why meters could not answer in the event loop of a test, or None if they can."""
    from pytest_asyncio import is_async_test

    if not is_async_test(item):
        return _no_loop(item)
    marker = item.get_closest_marker("asyncio")
    marked = marker.kwargs.get("loop_scope") if marker else None
    # pytest-asyncio uses the scope "function" if nothing is set.
    tests = marked or item.config.getini(_TEST_LOOP) or "function"
    fixtures = _fixture_loop(item.config)
    if tests == fixtures:
        return _narrow_loop(item.config, tests)
    return _narrow_loop(item.config, tests, fixtures) or (
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
