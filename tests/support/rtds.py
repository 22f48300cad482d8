"""The Reference Test Data Set (RTDS): its folder, and its messages one by one.

Knows the names of its files and nothing of their octets. Reads the folder in the environment
variable GBCS_RTDS, or else ../shared/rtds next to the repository. Tests that need it are skipped if
it is absent. A copy may be a part of the set. So tests take values that the specification leaves
open from the message itself, and skip if a message they name is absent.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RTDS = Path(os.environ.get("GBCS_RTDS") or ROOT.parent / "shared" / "rtds")
ABSENT = f"no RTDS in {RTDS}: set GBCS_RTDS to its folder"
KEYSTORE = RTDS / "keystore.json"

_DIRECTIONS = frozenset({"PRECOMMAND", "COMMAND", "RESPONSE", "ALERT"})
_READS_OF_LOGS = ("4.6.", "4.8.")


@dataclass(frozen=True, slots=True)
class Vector:
    """One message, with the parts of its file and folder names."""

    name: str
    srv: str
    use_case: str
    octets: bytes

    @property
    def direction(self) -> str:
        """One of PRECOMMAND, COMMAND, RESPONSE and ALERT."""
        return next(part for part in self.name.split("_") if part in _DIRECTIONS)

    @property
    def reads_a_log(self) -> bool:
        """Whether its use case reads a log of an electricity meter (SRV 4.6 or 4.8)."""
        return self.srv.startswith(_READS_OF_LOGS) and self.use_case.startswith("ECS")


@cache
def vectors() -> tuple[Vector, ...]:
    """Return all messages in the order of their names; none if the keystore file is absent."""
    if not KEYSTORE.is_file():
        return ()
    paths = sorted(RTDS.glob("messages/*/*.[hH][eE][xX]"), key=lambda path: path.name)
    return tuple(map(_read, paths))


def _read(path: Path) -> Vector:
    srv, use_case = path.parent.name.split("_", 1)
    return Vector(path.stem, srv, use_case, bytes.fromhex(path.read_text()))


needs_rtds = pytest.mark.skipif(not vectors(), reason=ABSENT)


@cache
def named(name: str) -> Vector:
    """Return the message of this name, without `_GBCS`; skip the test if it is absent."""
    found = {vector.name: vector for vector in vectors()}.get(f"{name}_GBCS")
    if found is None:
        pytest.skip(f"no message {name} in {RTDS}" if vectors() else ABSENT)
    return found


@cache
def raw_keys() -> dict[str, dict[str, dict[str, str]]]:
    """Return the JSON of the keystore file, empty if there is no RTDS."""
    keys: dict[str, dict[str, dict[str, str]]] = {}
    if KEYSTORE.is_file():
        keys = json.loads(KEYSTORE.read_text())
    return keys


def answer_to(vector: Vector) -> Vector:
    """Return the command that the message answers; skip the test if it is absent."""
    return named(vector.name.removesuffix("_GBCS").replace("RESPONSE", "COMMAND"))


def each(wanted: Callable[[Vector], bool] = lambda vector: True) -> pytest.MarkDecorator:
    """Return a mark that runs a test for each `wanted` message, or skips it if there is none."""
    reason = f"no such message in {RTDS}" if vectors() else ABSENT
    found: list[Any] = [
        pytest.param(vector, id=vector.name.removesuffix("_GBCS"))
        for vector in vectors()
        if wanted(vector)
    ]
    return pytest.mark.parametrize(
        "vector", found or [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    )
