"""The examples work as they describe."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from esme_emulator.cli.main import main
from esme_emulator.faults.loading import rules_from
from gbcs.tables.profile_logs import BY_SRV
from tests.emulator.pytest_plugin.running import run, run_here
from tests.support.container import COMPOSE, dockerfile
from tests.support.rtds import ROOT

pytest_plugins = ["pytester"]

EXAMPLES = ROOT / "examples"
_KEYS = shutil.ignore_patterns("*.pem", "__pycache__", ".pytest_cache")


@pytest.mark.processes
@pytest.mark.parametrize(
    ("folder", "outcomes"),
    [
        ("pytest", {"passed": 10}),
        ("own_system", {"passed": 4, "xfailed": 1}),
        ("billing", {"passed": 3}),
    ],
)
def test_example_tests_pass(
    folder: str, outcomes: dict[str, int], pytester: pytest.Pytester
) -> None:
    shutil.copytree(EXAMPLES / folder, pytester.path, dirs_exist_ok=True)
    options = ("-W", "error", "-p", "no:cacheprovider", "--strict-markers")
    run_here(pytester, *options).assert_outcomes(**outcomes)


@pytest.mark.processes
def test_the_own_supplier_reads_with_keys_of_openssl(pytester: pytest.Pytester) -> None:
    folder = EXAMPLES / "own_supplier"
    shutil.copytree(folder, pytester.path, dirs_exist_ok=True, ignore=_KEYS)
    if shutil.which("openssl") is None:
        for name in ("ka.pem", "ds.pem"):
            key = ec.generate_private_key(ec.SECP256R1())
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (pytester.path / name).write_bytes(pem)
    else:
        subprocess.run([pytester.path / "make_keys.sh"], check=True, capture_output=True)
    run_here(pytester, "-W", "error", "-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_page_of_keys_has_the_commands_of_the_example() -> None:
    page = (ROOT / "docs/keys.md").read_text("utf-8")
    script = (EXAMPLES / "own_supplier" / "make_keys.sh").read_text("utf-8")
    [command] = [line for line in script.splitlines() if "openssl" in line]
    for usage in ("ka", "ds"):
        written = command.removeprefix("do ").replace('"$usage.pem"', f"{usage}.pem")
        assert f"$ {written}\n" in page
    for line in (EXAMPLES / "own_supplier" / "parties.toml").read_text("utf-8").splitlines()[:4]:
        assert line in page


@pytest.mark.parametrize("page", ["README.md", "docs/pytest.md"])
def test_tests_on_pages_pass(page: str, pytester: pytest.Pytester) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    first = next(block for block in blocks if "async def test_" in block)
    number = first.count("async def test_")
    run(pytester, first).assert_outcomes(passed=number)


def test_the_shared_fleet_on_the_page_works(pytester: pytest.Pytester) -> None:
    page = (ROOT / "docs/pytest.md").read_text("utf-8")
    section = page.partition("## Share a fleet\n")[2].partition("\n## ")[0]
    ini, tests = re.findall(r"^```(?:ini|python)\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    pytester.makeini(ini)
    pytester.makepyfile(tests)
    run_here(pytester, "-W", "error").assert_outcomes(passed=2)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_client_reads_yesterday(capsys: pytest.CaptureFixture[str]) -> None:
    rows = await _module(EXAMPLES / "asyncio_client.py").main([])
    assert len(rows) == 49
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 49
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:[03]0:00Z \d+ Wh", line) for line in lines)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("asyncio_client.py", ["mqtt://127.0.0.1:1"], "give the URL of a broker and the EUI *"),
        ("asyncio_client.py", ["mqtt://127.0.0.1:1", "x"], "'x' is not an EUI-64: *"),
        ("asyncio_client.py", ["x", "00DBE50000000007"], "'x' is not the URL of a broker: *"),
        ("own_system/own_cache.py", [], "give the URL of a broker and the keystore file *"),
        ("own_system/own_cache.py", ["x", "none.json"], "keystore none.json: *"),
    ],
)
def test_wrong_arguments_are_reported_in_one_line(
    script: str, arguments: list[str], message: str
) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert fnmatch(line, message)


@pytest.mark.processes
def test_the_script_for_ci_proves_its_scenario(tmp_path: Path) -> None:
    # with the `esme` of this environment, in an empty folder
    folder = Path(sys.executable).parent
    if not (folder / "esme").exists():
        pytest.skip("esme is not installed in this environment (make test installs it)")
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed (apt-get install bash)")
    summary = tmp_path / "step.md"
    done = subprocess.run(
        ["bash", EXAMPLES / "ci.sh"],
        cwd=tmp_path,
        env={"PATH": f"{folder}:/usr/bin:/bin", "GITHUB_STEP_SUMMARY": str(summary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "passed; JUnit report: report/junit.xml\n"
    assert "PASSED" in done.stderr
    scenario = tomllib.loads((EXAMPLES / "ci-scenario.toml").read_text("utf-8"))
    report = ElementTree.parse(tmp_path / "report" / "junit.xml").getroot()
    assert report.find(".//failure") is None
    assert len(report.findall(".//testcase")) >= len(scenario["thresholds"])
    assert summary.read_text("utf-8") == (tmp_path / "report" / "summary.md").read_text("utf-8")


@pytest.mark.processes
@pytest.mark.parametrize(("code", "message"), [(0, "passed; JUnit report: out/junit.xml"), (1, "")])
def test_the_script_for_ci_exits_with_the_code_of_the_proof(
    code: int, message: str, tmp_path: Path
) -> None:
    stub = tmp_path / "esme"
    stub.write_text(f'#!/bin/sh\necho "$@" > asked\nexit {code}\n')
    stub.chmod(0o755)
    done = subprocess.run(
        ["sh", EXAMPLES / "ci.sh", "mine.toml", "out"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (code, message)
    assert (tmp_path / "asked").read_text().split() == [
        *("prove", "mine.toml", "--report", "out", "--json")
    ]


def test_the_scenario_for_ci_has_valid_thresholds_mix_and_faults() -> None:
    scenario = tomllib.loads((EXAMPLES / "ci-scenario.toml").read_text("utf-8"))
    assert {"ledger_difference == 0", "replies_different == 0"} <= set(scenario["thresholds"])
    assert {mix["srv"] for mix in scenario["mix"]} <= BY_SRV.keys()
    assert len(rules_from(scenario["fault"])) == 1


def _commands() -> list[tuple[str, str]]:
    """Return each command line of `esme` in the examples, with its file."""
    found = []
    for path in sorted(EXAMPLES.rglob("*")):
        if path.suffix in (".md", ".sh", ".py", ".yaml"):
            text = path.read_text("utf-8")
            pattern = (
                r"^[ #]*(?:command: )?(?:esme )?((?:prove|read|load|keys|fleet|cache) .*--.*)$"
            )
            found += [(path.name, line) for line in re.findall(pattern, text, re.MULTILINE)]
    return found


@pytest.mark.parametrize(("where", "line"), _commands())
def test_options_in_examples_exist(where: str, line: str) -> None:
    command, *words = line.split()
    help_page = CliRunner().invoke(main, [command, "--help"])
    assert help_page.exit_code == 0, f"{where}: esme has no command {command}"
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", help_page.output), (
            f"{where}: esme {command} has no {option}"
        )


def _services() -> dict[str, dict[str, Any]]:
    """Return the services of compose.yaml that run `esme`, with their commands as words."""
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load((COMPOSE / "compose.yaml").read_text("utf-8"))["services"]
    del services["broker"]
    default = dockerfile()["CMD"]
    return {
        name: one | {"command": one["command"].split() if "command" in one else default}
        for name, one in services.items()
    }


def test_compose_starts_every_shard_of_the_fleet() -> None:
    text = (COMPOSE / "compose.yaml").read_text("utf-8")
    assert re.findall(r"--shard (\d)/4", text) == ["0", "1", "2", "3"]
    assert len(set(re.findall(r"--meters (\d+)", text))) == 1
    for mounted in re.findall(r'"\./([^:]+):', text):
        assert (COMPOSE / mounted).is_file()
    services = _services()
    assert sorted(services) == ["cache", "fleet-0", "fleet-1", "fleet-2", "fleet-3", "serve"]
    assert services["serve"]["profiles"] == ["serve"], "it would take the port of mosquitto"
    assert "depends_on" not in services["serve"]


def test_compose_publishes_ports_on_loopback_alone_and_each_once() -> None:
    ports = {name: one["ports"] for name, one in _services().items()}
    assert ports.pop("serve") == ["127.0.0.1:1883:1883", "127.0.0.1:8080:8080"]
    published = [port for [port] in ports.values()]
    assert all(re.fullmatch(r"127\.0\.0\.1:808\d:8080", port) for port in published)
    assert len(set(published)) == len(published)


def test_commands_of_compose_are_valid_and_need_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, one in _services().items():
        [(variable, value)] = one["environment"].items()
        assert value.startswith(f"${{{variable}:?"), f"{name} starts without a token"
        with click.Context(main) as parent:
            word, command, words = main.resolve_command(parent, list(one["command"]))
            assert command is not None
            monkeypatch.setenv(variable, "0123456789abcdef")
            options = command.make_context(word, list(words), parent).params
            assert (options["listen"].host, options["control"]) == ("0.0.0.0", 8080)
            monkeypatch.delenv(variable)
            with pytest.raises(click.UsageError, match=variable):
                command.make_context(word, list(words), parent)


def test_the_image_has_every_file_that_its_wheel_is_built_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]
    about = project["project"]
    needed = {path.lstrip("/").split("/")[0] for path in included}
    needed |= {"pyproject.toml", "constraints.txt", about["readme"], *about["license-files"]}
    copied = {name for words in dockerfile()["COPY"] for name in words.split()[:-1]}
    assert needed <= copied
    assert all((ROOT / name).exists() for name in copied)


def test_mosquitto_has_the_settings_of_the_page_on_brokers() -> None:
    page = (ROOT / "docs" / "broker.md").read_text("utf-8")
    settings = (COMPOSE / "mosquitto.conf").read_text("utf-8").splitlines()
    for line in ("set_tcp_nodelay true", "max_inflight_messages 0", "max_queued_messages 0"):
        assert line in settings
        assert line in page
