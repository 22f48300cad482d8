"""The arrows between rooms, and the purity of the core, checked in the import statements."""

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from tests.support.rtds import ROOT

OURS = frozenset({"gbcs", "esme_emulator", "cli"})

PACKAGE = "emulator/esme_emulator"

ARROWS = {
    "runtime": (),
    "profiles": ("runtime",),
    "estate": ("runtime",),
    "transport": ("runtime",),
    "messaging": ("runtime", "transport"),
    "device": ("runtime", "profiles"),
    "faults": ("runtime", "profiles", "estate", "device"),
    "fleet": ("runtime", "profiles", "device", "faults", "messaging", "transport"),
    "cache": ("runtime", "estate", "messaging", "transport"),
    "gateway": ("runtime", "estate", "messaging", "transport", "cache"),
    "scenario": ("runtime", "profiles", "estate", "faults", "fleet", "messaging", "cache"),
    "monitor": (
        *("runtime", "profiles", "transport", "messaging", "device", "faults", "fleet", "cache"),
        "gateway",
    ),
    "control": (
        *("runtime", "profiles", "transport", "device", "faults", "fleet", "cache", "gateway"),
        "monitor",
    ),
    "proof": (
        *("runtime", "profiles", "estate", "device", "faults", "messaging", "transport"),
        *("fleet", "cache", "gateway", "scenario"),
    ),
    "load": ("runtime", "estate", "messaging", "transport", "gateway", "scenario"),
}
"""The rooms that each room may import. A room comes after those that it uses."""

COMPOSERS = ("app", "cli", "pytest_plugin")
"""Rooms that put the others together, and may import any of them."""

PURE = ("device/*", "faults/*", "fleet/*", "cache/policy/*", "cache/registry/*", "gateway/*")
"""Octets and `now` in, octets and decisions out. What these modules import must be pure too."""

AT_THE_EDGE = (
    *("*/service.py", "*file.py"),
    *("gateway/deliveries.py", "gateway/http.py", "gateway/outbox.py", "gateway/xsd.py"),
)
"""Exceptions in these rooms: modules that await or read files."""

GROUND = ("profiles/*",)
"""Pure modules may use these, although they read the shipped TOML files."""

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
"""Standard modules of clocks, randomness, tasks, networks, databases and files."""

CONSTRUCT = ("wire.py", "axdr.py", "records.py", "header.py", "block.py", "dlms/*.py", "gbz/*")
CONSTRUCT_DOOR = "gbcs/wire.py"
ONLY_THE_DOOR_CALLS = frozenset(
    {"parse_stream", "parse_file", "build_stream", "build_file", "parsefunc", "buildfunc"}
)

READERS = {
    "gbcs/crypto/keystore.py": {"pathlib"},
    "gbcs/sources.py": {"io", "pathlib"},
    "gbcs/tables/table.py": {"pathlib"},
    "gbcs/text_messages.py": {"io"},
    "gbcs/wire.py": {"io"},
}
"""What modules of the codec use of the outside world: files, and streams in memory."""

HOMES = {
    "mqtt5": ("transport/mqtt_v5.py",),
    "aiomqtt": ("transport/mqtt_v311.py",),
    "paho": ("transport/mqtt_v311.py",),
    "amqtt": ("transport/*",),
    "iotcore": ("transport/*",),
    "click": ("cli/*.py",),
    "rich": ("cli/render/*.py",),
    "asn1tools": ("gbcs/asn1/*",),
    "astral": ("device/energy.py",),
    "fastapi": ("control/*",),
    "fastapi_offline": ("control/page_routes.py",),
    "hdrh": ("load/tally.py",),
    "jinja2": ("runtime/report_page.py",),
    "lxml": ("gateway/*", "pytest_plugin/dsp.py"),
    "matplotlib": ("cli/render/profiles.py", "proof/report/*.py"),
    "prometheus_client": ("control/metrics.py",),
    "pydantic": (
        *("control/*models.py", "faults/*", "profiles/schema.py", "scenario/*.py"),
        "profiles/fleet_file.py",
        *("cache/registry/*", "runtime/config.py", "runtime/reports.py"),
    ),
    "pydantic_core": ("runtime/config.py",),
    "signxml": ("gateway/signature.py",),
    "starlette": ("control/*", "gateway/http.py", "runtime/http_server.py"),
    "httpx": ("gateway/deliveries.py", "load/duis.py", "proof/through_duis.py", "cli/duis.py"),
    "uvicorn": ("runtime/http_server.py",),
    "valkey": ("cache/store/valkey_servers.py",),
    "construct": tuple(f"gbcs/{pattern}" for pattern in CONSTRUCT),
    "sqlite3": ("cache/store/sqlite*.py",),
}
"""The only places that import a package."""


@cache
def _sources() -> tuple[str, ...]:
    files = [path for root in (ROOT / "gbcs", ROOT / PACKAGE) for path in root.rglob("*.py")]
    return tuple(str(path.relative_to(ROOT)) for path in sorted([*files, ROOT / "cli.py"]))


def _ours(source: str) -> str:
    """Return the path of a module within its package folder."""
    return source.removeprefix(f"{PACKAGE}/")


@cache
def _tree(source: str) -> ast.Module:
    return ast.parse((ROOT / source).read_text(), source)


def _package(source: str) -> list[str]:
    return list(Path(source).parent.parts)


@cache
def _imports(source: str) -> frozenset[tuple[str, str]]:
    """Return module and name of every import, including deferred ones and those for types."""
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
    """Return the file of one of our modules, or of `name` in it if that is a module."""
    for dotted in (f"{module}.{name}", module):
        path = dotted.replace(".", "/")
        if path.startswith("esme_emulator"):
            path = f"emulator/{path}"
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if candidate in _sources():
                return candidate
    raise AssertionError(f"no source of {module}.{name}")


def _matches(source: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(_ours(source), pattern) for pattern in patterns)


def _under(*parts: str) -> list[str]:
    return [source for source in _sources() if source.startswith(tuple(f"{p}/" for p in parts))]


def test_codec_imports_nothing_else_of_ours() -> None:
    found = {source: _packages(source) & (OURS - {"gbcs"}) for source in _under("gbcs")}
    assert len(found) > 1
    assert not {source: others for source, others in found.items() if others}


@cache
def _ours_used(source: str) -> frozenset[str]:
    """Return the modules of the emulator that a module imports."""
    imports = [each for each in _imports(source) if each[0].split(".")[0] == "esme_emulator"]
    return frozenset(_source_of(module, name) for module, name in imports)


def _room(source: str) -> str:
    return _ours(source).split("/")[0]


def _rooms_used(source: str) -> set[str]:
    """Return the rooms that a module imports, except its own."""
    return {_room(other) for other in _ours_used(source)} - {_room(source)}


def test_every_module_is_in_a_room() -> None:
    rooms = {_room(source) for source in _under(PACKAGE)}
    assert rooms - {"__init__.py", "__main__.py"} == {*ARROWS, *COMPOSERS}


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_what_its_arrows_allow(room: str) -> None:
    sources = _under(f"{PACKAGE}/{room}")
    assert sources
    wrong = {source: _rooms_used(source) - {*ARROWS[room]} for source in sources}
    assert not {source: others for source, others in wrong.items() if others}


def test_arrows_lead_to_lower_rooms() -> None:
    """So there is no circle: each room uses only rooms that the table names before it."""
    rooms = list(ARROWS)
    for room, used in ARROWS.items():
        assert all(rooms.index(other) < rooms.index(room) for other in used), room


def test_cache_policy_imports_no_store() -> None:
    for source in _under(f"{PACKAGE}/cache/policy", f"{PACKAGE}/cache/registry"):
        stores = [other for other in _ours_used(source) if "/cache/store/" in other]
        assert not stores, source


def test_codec_depends_on_three_packages() -> None:
    allowed = {"gbcs", "construct", "cryptography", "asn1tools", *sys.stdlib_module_names}
    found = {source: _packages(source) - allowed for source in _under("gbcs")}
    assert not {source: others for source, others in found.items() if others}


def test_codec_does_not_use_the_outside_world() -> None:
    """Few of its modules read files; none uses clocks, randomness, tasks or networks."""
    for source in _under("gbcs"):
        found = _packages(source) & OUTSIDE_WORLD
        assert found <= READERS.get(source, set()), source


@pytest.mark.parametrize("package", HOMES)
def test_packages_are_imported_only_by_their_users(package: str) -> None:
    homes = HOMES[package]
    found = [source for source in _sources() if package in _packages(source)]
    assert [source for source in found if not _matches(source, homes)] == []


def _constructs(source: str) -> set[str]:
    """Return the names that a module assigns constructs to: results of construct's classes."""
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


def test_only_one_module_calls_construct() -> None:
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


@cache
def _pure() -> tuple[str, ...]:
    """Return the pure modules and all modules of the emulator that they import."""
    pure: set[str] = set()
    found = {source for source in _sources() if _matches(source, PURE)}
    found -= {source for source in found if _matches(source, AT_THE_EDGE)}
    while found:
        pure |= found
        used = {other for source in found for other in _ours_used(source)}
        found = {other for other in used - pure if not _matches(other, GROUND)}
    return tuple(sorted(pure))


def test_every_pattern_of_purity_matches_a_module() -> None:
    for pattern in PURE:
        assert [source for source in _sources() if _matches(source, (pattern,))], pattern


@pytest.mark.parametrize("source", _pure())
def test_pure_modules_do_not_use_the_outside_world(source: str) -> None:
    users = [user for user in _pure() if source in _ours_used(user)]
    assert not _packages(source) & OUTSIDE_WORLD, f"used by {users}"
    allowed = {"gbcs", "esme_emulator", "cryptography", "astral", "lxml", "signxml"}
    allowed |= {"annotated_types", "pydantic", "pydantic_core", *sys.stdlib_module_names}
    assert _packages(source) <= allowed


@pytest.mark.parametrize("source", _pure())
def test_pure_modules_read_no_clock_and_open_no_file(source: str) -> None:
    for node in ast.walk(_tree(source)):
        where = f"{source}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), where
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("open", "input", "print"), where
            assert name.split(".")[-1] not in ("now", "utcnow", "today", "fromtimestamp"), where


def test_nothing_imports_the_command_line_or_the_plugin() -> None:
    for source in _under(PACKAGE):
        if _room(source) not in ("cli", "__main__.py"):
            assert "cli" not in _rooms_used(source), source
        if _room(source) != "pytest_plugin":
            assert "pytest_plugin" not in _rooms_used(source), source


def test_transport_does_not_import_the_codec() -> None:
    for source in _under(f"{PACKAGE}/transport"):
        assert "gbcs" not in _packages(source), source
