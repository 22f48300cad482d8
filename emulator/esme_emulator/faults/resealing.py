"""A reply with other fields than the meter gave it, sealed as if they were right.

Knows messages and keys; what is changed is for the fault to say.
"""

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
    """Return the changed message and whether its MAC is renewed; None where there is no message.

    A MAC is not renewed where there is none, or no key for it. What is encrypted in the message
    stays as it is: another plaintext or ciphertext under a key that is used elsewhere would break
    GCM for it.
    """
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
