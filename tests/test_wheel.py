"""Installations: what the wheel owns, and that it works beside packages and projects of others.

Needs no package index. The wheels are built with hatchling from the `test` extra, and the virtual
environments find the dependencies of this project among those of the tests.
"""

import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.estate import METER, command
from tests.support.rtds import ROOT

for tool in ("hatchling", "pip"):
    pytest.importorskip(
        tool, reason=f"{tool} is not installed, so no wheel is built: make .venv/dev"
    )
pytestmark = pytest.mark.processes

OWNED = ("gbcs", "esme_emulator")

SOURCES = {
    "gbcs": "gbcs",
    "emulator/esme_emulator": "esme_emulator",
    "profiles": "esme_emulator/profiles/shipped",
}
"""Folders of the repository by what they are called in the wheel."""

# A user's project whose names are those of our folders.
PROJECT = {
    "cli.py": "OWNER = 'project'\n",
    "emulator/engine.py": "OWNER = 'project'\n",
    "profiles/__init__.py": "OWNER = 'project'\n",
    "test_project.py": """\
import cli
import profiles
from emulator import engine


async def test_reads_a_meter(esme_cache, esme_party, esme_meter):
    assert cli.OWNER == engine.OWNER == profiles.OWNER == "project"
    reading = await esme_party.supplier.read(esme_meter, "4.8.1")
    assert reading.rows == esme_meter.rows("4.8.1")
    assert esme_meter.hits() == 1
""",
    "pyproject.toml": "[tool.pytest.ini_options]\nasyncio_mode = 'auto'\n",
}

OTHER_PACKAGE = {
    "cli.py": "OWNER = 'other package'\n",
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "other"
version = "1"
[tool.hatch.build.targets.wheel]
include = ["/cli.py"]
""",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def run(*words: str | Path, cwd: Path) -> str:
    """Run a command without the variables of these tests, and return its standard output."""
    done = subprocess.run(
        words, cwd=cwd, env={"PATH": ""}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(project: Path, folder: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=project)
    (wheel,) = folder.iterdir()
    return wheel


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the dependencies of this project, but not the project."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    @classmethod
    def create(cls, folder: Path) -> "Environment":
        venv.create(folder, symlinks=True)
        dependencies = folder / "dependencies"
        dependencies.mkdir()
        for site in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            for path in Path(site).iterdir():
                if path.suffix != ".pth" and not path.name.startswith(OWNED):
                    (dependencies / path.name).symlink_to(path)
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "dependencies.pth").write_text(f"{dependencies}\n")
        return cls(folder)

    def install(self, *what: str | Path) -> None:
        pip = (sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet")
        offline = ("--no-index", "--no-deps", "--no-build-isolation")
        run(*pip, *offline, *what, cwd=self.folder)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with our wheel, and with that of a package which ships a `cli.py` too."""
    folder = tmp_path_factory.mktemp("installed")
    other = build(write(folder / "other", OTHER_PACKAGE), folder / "wheels")
    environment = Environment.create(folder / "venv")
    environment.install(wheel, other)
    return environment


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp("editable"))
    environment.install("--editable", ROOT)
    return environment


@pytest.fixture(params=["installed", "editable"])
def environment(request: pytest.FixtureRequest) -> Environment:
    found: Environment = request.getfixturevalue(request.param)
    return found


def test_wheel_owns_two_names(wheel: Path) -> None:
    names = {name.split("/")[0] for name in ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {*OWNED}


def test_wheel_holds_every_source_file_and_no_other(wheel: Path) -> None:
    sources = {
        f"{target}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, target in SOURCES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    held = set(ZipFile(wheel).namelist())
    assert {name for name in held if ".dist-info/" not in name} == sources


@pytest.mark.parametrize(
    "name",
    [
        "gbcs/py.typed",
        "gbcs/asn1/modules/devices.asn",
        "esme_emulator/py.typed",
        "esme_emulator/scenario/shipped/quickstart.toml",
        "esme_emulator/profiles/shipped/meters/single.toml",
        "esme_emulator/proof/report/page.html.j2",
        "esme_emulator/control/page/index.html",
        "esme_emulator/control/page/main.js",
    ],
)
def test_wheel_holds_data(name: str, wheel: Path) -> None:
    assert name in ZipFile(wheel).namelist()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("-m",), id="python -m pytest"),
        # -P leaves the current folder out of sys.path, as the script `pytest` does.
        pytest.param(("-P", "-m"), id="pytest"),
    ],
)
def test_plugin_works_in_a_project_with_our_folder_names(
    options: tuple[str, ...], environment: Environment, tmp_path: Path
) -> None:
    write(tmp_path, PROJECT)
    assert "1 passed" in run(environment.python, *options, "pytest", cwd=tmp_path)


def test_command_decodes(environment: Environment, tmp_path: Path) -> None:
    write(tmp_path, PROJECT)
    _, octets = command("4.8.1")
    esme = environment.folder / "bin/esme"
    assert str(METER) in run(esme, "decode", "--json", octets.hex(), cwd=tmp_path)
    assert "heat-pump" in run(esme, "profiles", "list", cwd=tmp_path)


def test_module_of_another_package_stays(installed: Environment, tmp_path: Path) -> None:
    script = "import cli, esme_emulator.cli.main; print(cli.OWNER)"
    assert run(installed.python, "-c", script, cwd=tmp_path) == "other package\n"


def test_script_of_a_clone_works_without_installation(tmp_path: Path) -> None:
    environment = Environment.create(tmp_path / "venv")
    _, octets = command("4.8.1")
    script = (environment.python, ROOT / "cli.py")
    assert str(METER) in run(*script, "decode", "--json", octets.hex(), cwd=tmp_path)
    assert "heat-pump" in run(*script, "profiles", "list", cwd=tmp_path)
