"""The program in docs/python.md, run on mosquitto."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulator.cli.test_cli_processes import ESME, GUARD, running
from tests.support.mosquitto import Mosquitto
from tests.support.rtds import ROOT

pytestmark = pytest.mark.processes


def run(*args: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, args)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=GUARD,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the program of the page and the keystore of an estate."""
    page = (ROOT / "docs/python.md").read_text("utf-8")
    [program] = re.findall(r"^```python\n(import asyncio\n.*?)^```", page, re.M | re.S)
    (tmp_path / "program.py").write_text(program)
    keys = run(ESME[1], "keys", "--meters", 2, folder=tmp_path)
    (tmp_path / "keystore.json").write_text(keys.stdout)
    return tmp_path


def test_the_program_reads_logs_and_values(folder: Path, mosquitto: Mosquitto) -> None:
    with running("serve", "--broker", mosquitto.url, "--meters", 2, "--store", "memory:"):
        log = run("program.py", "127.0.0.1", mosquitto.port, "4.8.1", folder=folder)
        values = run("program.py", "127.0.0.1", mosquitto.port, "4.1.1", folder=folder)
    assert (log.returncode, log.stderr) == (0, "")
    assert "2026-01-15T00:00:00Z" in log.stdout
    assert "'unit': 'Wh'" in log.stdout
    assert "'unit': 'varh'" in values.stdout


def test_the_program_says_that_nobody_answers(folder: Path, mosquitto: Mosquitto) -> None:
    program = (folder / "program.py").read_text()
    (folder / "program.py").write_text(program.replace("SECONDS = 30", "SECONDS = 0.1"))
    silent = run("program.py", "127.0.0.1", mosquitto.port, "4.1.1", folder=folder)
    assert (silent.returncode, silent.stdout) == (1, "")
    assert silent.stderr == "00DBE50000000000 did not answer within 0.1 s\n"
