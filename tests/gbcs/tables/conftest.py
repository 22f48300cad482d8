"""The messages of the RTDS, read just so far that tables can be judged against their octets."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from gbcs.axdr import read_length

RTDS = Path(
    os.environ.get("GBCS_RTDS") or Path(__file__).parents[3].parent / "shared" / "rtds",
)


@dataclass(frozen=True, slots=True)
class Vector:
    """One message: its file and folder names, and the fields that tables speak of."""

    name: str
    srv: str
    use_case: str
    direction: str
    message_code: int
    content: bytes
    signed: bool | None
    """None in a pre-command, which has no signature length."""


def _direction(name: str) -> str:
    return next(
        part for part in name.split("_") if part in {"PRECOMMAND", "COMMAND", "RESPONSE", "ALERT"}
    )


def _field(octets: bytes, position: int) -> tuple[bytes, int]:
    length, position = read_length(octets, position)
    return octets[position : position + length], position + length


def _read(path: Path) -> Vector:
    octets = bytes.fromhex(path.read_text().strip())
    position = 0
    if octets[0] == 0xDD:  # MAC header: six empty fields, length, security header
        _, position = read_length(octets, 7)
        position += 5
    position += 1
    for _ in range(4):  # transaction id, originator, recipient, date-time
        _, position = _field(octets, position)
    other_information, position = _field(octets, position)
    content, position = _field(octets, position)
    srv, use_case = path.parent.name.split("_", 1)
    return Vector(
        name=path.stem,
        srv=srv,
        use_case=use_case,
        direction=_direction(path.stem),
        message_code=int.from_bytes(other_information[:2], "big"),
        content=content,
        signed=octets[position] == 64 if position < len(octets) else None,
    )


@pytest.fixture(scope="session")
def vectors() -> tuple[Vector, ...]:
    paths = sorted(RTDS.glob("messages/*/*.hex"))
    if not paths:
        pytest.skip(f"no RTDS messages in {RTDS}: name their folder in GBCS_RTDS")
    return tuple(_read(path) for path in paths)
