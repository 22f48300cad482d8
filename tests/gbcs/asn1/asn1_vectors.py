"""The contents of the RTDS; the envelope is read by a second hand, from GBCS v4.1 clause 7.2."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RTDS = Path(os.environ.get("GBCS_RTDS") or ROOT.parent / "shared" / "rtds")

needs_rtds = pytest.mark.skipif(
    not (RTDS / "messages").is_dir(),
    reason=f"no RTDS in {RTDS}: name its folder in GBCS_RTDS",
)


@dataclass(frozen=True)
class Vector:
    """The content of a message, and what its type depends on."""

    name: str
    message_code: int
    cra: int
    content: bytes

    @property
    def is_asn1(self) -> bool:
        """Whether it begins as no DLMS APDU and no GBZ payload does."""
        return self.content[0] not in (0xD9, 0xDA, 0x0F) and self.content[:2] != b"\x01\x09"


@cache
def vectors() -> tuple[Vector, ...]:
    """Return all vectors, in the order of their names."""
    paths = sorted(RTDS.glob("messages/*/*.[hH][eE][xX]"), key=lambda path: path.name)
    return tuple(_read(path.stem, bytes.fromhex(path.read_text().strip())) for path in paths)


def asn1_vectors() -> tuple[Vector, ...]:
    """Return the vectors whose content looks like ASN.1."""
    return tuple(vector for vector in vectors() if vector.is_asn1)


def named(name: str) -> Vector:
    """Return the vector whose name begins with `name`."""
    return next(vector for vector in vectors() if vector.name.startswith(name))


def _length(octets: bytes, position: int) -> tuple[int, int]:
    first = octets[position]
    if first < 0x80:
        return first, position + 1
    end = position + 1 + (first & 0x7F)
    return int.from_bytes(octets[position + 1 : end], "big"), end


def _read(name: str, message: bytes) -> Vector:
    position = _length(message, 7)[1] + 5 if message[0] == 0xDD else 0
    cra = message[position + 2]
    position += 29  # tag, transaction id, two EUIs with their lengths
    fields = []
    for _ in ("date time", "other information", "content"):
        length, position = _length(message, position)
        fields.append(message[position : position + length])
        position += length
    return Vector(name, int.from_bytes(fields[1][:2], "big"), cra, fields[2])
