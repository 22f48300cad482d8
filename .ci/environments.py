"""Run the fast tests in other environments, or pin the packages of all of them.

    python .ci/environments.py versions     on every other CPython from 3.11 that is found
    python .ci/environments.py lowest       with the lowest versions that pyproject.toml allows
    python .ci/environments.py constraints  write constraints.txt: the newest versions, pinned

Knows pip, venv and pyproject.toml; needs nothing but the standard library. Each environment has a
folder in `.venvs`, which is used again until pyproject.toml or constraints.txt change.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT, CONSTRAINTS = ROOT / "pyproject.toml", ROOT / "constraints.txt"
VENVS = ROOT / ".venvs"
OLDEST, NEWEST = 11, 30
"""Minor versions of Python 3 that are looked for."""
FAST = ("-m", "not processes", "--numprocesses", "auto", "--quiet")

Version = tuple[int, int]

_PROBE = (
    "import ensurepip, sys; "
    "print(sys.implementation.name, sys.version_info.releaselevel, *sys.version_info[:2])"
)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_AT_LEAST = re.compile(r">=([0-9.]+)")


def main() -> int:
    """Do what the first argument says, and return the exit code."""
    match sys.argv[1:]:
        case ["versions"]:
            return test_versions()
        case ["lowest"]:
            return test_lowest()
        case ["constraints"]:
            return pin()
    sys.stderr.write(__doc__ or "")
    return 2


def test_versions() -> int:
    """Run the fast tests on every other CPython that is found."""
    others = {version: path for version, path in pythons() if version != sys.version_info[:2]}
    if not others:
        say("no other CPython from 3.11 on was found, so the tests ran on one version only")
    failed = [version for version, path in others.items() if run_fast(path, *environment(version))]
    return say_failed("Python", failed)


def test_lowest() -> int:
    """Run the fast tests with the lowest allowed versions, on the oldest Python that is found."""
    _, python = min(pythons())
    folder = VENVS / "lowest"
    folder.mkdir(parents=True, exist_ok=True)
    pins = folder.with_suffix(".txt")
    pins.write_text("".join(f"{pin}\n" for pin in lowest()))
    return run_fast(python, folder, pins)


def pin() -> int:
    """Write constraints.txt: names and versions that install on every CPython that is found."""
    pinned: dict[str, str] = {}
    for _, python in sorted(pythons()):
        folder = VENVS / "constraints"
        pins = folder.with_suffix(".txt")
        VENVS.mkdir(exist_ok=True)
        pins.write_text("".join(f"{line}\n" for line in pinned.values()))
        shutil.rmtree(folder, ignore_errors=True)
        install(python, folder, pins, "dev")
        freeze = [folder / "bin/pip", "freeze", "--exclude-editable"]
        said = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
        pinned |= {line.partition("==")[0].lower(): line for line in said.splitlines()}
    head = "# Made by `make constraints`: what CI and `make run` install.\n"
    CONSTRAINTS.write_text(head + "".join(f"{pinned[name]}\n" for name in sorted(pinned)))
    return 0


def pythons() -> Iterator[tuple[Version, Path]]:
    """Find the CPythons from 3.11 on, one of each version, on the path and among pyenv's."""
    minors = range(OLDEST, NEWEST)
    named = [sys.executable, *(shutil.which(f"python3.{minor}") for minor in minors)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [Path(name) for name in named if name]
    candidates += sorted(pyenv.glob("versions/3.*/bin/python"))
    seen = set()
    for path in candidates:
        # A name may be a shim of a version that is not chosen, or lack ensurepip, as Debian's does.
        said = subprocess.run([path, "-c", _PROBE], check=False, capture_output=True, text=True)
        match said.stdout.split():
            case ["cpython", "final", "3", minor] if int(minor) in minors:
                version = (3, int(minor))
                if version not in seen:
                    seen.add(version)
                    yield version, path


def environment(version: Version) -> tuple[Path, Path]:
    """Return the folder of a version's environment, and what pins its packages."""
    return VENVS / ".".join(map(str, version)), CONSTRAINTS


def run_fast(python: Path, folder: Path, pins: Path) -> int:
    """Run the fast tests, and return the exit code."""
    install(python, folder, pins)
    say(f"fast tests in {folder.relative_to(ROOT)}")
    return subprocess.run([folder / "bin/pytest", *FAST], check=False, cwd=ROOT).returncode


def install(python: Path, folder: Path, pins: Path, extra: str = "test") -> None:
    """Make a virtual environment with this project in it, unless it is there already."""
    wanted = PYPROJECT.read_text() + pins.read_text()
    done = folder / "installed"
    if done.exists() and done.read_text() == wanted:
        return
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    pip = [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", pins, "--editable", f"{ROOT}[{extra}]"], check=True)
    done.write_text(wanted)


def lowest() -> Iterator[str]:
    """Yield `name==version` for the lower bound of every direct dependency."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    for requirement in (
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ):
        name, bound = _NAME.match(requirement), _AT_LEAST.search(requirement)
        if name and bound:
            yield f"{name[0]}=={bound[1]}"


def say_failed(what: str, failed: list[Version]) -> int:
    """Say which versions failed, and return the exit code."""
    for major, minor in failed:
        say(f"the tests failed on {what} {major}.{minor}")
    return 1 if failed else 0


def say(text: str) -> None:
    """Write a line at once, so that it stands between those of the tests."""
    sys.stdout.write(f"== {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
