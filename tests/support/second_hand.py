"""A second, independent implementation of messages, to test the codec against.

Uses nothing of `gbcs`: it is written from GBCS v4.1, clauses 4.3 and 7.2, with slices and joins, so
that expected octets never come from the code under test.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CURVE = ec.SECP256R1()
MAC_HEAD = bytes.fromhex("DD000000000000")
SECURITY = bytes.fromhex("1100000000")
BLOB_HEAD = bytes.fromhex("3100000000")
COMMAND, RESPONSE, ALERT, ENCRYPTION = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a message; `signature` is None in a pre-command, `mac` without MAC header."""

    cra: int
    counter: int
    originator: bytes
    recipient: bytes
    date_time: bytes
    other_information: bytes
    content: bytes
    signature: bytes | None
    mac: bytes | None
    signed: bytes
    """The octets that the signature covers."""
    sealed: bytes
    """The octets that the MAC covers."""

    @property
    def message_code(self) -> int:
        """The code of the use case."""
        return int.from_bytes(self.other_information[:2], "big")

    @property
    def family(self) -> str:
        """The encoding of the content: dlms, gbz, or asn1 for any other first octets."""
        if self.content[:1] in (b"\xd9", b"\xda", b"\x0f"):
            return "dlms"
        return "gbz" if self.content.startswith(b"\x01\x09") else "asn1"


def fields(message: bytes) -> Fields:
    """Return the fields of a well-formed message."""
    start, end = 0, len(message)
    if message[:1] == b"\xdd":
        start, end = _length(message, 7)[1] + 5, len(message) - 12
    position = start + 29
    parts = []
    for _ in range(3):
        size, position = _length(message, position)
        parts.append(message[position : position + size])
        position += size
    return Fields(
        cra=message[start + 2],
        counter=int.from_bytes(message[start + 3 : start + 11], "big"),
        originator=message[start + 12 : start + 20],
        recipient=message[start + 21 : start + 29],
        date_time=parts[0],
        other_information=parts[1],
        content=parts[2],
        signature=message[position + 1 : end] if position < end else None,
        mac=message[end:] if start else None,
        signed=message[start + 1 : position],
        sealed=message[start:end],
    )


def _length(octets: bytes, position: int) -> tuple[int, int]:
    first = octets[position]
    if first < 0x80:
        return first, position + 1
    end = position + 1 + (first & 0x7F)
    return int.from_bytes(octets[position + 1 : end], "big"), end


def lv(octets: bytes) -> bytes:
    """Return `octets` preceded by their A-XDR length."""
    size = len(octets)
    if size < 0x80:
        return bytes((size,)) + octets
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(length),)) + length + octets


def grouping(
    cra: int,
    counter: int,
    originator: bytes,
    recipient: bytes,
    other_information: bytes,
    content: bytes,
    date_time: bytes = b"",
) -> bytes:
    """Return grouping header and content; of a command, this is a pre-command."""
    return b"".join(
        (
            bytes((0xDF, 9, cra)),
            counter.to_bytes(8, "big"),
            lv(originator),
            lv(recipient),
            lv(date_time),
            lv(other_information),
            lv(content),
        )
    )


def seal(key: bytes, originator: bytes, sealed: bytes) -> bytes:
    """Return the message: MAC header, `sealed`, and the MAC under `key`."""
    return MAC_HEAD + lv(SECURITY + sealed + gmac(key, originator, sealed))


def gmac(key: bytes, originator: bytes, sealed: bytes) -> bytes:
    """Return the MAC of 12 octets."""
    encryptor = Cipher(algorithms.AES(key), modes.GCM(originator + bytes(4))).encryptor()
    encryptor.authenticate_additional_data(b"\x11" + bytes(5) + sealed)
    encryptor.finalize()
    return encryptor.tag[:12]


def encrypt(key: bytes, originator: bytes, plaintext: bytes) -> bytes:
    """Return `plaintext` as an encrypted blob."""
    encryptor = Cipher(algorithms.AES(key), modes.GCM(originator + bytes(4))).encryptor()
    encryptor.authenticate_additional_data(b"\x31")
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    return BLOB_HEAD + ciphertext + encryptor.tag[:12]


def decrypt(key: bytes, originator: bytes, blob: bytes) -> bytes:
    """Return the plaintext of `blob`. Raises `InvalidTag`."""
    mode = modes.GCM(originator + bytes(4), blob[-12:], min_tag_length=12)
    decryptor = Cipher(algorithms.AES(key), mode).decryptor()
    decryptor.authenticate_additional_data(b"\x31")
    return decryptor.update(blob[5:-12]) + decryptor.finalize()


def agreed(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> bytes:
    """Return the shared secret of two keys."""
    return private.exchange(ec.ECDH(), public)


def message_key(
    secret: bytes, originator: bytes, flag: int, counter: int, recipient: bytes
) -> bytes:
    """Return the AES key of one message; `flag` is the CRA flag, or 4 for encryption."""
    other_info = (
        bytes.fromhex("60857406080300")
        + originator
        + bytes((9, flag))
        + counter.to_bytes(8, "big")
        + recipient
    )
    return sha256(b"\x00\x00\x00\x01" + secret + other_info).digest()[:16]


def secret_of(
    keys: Mapping[str, Mapping[str, Mapping[str, str]]], one: bytes, other: bytes
) -> bytes | None:
    """Return the shared secret of two EUIs in a keystore file, or None if a key is missing."""
    for private, public in ((one, other), (other, one)):
        mine = keys.get(private.hex(), {}).get("ka", {}).get("private")
        theirs = keys.get(public.hex(), {}).get("ka", {}).get("public")
        if mine and theirs:
            key = ec.derive_private_key(int(mine, 16), CURVE)
            return agreed(
                key, ec.EllipticCurvePublicKey.from_encoded_point(CURVE, bytes.fromhex(theirs))
            )
    return None


def opened(
    keys: Mapping[str, Mapping[str, Mapping[str, str]]], message: Fields, blob: bytes
) -> bytes | None:
    """Return the plaintext of a blob in a response or alert, or None if a key is missing.

    Other information of at least 10 octets names the recipient of the blob; if it has 26 octets,
    the last 8 are the counter. Raises `InvalidTag`.
    """
    party, counter = message.recipient, message.counter
    if len(message.other_information) >= 10:
        party = message.other_information[2:10]
    if len(message.other_information) == 26:
        counter = int.from_bytes(message.other_information[18:], "big")
    secret = secret_of(keys, message.originator, party)
    if secret is None:
        return None
    key = message_key(secret, message.originator, ENCRYPTION, counter, party)
    return decrypt(key, message.originator, blob)


def blobs(content: bytes) -> list[bytes]:
    """Return the encrypted attributes in DLMS or GBZ content.

    `BLOB_HEAD` occurs nowhere else. In DLMS they are octet-strings, preceded by tag 9 and an A-XDR
    length; in GBZ they are preceded by a length of two octets.
    """
    found = []
    position = content.find(BLOB_HEAD)
    while position > 0:
        if content[:1] == b"\x01":
            size = int.from_bytes(content[position - 2 : position], "big")
            found.append(content[position : position + size])
        else:
            found += _octet_string_at(content, position)
        position = content.find(BLOB_HEAD, position + 1)
    return found


def _octet_string_at(content: bytes, position: int) -> list[bytes]:
    for tag in range(position - 2, max(position - 5, -1), -1):
        size, begin = _length(content, tag + 1)
        if content[tag] == 9 and begin == position:
            return [content[position : position + size]]
    return []
