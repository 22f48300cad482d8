"""Change fields of a reply and seal it again, so that its MAC is valid."""

from collections.abc import Callable
from dataclasses import replace

from gbcs import (
    UNSEALED,
    AuthenticationError,
    GbcsError,
    Keystore,
    Message,
    decode,
    encode,
)


def resealed(
    octets: bytes, keystore: Keystore, change: Callable[[Message], Message]
) -> tuple[bytes, bool] | None:
    """Return the changed message and whether its MAC is new, or None if it cannot be decoded.

    The MAC stays if the message has none, or if its key is unknown. Encrypted data stays as it is.
    """
    # Encrypting another plaintext under a key and IV that are used elsewhere would break GCM.
    try:
        changed = change(decode(octets))
        if changed.mac is None:
            return encode(changed), False
        try:
            return encode(replace(changed, mac=UNSEALED), keystore), True
        except AuthenticationError:
            return encode(changed), False
    except GbcsError:
        return None
