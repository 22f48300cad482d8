"""ECDSA signatures of messages: P-256 and SHA-256, raw r‖s of 64 octets.

Source: GBCS v4.1 clause 4.3.2; every signed vector.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

SIGNATURE_OCTETS = 64
_HALF = SIGNATURE_OCTETS // 2


def sign(key: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    """Return the signature of `signed`, 64 octets.

    Deterministic (RFC 6979), so a signed message has the same octets each time it is made.
    """
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")


def verify_signature(key: ec.EllipticCurvePublicKey, signed: bytes, signature: bytes) -> bool:
    """Return whether `signature`, 64 octets, is one of `signed` by the holder of `key`."""
    r = int.from_bytes(signature[:_HALF], "big")
    s = int.from_bytes(signature[_HALF:], "big")
    try:
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
