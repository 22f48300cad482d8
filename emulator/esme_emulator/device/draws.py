"""What is drawn for one meter beyond its nature: numbers that follow from it and a purpose."""

from functools import lru_cache
from hashlib import blake2b

from esme_emulator.device.model import Nature


def drawn(nature: Nature, purpose: str, number: int = 0) -> int:
    """Return the `number`-th draw of a meter, 0 to 2^32 - 1.

    `purpose` has at most 16 characters.
    """
    return _draw(nature.secret, purpose, number)


def drawn_between(nature: Nature, purpose: str, number: int, least: int, most: int) -> int:
    """Return the `number`-th draw of a meter, `least` to `most`."""
    return least + drawn(nature, purpose, number) * (most - least + 1) // 2**32


@lru_cache(maxsize=65_536)
def _draw(secret: bytes, purpose: str, number: int) -> int:
    octets = blake2b(secret + number.to_bytes(8, "big"), digest_size=4, person=purpose.encode())
    return int.from_bytes(octets.digest(), "big")
