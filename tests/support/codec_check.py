"""One check for every codec: it builds, it parses, and it refuses truncated and longer octets."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from gbcs.errors import DecodeError

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


def check_codec(
    decode: Callable[[bytes], T],
    encode: Callable[[T], bytes],
    value: T,
    octets: bytes,
    *,
    prefixes: frozenset[int] = frozenset(),
) -> None:
    """Check that `value` encodes to `octets` and back, and that other lengths are refused.

    `prefixes` are lengths at which a truncation is another valid value.
    """
    assert encode(value).hex() == octets.hex()
    assert decode(octets) == value
    check_truncations(decode, octets, prefixes=prefixes)
    with pytest.raises(DecodeError):
        decode(octets + b"\x00")


def check_truncations(
    decode: Callable[[bytes], object],
    octets: bytes,
    *,
    prefixes: frozenset[int] = frozenset(),
) -> None:
    """Check that every truncation of `octets` is refused, with path and reason in one line."""
    for size in range(len(octets)):
        if size not in prefixes:
            with pytest.raises(DecodeError) as caught:
                decode(octets[:size])
            assert caught.value.path, f"no path at {size} octets"
            assert caught.value.reason
            assert "\n" not in str(caught.value)


def outcome(call: Callable[[], T], error: type[E]) -> T | E:
    """Return the result of `call`, or the `error` that it raises."""
    try:
        return call()
    except error as raised:
        return raised
