"""What may import what, read from the source."""

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from tests.support.rtds import ROOT

OURS = frozenset({"gbcs", "emulator", "profiles", "cli"})

PURE = (
    "emulator/device/*.py",
    "emulator/faults/*.py",
    "emulator/esme_emulator/cache/policy/policy.py",
    "emulator/esme_emulator/cache/entry.py",
    "emulator/esme_emulator/cache/policy/effects.py",
    "emulator/esme_emulator/cache/policy/ledger.py",
    "emulator/esme_emulator/cache/policy/accounts.py",
    "emulator/esme_emulator/cache/policy/timers.py",
    "emulator/esme_emulator/cache/policy/audit.py",
    "emulator/esme_emulator/cache/registry/registry.py",
    "emulator/esme_emulator/cache/policy/flights.py",
    "emulator/esme_emulator/cache/policy/invalidation.py",
    "emulator/esme_emulator/cache/registry/holdings.py",
    "emulator/esme_emulator/cache/policy/landing.py",
    "emulator/esme_emulator/cache/policy/replies.py",
    "emulator/esme_emulator/cache/policy/counter_block.py",
    "emulator/esme_emulator/cache/policy/protecting.py",
    "emulator/esme_emulator/cache/policy/reads.py",
    "emulator/esme_emulator/cache/registry/registration.py",
    "emulator/esme_emulator/cache/policy/requests.py",
    "emulator/esme_emulator/cache/policy/dispatch.py",
    "emulator/esme_emulator/cache/policy/settings.py",
    "emulator/esme_emulator/cache/policy/status.py",
    "emulator/esme_emulator/cache/policy/transactions.py",
    "emulator/esme_emulator/fleet/anti_replay.py",
    "emulator/esme_emulator/fleet/call_numbers.py",
    "emulator/esme_emulator/estate/certificate.py",
    "emulator/esme_emulator/fleet/counted_srvs.py",
    "emulator/esme_emulator/fleet/counters.py",
    "emulator/esme_emulator/estate/eui_range.py",
    "emulator/esme_emulator/fleet/fleet.py",
    "emulator/esme_emulator/estate/keys.py",
    "emulator/esme_emulator/fleet/latency.py",
    "emulator/esme_emulator/fleet/outbox.py",
    "emulator/esme_emulator/messaging/device_counter.py",
    "emulator/esme_emulator/estate/parties.py",
    "emulator/esme_emulator/device/profile_curves.py",
    "emulator/esme_emulator/proof/accounts.py",
    "emulator/esme_emulator/proof/observed.py",
    "emulator/esme_emulator/proof/result.py",
    "emulator/esme_emulator/scenario/scenario.py",
    "emulator/esme_emulator/scenario/trace.py",
    "emulator/esme_emulator/messaging/validation.py",
    "emulator/esme_emulator/runtime/draws.py",
    "emulator/esme_emulator/messaging/topics.py",
    "emulator/esme_emulator/messaging/transaction.py",
    "emulator/esme_emulator/transport/limits.py",
    "emulator/esme_emulator/transport/reasons.py",
    "emulator/esme_emulator/transport/topic.py",
    "emulator/esme_emulator/fleet/queueing.py",
    "emulator/esme_emulator/fleet/wan.py",
)
"""Octets and `now` in, octets and decisions out. Packages that are not there yet match nothing."""

OUTSIDE_WORLD = frozenset(
    {
        *("asyncio", "concurrent", "contextvars", "multiprocessing", "queue", "threading"),
        *("sched", "select", "selectors", "signal", "subprocess", "time"),
        *("random", "secrets", "uuid"),
        *("ftplib", "http", "imaplib", "poplib", "smtplib", "socket", "socketserver", "ssl"),
        *("urllib", "xmlrpc"),
        *("dbm", "shelve", "sqlite3"),
        *("fileinput", "glob", "io", "logging", "mmap", "os", "pathlib", "shutil", "tempfile"),
    }
)
"""Modules of clocks, chance, tasks, networks, databases and files."""

CONSTRUCT = ("wire.py", "axdr.py", "records.py", "header.py", "block.py", "dlms/*.py", "gbz/*")
CONSTRUCT_DOOR = "gbcs/wire.py"
ONLY_THE_DOOR_CALLS = frozenset(
    {"parse_stream", "parse_file", "build_stream", "build_file", "parsefunc", "buildfunc"}
)

READERS = {
    "gbcs/crypto/keystore.py": {"pathlib"},
    "gbcs/sources.py": {"io", "pathlib"},
    "gbcs/wire.py": {"io"},
}
"""What modules of the codec take of the outside world: files, and streams in memory."""

HOMES = {
    "aiomqtt": ("emulator/esme_emulator/transport/*",),
    "paho": ("emulator/esme_emulator/transport/*",),
    "amqtt": ("emulator/esme_emulator/transport/*",),
    "click": ("cli.py", "emulator/cli/*.py"),
    "rich": ("emulator/esme_emulator/cli/notes.py", "emulator/show*.py"),
    "asn1tools": ("gbcs/asn1/*",),
    "astral": ("emulator/esme_emulator/device/shapes.py",),
    "fastapi": ("emulator/control/*",),
    "hdrh": ("emulator/esme_emulator/load/histogram.py",),
    "jinja2": ("emulator/esme_emulator/proof/report/page.py",),
    "matplotlib": (
        "emulator/esme_emulator/proof/report/drawing.py",
        "emulator/esme_emulator/cli/render/profile_plot.py",
        "emulator/esme_emulator/proof/report/charts.py",
    ),
    "prometheus_client": ("emulator/esme_emulator/control/metrics.py",),
    "pydantic": (
        "emulator/control/*models.py",
        "emulator/esme_emulator/scenario/file.py",
        "emulator/esme_emulator/runtime/json_schema.py",
    ),
    "starlette": ("emulator/control/*",),
    "uvicorn": ("emulator/esme_emulator/control/server.py", "emulator/esme_emulator/control/connection.py"),
    "valkey": ("emulator/esme_emulator/cache/store/valkey.py",),
    "construct": tuple(f"gbcs/{pattern}" for pattern in CONSTRUCT),
    "sqlite3": ("emulator/cache/sqlite*.py",),
}
"""The only places that import a package."""

CLI_HELPERS = (
    *(
        "emulator/esme_emulator/runtime/extras.py",
        "emulator/esme_emulator/app/one_shot.py",
        "emulator/esme_emulator/app/services.py",
        "emulator/esme_emulator/app/workers.py",
        "emulator/esme_emulator/monitor/snapshot.py",
    ),
    *("emulator/show*.py", "emulator/esme_emulator/estate/estate.py", "emulator/esme_emulator/runtime/clock.py", "emulator/esme_emulator/runtime/tasks.py"),
    *("emulator/esme_emulator/runtime/interrupts.py", "emulator/esme_emulator/runtime/extras.py"),
    *(
        "emulator/esme_emulator/fleet/latency_file.py",
        "emulator/esme_emulator/runtime/files.py",
        "emulator/esme_emulator/runtime/report_folder.py",
        "emulator/esme_emulator/transport/credentials.py",
        "emulator/esme_emulator/runtime/private_file.py",
        "emulator/esme_emulator/scenario/file.py",
        "emulator/proof/report/*.py",
    ),
    *(
        "emulator/esme_emulator/cache/queries.py",
        "emulator/esme_emulator/cache/store/open.py",
        "emulator/esme_emulator/cache/store/base.py",
        "emulator/esme_emulator/cache/registry/file.py",
        "emulator/load/*.py",
    ),
)
"""Modules that the command line uses whole; of others only pure ones, and errors of all."""


@cache
def _sources() -> tuple[str, ...]:
    roots = [ROOT / "gbcs", ROOT / "emulator", ROOT / "profiles"]
    files = [path for root in roots for path in root.rglob("*.py")]
    return tuple(str(path.relative_to(ROOT)) for path in sorted([*files, ROOT / "cli.py"]))


@cache
def _tree(source: str) -> ast.Module:
    return ast.parse((ROOT / source).read_text(), source)


def _package(source: str) -> list[str]:
    return list(Path(source).parent.parts)


@cache
def _imports(source: str) -> frozenset[tuple[str, str]]:
    """Return the module and the name of every import, deferred ones and those for types too."""
    return frozenset(_walk_imports(source))


def _walk_imports(source: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, ""
        elif isinstance(node, ast.ImportFrom):
            way = _package(source)[: len(_package(source)) - node.level + 1] if node.level else []
            module = ".".join([*way, *([node.module] if node.module else [])])
            for name in node.names:
                yield module, name.name


def _packages(source: str) -> set[str]:
    """Return the top-level packages that a module imports."""
    return {module.split(".")[0] for module, _ in _imports(source)}


def _source_of(module: str, name: str) -> str:
    """Return the file of a module of ours, or of `name` in it where that is a module."""
    for dotted in (f"{module}.{name}", module):
        path = dotted.replace(".", "/")
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if candidate in _sources():
                return candidate
    raise AssertionError(f"no source of {module}.{name}")


def _matches(source: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(source, pattern) for pattern in patterns)


def _under(*parts: str) -> list[str]:
    return [source for source in _sources() if source.startswith(tuple(f"{p}/" for p in parts))]


@pytest.mark.parametrize("package", ["gbcs", "profiles"])
def test_codec_and_profiles_import_nothing_else_of_ours(package: str) -> None:
    found = {source: _packages(source) & (OURS - {package}) for source in _under(package)}
    assert len(found) > 1
    assert not {source: others for source, others in found.items() if others}


def test_codec_stands_on_three_packages() -> None:
    allowed = {"gbcs", "construct", "cryptography", "asn1tools", *sys.stdlib_module_names}
    found = {source: _packages(source) - allowed for source in _under("gbcs")}
    assert not {source: others for source, others in found.items() if others}


def test_codec_does_not_go_outside() -> None:
    """Few modules of it read files; none knows clocks, chance, tasks or networks."""
    for source in _under("gbcs"):
        found = _packages(source) & OUTSIDE_WORLD
        assert found <= READERS.get(source, set()), source


@pytest.mark.parametrize("package", HOMES)
def test_packages_stay_at_home(package: str) -> None:
    homes = HOMES[package]
    found = [source for source in _sources() if package in _packages(source)]
    assert [source for source in found if not _matches(source, homes)] == []


def _constructs(source: str) -> set[str]:
    """Return the names that a module gives to constructs: what construct's classes return."""
    makers = {name for module, name in _imports(source) if module.split(".")[0] == "construct"}
    return {
        target.id
        for node in ast.walk(_tree(source))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id in makers
    }


def test_there_is_one_door_to_construct() -> None:
    users = [source for source in _sources() if "construct" in _packages(source)]
    assert CONSTRUCT_DOOR in users
    for source in users:
        if source == CONSTRUCT_DOOR:
            continue
        constructs = _constructs(source)
        for node in ast.walk(_tree(source)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            method, subject = node.func.attr, node.func.value
            where = f"{source}:{node.lineno}"
            assert method not in ONLY_THE_DOOR_CALLS, where
            if method == "compile":
                assert isinstance(subject, ast.Name), where
                assert subject.id == "re", where
            if method in ("parse", "build"):
                assert not (isinstance(subject, ast.Name) and subject.id in constructs), where
                assert not isinstance(subject, ast.Call), where


def _pure() -> list[str]:
    return [source for source in _sources() if _matches(source, PURE)]


def test_the_pure_part_is_there() -> None:
    found = _pure()
    expected = [pattern for pattern in PURE if "*" not in pattern]
    assert set(expected) <= set(found)
    assert any(source.startswith("emulator/esme_emulator/device/") for source in found)


@pytest.mark.parametrize("source", _pure())
def test_the_pure_part_does_not_go_outside(source: str) -> None:
    assert not _packages(source) & OUTSIDE_WORLD
    allowed = {"gbcs", "profiles", "emulator", "cryptography", "astral", "annotated_types"}
    allowed |= sys.stdlib_module_names
    assert _packages(source) <= allowed


@pytest.mark.parametrize("source", _pure())
def test_the_pure_part_imports_of_the_emulator_only_itself(source: str) -> None:
    others = {
        _source_of(module, name)
        for module, name in _imports(source)
        if module.split(".")[0] == "emulator"
    }
    assert {other for other in others if not _matches(other, PURE)} == set()


@pytest.mark.parametrize("source", _pure())
def test_the_pure_part_asks_no_clock_and_opens_no_file(source: str) -> None:
    for node in ast.walk(_tree(source)):
        where = f"{source}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), where
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("open", "input", "print"), where
            assert name.split(".")[-1] not in ("now", "utcnow", "today", "fromtimestamp"), where


COMMAND_LINE = ("cli.py", "emulator/cli/*.py")


def test_nothing_imports_the_command_line() -> None:
    others = [source for source in _sources() if not _matches(source, COMMAND_LINE)]
    assert [source for source in others if "cli" in _packages(source)] == []
    for source in others:
        assert not [m for m, _ in _imports(source) if m.startswith("esme_emulator.cli")], source


def test_the_command_line_is_thin() -> None:
    sources = [source for source in _sources() if _matches(source, COMMAND_LINE)]
    assert len(sources) > 1
    for source in sources:
        for module, name in _imports(source):
            if module.split(".")[0] != "emulator" or name.endswith("Error"):
                continue
            allowed = (*CLI_HELPERS, *PURE, *COMMAND_LINE)
            assert _matches(_source_of(module, name), allowed), f"{source}: {module}.{name}"


def test_the_transport_knows_nothing_of_messages() -> None:
    for source in _under("emulator/esme_emulator/transport"):
        assert not _packages(source) & {"gbcs", "profiles"}, source
