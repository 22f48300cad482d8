"""Run the fast tests in other virtual environments, or write constraints.txt.

    python .ci/environments.py versions     test on every other CPython from 3.11 on
    python .ci/environments.py lowest       test with the lowest versions that pyproject.toml allows
    python .ci/environments.py constraints  pin the newest allowed versions in constraints.txt

Uses only the standard library, pip and venv. Each environment is a folder in `.venvs`, which is
reused until pyproject.toml or the pins change.
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
MINORS = range(11, 30)
"""Minor versions of Python 3 to look for."""
# These runs look for differences between versions, so few examples of each property are enough.
FAST = (
    *("-m", "not processes", "--hypothesis-profile", "few"),
    *("--numprocesses", "auto", "--quiet"),
)

Version = tuple[int, int]

# Fails on a Python without ensurepip, such as Debian's, since it cannot make environments.
_PROBE = (
    "import ensurepip, sys; "
    "print(sys.implementation.name, sys.version_info.releaselevel, *sys.version_info[:2])"
)
_LOWER_BOUND = re.compile(r"([A-Za-z0-9._-]+).*?>=([0-9.]+)")


def main() -> int:
    """Run the command of the first argument and return the exit code."""
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
    """Run the fast tests on every CPython except the running one, and return the exit code."""
    others = {version: path for version, path in pythons() if version != sys.version_info[:2]}
    if not others:
        say("found no other CPython from 3.11 on, so only one version was tested")
    failed = [
        version
        for version, python in others.items()
        if run_fast(python, VENVS / ".".join(map(str, version)), CONSTRAINTS)
    ]
    for major, minor in failed:
        say(f"the fast tests failed on Python {major}.{minor}")
    return 1 if failed else 0


def test_lowest() -> int:
    """Run the fast tests on the oldest Python with the lowest versions, return the exit code."""
    _, python = min(pythons())
    VENVS.mkdir(exist_ok=True)
    pins = VENVS / "lowest.txt"
    pins.write_text("".join(f"{pin}\n" for pin in lowest()))
    return run_fast(python, VENVS / "lowest", pins)


def pin() -> int:
    """Write constraints.txt with versions that install on every CPython found; return 0."""
    VENVS.mkdir(exist_ok=True)
    folder, pins = VENVS / "constraints", VENVS / "constraints.txt"
    pinned: dict[str, str] = {}
    # Oldest first: a version that it can install is kept for the newer ones.
    for _, python in sorted(pythons()):
        pins.write_text("".join(f"{line}\n" for line in pinned.values()))
        shutil.rmtree(folder, ignore_errors=True)
        install(python, folder, pins, "dev")
        freeze = [folder / "bin/pip", "freeze", "--exclude-editable"]
        frozen = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
        pinned |= {line.partition("==")[0].lower(): line for line in frozen.splitlines()}
    head = "# Made by `make constraints`: what CI and `make run` install.\n"
    CONSTRAINTS.write_text(head + "".join(f"{pinned[name]}\n" for name in sorted(pinned)))
    return 0


def pythons() -> Iterator[tuple[Version, Path]]:
    """Yield the CPythons of the path and of pyenv, one of each version."""
    names = [sys.executable, *(shutil.which(f"python3.{minor}") for minor in MINORS)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [Path(name) for name in names if name]
    candidates += sorted(pyenv.glob("versions/3.*/bin/python"))
    seen = set()
    for path in candidates:
        # It may also be a pyenv shim of a version that is not selected, which fails as well.
        probe = subprocess.run([path, "-c", _PROBE], check=False, capture_output=True, text=True)
        match probe.stdout.split():
            case ["cpython", "final", "3", minor] if int(minor) in MINORS:
                version = (3, int(minor))
                if version not in seen:
                    seen.add(version)
                    yield version, path


def run_fast(python: Path, folder: Path, pins: Path) -> int:
    """Run the fast tests in the environment `folder`, and return the exit code of pytest."""
    install(python, folder, pins, "test")
    say(f"fast tests in {folder.relative_to(ROOT)}")
    return subprocess.run([folder / "bin/pytest", *FAST], check=False, cwd=ROOT).returncode


def install(python: Path, folder: Path, pins: Path, extra: str) -> None:
    """Make a virtual environment with this project, unless it is there with these pins."""
    wanted = PYPROJECT.read_text() + pins.read_text()
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    pip = [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", pins, "--editable", f"{ROOT}[{extra}]"], check=True)
    stamp.write_text(wanted)


def lowest() -> Iterator[str]:
    """Yield `name==version` for the lower bound of every direct dependency."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    extras = project["optional-dependencies"].values()
    for requirement in (*project["dependencies"], *(each for extra in extras for each in extra)):
        if bound := _LOWER_BOUND.match(requirement):
            yield f"{bound[1]}=={bound[2]}"


def say(text: str) -> None:
    """Print a line at once, so that it stands between the lines of the tests."""
    sys.stdout.write(f"== {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
