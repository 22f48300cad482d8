"""The reference for the codec: profile reads, decoded and built by hand with `struct` alone.

Plain code for the messages of SRVs 4.6.1, 4.8.1 and 4.8.3, without schemas, classes, names or error
messages: it walks the octets once, verifies, decrypts, and returns tuples. The time that the codec
takes beyond this is the price of its other features.
"""

import struct
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_OTHER_INFO = bytes.fromhex("60857406080300")
_FIXED = {
    3: struct.Struct(">B"),
    5: struct.Struct(">i"),
    6: struct.Struct(">I"),
    15: struct.Struct(">b"),
    16: struct.Struct(">h"),
    17: struct.Struct(">B"),
    18: struct.Struct(">H"),
    20: struct.Struct(">q"),
    21: struct.Struct(">Q"),
    22: struct.Struct(">B"),
}
_FORMATS = {tag: fixed.format[1:] for tag, fixed in _FIXED.items()}


def _key(secret: bytes, originator: bytes, flag: int, counter: bytes, recipient: bytes) -> bytes:
    info = _OTHER_INFO + originator + b"\x09" + bytes((flag,)) + counter + recipient
    return sha256(b"\0\0\0\1" + secret + info).digest()[:16]


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


def _field(octets: bytes, position: int) -> tuple[bytes, int]:
    length, position = _length(octets, position)
    return octets[position : position + length], position + length


def _format(octets: bytes, position: int) -> tuple[str, int]:
    tag = octets[position]
    if tag == 2:
        count, position = _length(octets, position + 1)
        formats = []
        for _ in range(count):
            part, position = _format(octets, position)
            formats.append(part)
        return "".join(formats), position
    if tag == 1:
        count = int.from_bytes(octets[position + 1 : position + 3], "big")
        part, position = _format(octets, position + 3)
        return part * count, position
    return _FORMATS[tag], position + 1


def _data(octets: bytes, position: int) -> tuple[Any, int]:
    tag = octets[position]
    position += 1
    if tag in (1, 2):
        count, position = _length(octets, position)
        items = []
        for _ in range(count):
            item, position = _data(octets, position)
            items.append(item)
        return items, position
    if tag == 9:
        return _field(octets, position)
    if tag == 19:
        row, position = _format(octets, position)
        contents, position = _field(octets, position)
        return list(struct.iter_unpack(">" + row, contents)), position
    if tag == 0:
        return None, position
    fixed = _FIXED[tag]
    return fixed.unpack_from(octets, position)[0], position + fixed.size


def _open(octets: bytes, secret: bytes, flag: int) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Verify the MAC; return counter, originator, recipient, other information and content."""
    _, position = _length(octets, 7)
    sealed = octets[position + 5 : -12]
    counter, originator, recipient = sealed[3:11], sealed[12:20], sealed[21:29]
    key = _key(secret, originator, flag, counter, recipient)
    tag = AESGCM(key).encrypt(originator + bytes(4), b"", b"\x11\0\0\0\0\0" + sealed)[:12]
    if sealed[2] != flag or not compare_digest(tag, octets[-12:]):
        raise ValueError("MAC")
    _, position = _field(sealed, 29)
    information, position = _field(sealed, position)
    content, position = _field(sealed, position)
    if len(sealed) != position + 1:
        raise ValueError("signature")
    return counter, originator, recipient, information, content


def read_response(octets: bytes, secret: bytes) -> list[Any]:
    """Parse a response, verify its MAC, decrypt it, and return its rows."""
    counter, originator, recipient, _, content = _open(octets, secret, 2)
    if content[0] != 0xDA or content[7] != 1:
        raise ValueError("access-response")
    data, position = _data(content, 8)
    if content[position] != 1 or content[position + 2] != 0:
        raise ValueError("result")
    if not isinstance(data[-1], bytes):
        return list(data)
    blob = data[-1]
    cipher = AESGCM(_key(secret, originator, 4, counter, recipient))
    iv = originator + bytes(4)
    plaintext = cipher.encrypt(iv, blob[5:-12], None)[:-16]
    tag = cipher.encrypt(iv, plaintext, b"\x31")[len(plaintext) :][:12]
    if not compare_digest(tag, blob[-12:]):
        raise ValueError("tag")
    rows: list[Any] = _data(plaintext, 0)[0][0]
    return rows


def read_command(octets: bytes, secret: bytes) -> tuple[bytes, Any, Any]:
    """Parse a command with one access, verify its MAC, and return OBIS, selection and data."""
    _, _, _, _, content = _open(octets, secret, 1)
    if content[0] != 0xD9 or content[6] != 1:
        raise ValueError("access-request")
    choice, obis = content[7], content[10:16]
    selection, position = None, 17
    if choice == 4:
        selection, position = _data(content, 18)
    data, _ = _data(content, position + 1)
    return obis, selection, data


def build_response(
    rows: list[tuple[int, int]], device: bytes, party: bytes, counter: int, secret: bytes
) -> bytes:
    """Return the response to SRV 4.8.1 with `rows`, encrypted and sealed."""
    number = counter.to_bytes(8, "big")
    iv = device + bytes(4)
    contents = b"".join([struct.pack(">II", *row) for row in rows])
    plaintext = bytes.fromhex("02011302020606") + _write_length(len(contents)) + contents
    sealed = AESGCM(_key(secret, device, 4, number, party)).encrypt(iv, plaintext, b"\x31")
    blob = b"\x31\0\0\0\0" + sealed[: len(plaintext) + 12]
    content = (
        b"\xda\x20" + number[5:] + bytes.fromhex("00000102020101020216020205090904") + number
        + b"\x09\x08" + device + b"\x09\x08" + party + bytes.fromhex("09000202160202020901020900")
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
