"""Protection by the shared secret: the MAC of a message and the encryption of its attributes.

Both are AES-128-GCM. The key is derived from the shared secret for one message, and the IV is the
originator's EUI and four zero octets; so the same message always has the same octets. Tags are cut
to 12 octets.

Source: GBCS v4.1 clauses 4.3.3 (key derivation), 7.2.5 to 7.2.7 (MAC) and 8.5 (encryption);
every vector with a MAC.
"""

from hashlib import sha256
from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gbcs.eui import EUI

TAG_OCTETS = 12
ENCRYPTION = 4
"""Replaces the CRA flag in the derivation of an encryption key."""

_KDF_COUNTER = b"\x00\x00\x00\x01"
_ALGORITHM = bytes.fromhex("60857406080300")  # aes128-GCM, 2.16.756.5.8.3.0
_EUI_LENGTH = b"\x09"  # one octet of flag and eight of counter follow
_IV_TAIL = bytes(4)
# Additional authenticated data: security control 11 (authenticated, suite 1), invocation counter,
# and for a MAC one octet more.
_MAC_AAD = bytes.fromhex("110000000000")
_ENCRYPTION_AAD = b"\x31"  # security control: authenticated and encrypted, suite 1
_BLOB_HEAD = bytes.fromhex("3100000000")


def derive_key(secret: bytes, originator: EUI, flag: int, counter: int, recipient: EUI) -> bytes:
    """Return the AES key of one message, 16 octets.

    `flag` is the CRA flag for a MAC and `ENCRYPTION` for encryption; `counter` has 64 bits.
    Source: GBCS v4.1 clause 4.3.3, the single-step KDF of NIST SP 800-56A with SHA-256.
    """
    transaction = _EUI_LENGTH, flag.to_bytes(1, "big"), counter.to_bytes(8, "big")
    other_info = _ALGORITHM, originator, *transaction, recipient
    return sha256(b"".join((_KDF_COUNTER, secret, *other_info))).digest()[:16]


def mac(key: bytes, originator: EUI, protected: bytes) -> bytes:
    """Return the MAC, 12 octets, over the octets from the grouping header to the signature."""
    # GMAC: GCM without plaintext, so its output is the tag of 16 octets.
    return AESGCM(key).encrypt(originator + _IV_TAIL, b"", _MAC_AAD + protected)[:TAG_OCTETS]


def verify_mac(key: bytes, originator: EUI, protected: bytes, tag: bytes) -> bool:
    """Return whether `tag` is the MAC. Compares in constant time."""
    return compare_digest(mac(key, originator, protected), tag)


def encrypt(key: bytes, originator: EUI, plaintext: bytes) -> bytes:
    """Return the blob of `plaintext`: 31, four zero octets, ciphertext and tag of 12 octets."""
    sealed = AESGCM(key).encrypt(originator + _IV_TAIL, plaintext, _ENCRYPTION_AAD)
    return _BLOB_HEAD + sealed[: len(plaintext) + TAG_OCTETS]


def is_blob(octets: bytes) -> bool:
    """Return whether `octets` have the form of an encrypted attribute."""
    return octets.startswith(_BLOB_HEAD) and len(octets) >= len(_BLOB_HEAD) + TAG_OCTETS


def decrypt(key: bytes, originator: EUI, blob: bytes) -> bytes | None:
    """Return the plaintext of `blob`, None if its tag does not verify.

    The AEAD of `cryptography` accepts no tag of 12 octets, so encryption runs twice instead: GCM is
    a key stream, so encrypting the ciphertext yields the plaintext, and encrypting the plaintext
    yields the tag to compare.
    """
    cipher, iv = AESGCM(key), originator + _IV_TAIL
    ciphertext = blob[len(_BLOB_HEAD) : -TAG_OCTETS]
    plaintext = cipher.encrypt(iv, ciphertext, None)[: len(ciphertext)]
    sealed = cipher.encrypt(iv, plaintext, _ENCRYPTION_AAD)
    tag = sealed[len(ciphertext) : len(ciphertext) + TAG_OCTETS]
    return plaintext if compare_digest(tag, blob[-TAG_OCTETS:]) else None
