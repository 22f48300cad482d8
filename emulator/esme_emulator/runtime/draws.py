"""Draw octets and numbers that depend only on a seed, a purpose and a subject."""

from functools import lru_cache
from hashlib import blake2b


def draw(seed: str, purpose: str, subject: bytes, size: int) -> bytes:
    """Return `size` octets, up to 64, for `subject`; `purpose` has at most 16 characters."""
    return blake2b(subject, digest_size=size, key=_key(seed), person=purpose.encode()).digest()


def draw_unit(seed: str, purpose: str, subject: bytes) -> float:
    """Return a number above 0 and below 1 for `subject`."""
    return (int.from_bytes(draw(seed, purpose, subject, 6), "big") + 0.5) / 2**48


@lru_cache(maxsize=65_536)
def draw_number(secret: bytes, purpose: str, number: int) -> int:
    """Return the `number`-th draw for `purpose`, 0 to 2^32 - 1.

    `secret` has at least 16 octets that were drawn; `purpose` has at most 16 characters.
    """
    octets = blake2b(secret + number.to_bytes(8, "big"), digest_size=4, person=purpose.encode())
    return int.from_bytes(octets.digest(), "big")


@lru_cache(maxsize=64)
def _key(seed: str) -> bytes:
    return blake2b(seed.encode()).digest()
