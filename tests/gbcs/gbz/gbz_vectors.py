"""The GBZ contents of the RTDS, and what opens their encrypted components.

Stands apart from `gbcs` on purpose: the envelope and the cryptography are read here by a second
hand, from GBCS v4.1 clauses 4.3 and 7.2.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

ROOT = Path(__file__).resolve().parents[3]
RTDS = Path(os.environ.get("GBCS_RTDS", ROOT.parent / "shared" / "rtds"))

needs_rtds = pytest.mark.skipif(
    not (RTDS / "messages").is_dir(),
    reason=f"no RTDS in {RTDS}: name its folder in GBCS_RTDS",
)


@dataclass(frozen=True)
class Vector:
    """A message whose content is GBZ: the content, and what its keys depend on."""

    name: str
    content: bytes
    originator: bytes
    recipient: bytes
    counter: bytes


@cache
def vectors() -> tuple[Vector, ...]:
    """Return all vectors with GBZ content, in the order of their names."""
    paths = sorted(RTDS.glob("messages/*/*.[hH][eE][xX]"), key=lambda path: path.name)
    read = (_read(path.stem, bytes.fromhex(path.read_text().strip())) for path in paths)
    return tuple(vector for vector in read if vector is not None)


def _length(octets: bytes, position: int) -> tuple[int, int]:
    first = octets[position]
    if first < 0x80:
        return first, position + 1
    end = position + 1 + (first & 0x7F)
    return int.from_bytes(octets[position + 1 : end], "big"), end


def _read(name: str, message: bytes) -> Vector | None:
    position = 0
    if message[0] == 0xDD:
        position = _length(message, 7)[1] + 5
    if message[position : position + 2] != b"\xdf\x09":
        return None
    position += 3
    counter = message[position : position + 8]
    originator = message[position + 9 : position + 17]
    recipient = message[position + 18 : position + 26]
    position += 26
    fields = []
    for _ in ("date time", "other information", "content"):
        length, position = _length(message, position)
        fields.append(message[position : position + length])
        position += length
    _, other, content = fields
    if content[:2] != b"\x01\x09":
        return None
    if len(other) >= 10:
        recipient = other[2:10]
    if len(other) == 26:
        counter = other[18:]
    return Vector(name, content, originator, recipient, counter)


@cache
def _keystore() -> dict[str, dict[str, dict[str, str]]]:
    keys: dict[str, dict[str, dict[str, str]]] = json.loads((RTDS / "keystore.json").read_text())
    return {eui.lower(): usages for eui, usages in keys.items()}


def decrypt(vector: Vector, blob: bytes) -> bytes | None:
    """Return the plaintext of an encrypted component, or None where a key is missing."""
    device = _keystore().get(vector.originator.hex(), {}).get("ka")
    party = _keystore().get(vector.recipient.hex(), {}).get("ka")
    if device is None or party is None or "private" not in party:
        return None
    curve = ec.SECP256R1()
    public = ec.EllipticCurvePublicKey.from_encoded_point(curve, bytes.fromhex(device["public"]))
    private = ec.derive_private_key(int(party["private"], 16), curve)
    material = (
        bytes.fromhex("00000001")
        + private.exchange(ec.ECDH(), public)
        + bytes.fromhex("60857406080300")
        + vector.originator
        + b"\x09\x04"
        + vector.counter
        + vector.recipient
    )
    key = hashlib.sha256(material).digest()[:16]
    ciphertext, tag = blob[5:-12], blob[-12:]
    mode = modes.GCM(vector.originator + bytes(4), tag, min_tag_length=12)
    decryptor = Cipher(algorithms.AES(key), mode).decryptor()
    decryptor.authenticate_additional_data(blob[:1])
    return decryptor.update(ciphertext) + decryptor.finalize()
