"""Keys applied to messages: MACs, signatures and encrypted attributes.

Knows which pair of keys each of them takes. Knows nothing of the content.

Source: GBCS v4.1 clauses 4.3 and 7.2; checked on every vector whose keys are known.
"""

from gbcs.crypto.keystore import Keystore, KeyUsage
from gbcs.crypto.protection import ENCRYPTION, decrypt, derive_key, mac, verify_mac
from gbcs.crypto.signature import verify_signature
from gbcs.errors import AuthenticationError
from gbcs.eui import EUI
from gbcs.frozen import maker
from gbcs.header import Envelope
from gbcs.message import CRA, Protected, Status, Supplementary

_protected = maker(Protected)


def _mac_key(envelope: Envelope, keystore: Keystore | None) -> bytes | None:
    """Return the key of the MAC, None if a key is missing.

    A command has the MAC of the ACB for the device; any other message has that of the device for
    its recipient.
    """
    if keystore is None:
        return None
    originator, recipient = envelope.originator, envelope.recipient
    # The ACB adds the MAC to every command, also to one that a supplier has signed.
    sender = keystore.access_control_broker if envelope.cra == CRA.COMMAND else originator
    secret = keystore.shared_secret(sender, recipient)
    if secret is None:
        return None
    return derive_key(secret, originator, envelope.cra, envelope.counter, recipient)


def calculate_mac(envelope: Envelope, sealed: bytes, keystore: Keystore | None) -> bytes:
    """Return the MAC over `sealed`, 12 octets. Raises `AuthenticationError` if a key is missing."""
    key = _mac_key(envelope, keystore)
    if key is None:
        raise AuthenticationError(
            f"no keys for a MAC from {envelope.originator} to {envelope.recipient}: "
            "give a keystore that has the private key of one and the public key of the other"
        )
    return mac(key, envelope.originator, sealed)


def check_mac(envelope: Envelope, keystore: Keystore | None) -> Status:
    """Return whether the MAC of a received envelope is valid."""
    if envelope.mac is None:
        return Status.ABSENT
    key = _mac_key(envelope, keystore)
    if key is None:
        return Status.UNVERIFIED
    valid = verify_mac(key, envelope.originator, envelope.sealed, envelope.mac)
    return Status.VALID if valid else Status.INVALID


def check_signature(envelope: Envelope, keystore: Keystore | None) -> Status:
    """Return whether the signature of a received envelope is valid."""
    if not envelope.signature:
        return Status.ABSENT
    key = keystore and keystore.public_key(envelope.originator, KeyUsage.DIGITAL_SIGNATURE)
    if not key:
        return Status.UNVERIFIED
    valid = verify_signature(key, envelope.signed, envelope.signature)
    return Status.VALID if valid else Status.INVALID


def attribute_key(
    device: EUI,
    recipient: EUI,
    counter: int,
    supplementary: Supplementary | None,
    keystore: Keystore | None,
    certificate: bytes = b"",
) -> bytes | None:
    """Return the key that encrypts attributes in a response or alert of `device`.

    A supplementary party takes the place of the recipient, and the device's own counter that of
    the message's counter. `certificate` is the one that the party's command carried. None if a key
    is missing.
    """
    if keystore is None:
        return None
    party = recipient
    if supplementary is not None:
        party = supplementary.party
        if supplementary.originator_counter is not None:
            counter = supplementary.originator_counter
    secret = keystore.shared_secret(device, party, certificate)
    return secret and derive_key(secret, device, ENCRYPTION, counter, party)


def open_protected(blob: bytes, key: bytes | None, device: EUI) -> Protected:
    """Return the encrypted attribute in `blob`, with its plaintext if `key` opens it."""
    if key is None:
        return Protected(blob)
    plaintext = decrypt(key, device, blob)
    status = Status.INVALID if plaintext is None else Status.VALID
    return _protected(blob, plaintext, status)
