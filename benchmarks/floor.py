"""The floor: a 24 h response to SRV 4.8.1, read and built by hand for that one message.

Every offset is known and nothing is checked that MAC and tag do not check already, so this is
what any codec in Python pays at least: the cryptography and one pass over the rows.
"""

import struct
from hashlib import sha256
from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_OTHER_INFO = bytes.fromhex("60857406080300")
_ROW = struct.Struct(">II")
_INFO = struct.Struct(">8s1s1sQ8s")


def _key(secret: bytes, originator: bytes, flag: int, counter: bytes, recipient: bytes) -> bytes:
    return sha256(
        b"\0\0\0\1" + secret + _OTHER_INFO + originator + b"\x09" + bytes((flag,)) + counter + recipient
    ).digest()[:16]


def _length(octets: bytes, position: int) -> tuple[int, int]:
    first = octets[position]
    if first < 0x80:
        return first, position + 1
    end = position + 1 + (first & 0x7F)
    return int.from_bytes(octets[position + 1 : end], "big"), end


def _write_length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    if length < 0x100:
        return bytes((0x81, length))
    return b"\x82" + length.to_bytes(2, "big")


def read(octets: bytes, secret: bytes) -> list[tuple[int, int]]:
    """Return the rows: parse, verify the MAC, decrypt, unpack."""
    _, position = _length(octets, 7)
    sealed = octets[position + 5 : -12]
    counter, originator, recipient = sealed[3:11], sealed[12:20], sealed[21:29]
    iv = originator + b"\0\0\0\0"
    key = _key(secret, originator, 2, counter, recipient)
    tag = AESGCM(key).encrypt(iv, b"", b"\x11\0\0\0\0\0" + sealed)[:12]
    if not compare_digest(tag, octets[-12:]):
        raise ValueError("MAC")
    length, position = _length(sealed, 29)  # date-time
    length, position = _length(sealed, position + length)  # other information
    length, position = _length(sealed, position + length)  # content
    position += 62  # to the octet-string with the encrypted attribute
    length, position = _length(sealed, position + 1)
    ciphertext = sealed[position + 5 : position + length - 12]
    cipher = AESGCM(_key(secret, originator, 4, counter, recipient))
    plaintext = cipher.encrypt(iv, ciphertext, None)[: len(ciphertext)]
    tag = cipher.encrypt(iv, plaintext, b"\x31")[len(plaintext) : len(plaintext) + 12]
    if not compare_digest(tag, sealed[position + length - 12 : position + length]):
        raise ValueError("tag")
    length, position = _length(plaintext, 7)
    return list(_ROW.iter_unpack(plaintext[position : position + length]))


def build(
    rows: list[tuple[int, int]],
    device: bytes,
    party: bytes,
    counter: int,
    secret: bytes,
) -> bytes:
    """Return the response with `rows`, encrypted and sealed."""
    number = counter.to_bytes(8, "big")
    iv = device + b"\0\0\0\0"
    contents = b"".join([_ROW.pack(*row) for row in rows])
    plaintext = bytes.fromhex("02011302020606") + _write_length(len(contents)) + contents
    sealed = AESGCM(_key(secret, device, 4, number, party)).encrypt(iv, plaintext, b"\x31")
    blob = b"\x31\0\0\0\0" + sealed[: len(plaintext) + 12]
    invoke = b"\x20" + number[5:]
    content = (
        b"\xda" + invoke + bytes.fromhex("000001020201010202160202050909" "04") + number
        + b"\x09\x08" + device + b"\x09\x08" + party + bytes.fromhex("0900020216020202090102" "0900")
        + b"\x09" + _write_length(len(blob)) + blob + bytes.fromhex("010300")
    )  # fmt: skip
    message = (
        b"\xdf\x09\x02" + number + b"\x08" + device + b"\x08" + party + b"\x00\x02\x00\x37"
        + _write_length(len(content)) + content + b"\x00"
    )  # fmt: skip
    key = _key(secret, device, 2, number, party)
    tag = AESGCM(key).encrypt(iv, b"", b"\x11\0\0\0\0\0" + message)[:12]
    body = b"\x11\0\0\0\0" + message + tag
    return b"\xdd" + bytes(6) + _write_length(len(body)) + body
