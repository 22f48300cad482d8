"""Charts and pictures do not depend on the user's matplotlib settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.rtds import ROOT

pytestmark = pytest.mark.processes

GUARD = 60
"""Seconds after which a process that hangs fails its test; no test relies on it."""

MATPLOTLIBRC = """\
axes.grid: True
font.family: Comic Sans MS
font.size: 30
backend: nonsense
no.such.key: 1
timezone: Asia/Tokyo
svg.fonttype: path
"""
SURROUNDINGS: dict[str, dict[str, str]] = {
    "backend of a notebook": {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
    "no such backend": {"MPLBACKEND": "nonsense"},
    "cache folder": {"MPLCONFIGDIR": "/proc/nope"},
    "no home": {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"},
    "conventions": {
        "LC_ALL": "C",
        "LANG": "de_DE",
        "TZ": "Asia/Tokyo",
        "PYTHONIOENCODING": "ascii",
    },
}
DRAW = """
from pathlib import Path
from esme_emulator.device.profile_curves import curves
from esme_emulator.proof.report.charts import hits_over_time
from esme_emulator.proof.result import Interval
from esme_emulator.cli.render.profiles import draw_picture
from esme_emulator.profiles import any_profile

hits = [Interval(f"2026-01-15T0{hour}:00:00Z", hour, 1) for hour in range(4)]
Path("chart.svg").write_text(hits_over_time(hits), "utf-8")
draw_picture("Domestic", curves(any_profile("domestic"), "1"), Path("picture.svg"))
"""


def drawn(folder: Path, **changes: str) -> tuple[bytes, bytes]:
    """Return the chart and the picture that a process draws in `folder`."""
    said = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **changes},
        capture_output=True,
        timeout=GUARD,
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")
    return (folder / "chart.svg").read_bytes(), (folder / "picture.svg").read_bytes()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    pytest.importorskip("matplotlib")
    return drawn(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_environment_does_not_change_a_chart(
    name: str, plain: tuple[bytes, bytes], tmp_path: Path
) -> None:
    assert drawn(tmp_path, **SURROUNDINGS[name]) == plain


def test_a_matplotlibrc_does_not_change_a_chart(plain: tuple[bytes, bytes], tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text(MATPLOTLIBRC)
    assert drawn(tmp_path) == plain


def test_settings_of_the_calling_program_are_restored() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    from esme_emulator.proof.report.charts import shipped_settings

    def seen() -> tuple[object, object]:
        return matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]

    with matplotlib.rc_context({"font.size": 30, "axes.grid": True}):
        with shipped_settings({"font.size": 9}):
            assert seen() == (9, False)
        assert seen() == (30, True)
