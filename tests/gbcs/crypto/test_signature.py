"""Signatures: 64 octets, and deterministic."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from gbcs.crypto.signature import SIGNATURE_OCTETS, sign, verify_signature

KEY = ec.derive_private_key(
    0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, ec.SECP256R1()
)
"""The key of RFC 6979, A.2.5."""
SAMPLE = bytes.fromhex(
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
)
"""The signature of "sample" with SHA-256, RFC 6979, A.2.5: r and s."""


def test_vector_of_rfc_6979() -> None:
    assert sign(KEY, b"sample").hex() == SAMPLE.hex()
    assert verify_signature(KEY.public_key(), b"sample", SAMPLE)


def test_it_is_an_ecdsa_signature() -> None:
    signature = sign(KEY, b"octets")
    assert len(signature) == SIGNATURE_OCTETS
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    KEY.public_key().verify(encode_dss_signature(r, s), b"octets", ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(encode_dss_signature(s, r), b"octets", ec.ECDSA(SHA256()))


def test_every_change_is_noticed() -> None:
    public = KEY.public_key()
    assert not verify_signature(public, b"simple", SAMPLE)
    for position in range(SIGNATURE_OCTETS):
        changed = SAMPLE[:position] + bytes((SAMPLE[position] ^ 1,)) + SAMPLE[position + 1 :]
        assert not verify_signature(public, b"sample", changed)
    other = ec.derive_private_key(5, ec.SECP256R1()).public_key()
    assert not verify_signature(other, b"sample", SAMPLE)


@pytest.mark.parametrize("signature", [b"", bytes(64), b"\xff" * 64, SAMPLE[:63], SAMPLE[:32]])
def test_other_octets_are_an_invalid_signature(signature: bytes) -> None:
    assert not verify_signature(KEY.public_key(), b"sample", signature)
