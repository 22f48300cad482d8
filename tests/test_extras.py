"""Packages of extras that are missing: each is one line that says what to install."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from esme_emulator.runtime.errors import EXTRAS, hint
from tests.support.rtds import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

BLOCKED = """
import sys
blocked = set(sys.argv[1].split(","))
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
sys.argv[1:] = sys.argv[2:]
from esme_emulator.cli.main import main
main()
"""
"""Runs `esme` with the packages missing that the first argument names."""

READ = "read 00DBE50000000000 4.8.1 --from 2026-01-14 --to 2026-01-15"


ONLY = {"iotcore": {"amqtt"}}
"""Packages that would do instead of a missing one."""


def esme_without(packages: set[str], args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, ",".join(packages), *args.split()],
        cwd=cwd,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'emulator'}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def of_extra(*extras: str) -> set[str]:
    return {package for package, extra in EXTRAS.items() if extra in extras}


@pytest.mark.parametrize(
    ("args", "package"),
    [
        ("--version", "click"),
        ("keys", "click"),
        ("serve --port 0", "iotcore"),
        ("serve --port 0 --mqtt 3.1.1", "amqtt"),
        ("serve --port 0 --store memory: --control 0", "fastapi"),
        ("cache inspect valkey://127.0.0.1:1/0", "valkey"),
        ("keys --format dccboxed", "lxml"),
        ("load --broker mqtt://127.0.0.1:1", "hdrh"),
        ("prove", "jinja2"),
        ("profiles plot domestic --out plot.svg", "matplotlib"),
    ],
)
@pytest.mark.processes
def test_a_missing_package_is_one_line_with_its_extra(
    args: str, package: str, tmp_path: Path
) -> None:
    said = esme_without({package, *ONLY.get(package, ())}, args, tmp_path)
    assert said.stderr == (
        f"esme: {package} is not installed: pip install 'esme-emulator[{EXTRAS[package]}]'\n"
    )
    assert (said.returncode, said.stdout) == (1, "")


@pytest.mark.processes
@pytest.mark.parametrize(
    ("args", "extras"),
    [
        ("--version", ()),
        ("keys --meters 1", ()),
        ("decode --json 00", ()),
        ("profiles", ()),
        ("serve --help", ()),
        ("fleet --help", ()),
        ("cache --help", ()),
        (READ, ()),
        ("report compare absent absent", ()),
    ],
)
def test_a_command_needs_no_other_extra(args: str, extras: tuple[str, ...], tmp_path: Path) -> None:
    missing = set(EXTRAS) - of_extra("emulator", *extras)
    assert "is not installed" not in esme_without(missing, args, tmp_path).stderr


@pytest.mark.processes
def test_the_codec_takes_none(tmp_path: Path) -> None:
    script = BLOCKED.replace(
        "from esme_emulator.cli.main import main\nmain()", "import gbcs, gbcs.explain"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, ",".join(EXTRAS)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0


def test_every_package_of_an_extra_has_a_hint() -> None:
    distributions = packages_distributions()
    for package, extra in EXTRAS.items():
        brought = " ".join(PROJECT["optional-dependencies"][extra]).lower().replace("_", "-")
        names = [name.lower().replace("_", "-") for name in distributions[package]]
        indirect = {"paho": "aiomqtt", "starlette": "fastapi", "markupsafe": "jinja2"}
        assert any(name in brought for name in [*names, indirect.get(package, "?")]), package
    missing = {
        requirement
        for extra in set(EXTRAS.values())
        for requirement in PROJECT["optional-dependencies"][extra]
        if not requirement.startswith("esme-emulator[")
        and not any(
            requirement.lower().replace("_", "-").startswith(name.lower().replace("_", "-"))
            for package in EXTRAS
            for name in distributions[package]
        )
    }
    assert not missing


def test_another_package_has_no_hint() -> None:
    assert hint(ModuleNotFoundError(name="nowhere")) is None
    assert hint(ModuleNotFoundError()) is None
