"""Reception: whether octets are a command, for this device, and authentic.

Meter and cache ask the same, since a cache that holds the device-side keys must take no command
that the meter would not. Anybody can publish to a topic, so nothing is read of a command before its
MAC is checked but its header: reading content is most of the work.
"""

from dataclasses import dataclass
from enum import StrEnum

from gbcs import (
    EUI,
    Command,
    DecodeError,
    Keystore,
    KeystoreError,
    KeyUsage,
    Message,
    Opaque,
    Status,
    open_message,
    read_content,
)
from gbcs.content import is_apdu
from gbcs.tables.use_cases import use_case

MAX_COMMAND = 1 << 15
"""Octets of the longest command that is taken. The longest vector has 1,902; a replacement of every
credential of a device has some 12,000."""

UNKNOWN_SRV = "unknown"
"""Stands for the SRV of a message whose use case is not known or has none."""


class Discard(StrEnum):
    """Why a command is not taken."""

    MALFORMED = "malformed"
    TOO_LONG = "too-long"
    NOT_A_COMMAND = "not-a-command"
    FOREIGN_RECIPIENT = "foreign-recipient"
    MAC_ABSENT = "mac-absent"
    MAC_INVALID = "mac-invalid"
    SIGNATURE_ABSENT = "signature-absent"
    SIGNATURE_INVALID = "signature-invalid"
    NO_KEY = "no-key"
    """There is no key to verify MAC or signature with."""
    CERTIFICATE_INVALID = "certificate-invalid"
    """What the command brings is not a certificate of a P-256 key-agreement key."""
    CERTIFICATE_FOREIGN = "certificate-foreign"
    """It names another party than the one that the command is for."""
    CERTIFICATE_EXPIRED = "certificate-expired"
    """It does not hold yet, or no longer."""
    CERTIFICATE_KEY = "certificate-key"
    """Its key is not the one that is held for the party."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command that is for the device and authentic."""

    command: Command
    srv: str


@dataclass(frozen=True, slots=True)
class Discarded:
    """A command that is not taken, and why."""

    reason: Discard
    srv: str = UNKNOWN_SRV


_BY_MAC = {
    Status.ABSENT: Discard.MAC_ABSENT,
    Status.INVALID: Discard.MAC_INVALID,
    Status.UNVERIFIED: Discard.NO_KEY,
}

_BY_SIGNATURE = {
    Status.ABSENT: Discard.SIGNATURE_ABSENT,
    Status.INVALID: Discard.SIGNATURE_INVALID,
    Status.UNVERIFIED: Discard.NO_KEY,
}


def accept(device: EUI, octets: bytes, keystore: Keystore, now: float) -> Accepted | Discarded:
    """Return the command in `octets` if `device` takes it at `now`, or why it does not.

    Every command has a valid MAC; one that is critical, or signed all the same, a valid signature
    of its originator too. A certificate that it brings must be one of the party it is for.
    """
    if len(octets) > MAX_COMMAND:
        return Discarded(Discard.TOO_LONG)
    try:
        message = open_message(octets, keystore)
    except DecodeError:
        return Discarded(Discard.MALFORMED)
    srv = srv_of(message.message_code)
    reason = _of_header(message, device) or _of_certificate(message, keystore, now)
    if reason is not None:
        return Discarded(reason, srv)
    command = readable(message)
    return Discarded(Discard.MALFORMED, srv) if command is None else Accepted(command, srv)


def readable(message: Message) -> Command | None:
    """Return a command of `open_message` with its content read, or None if that cannot be.

    Content of a kind that is not known is left as it is, but DLMS must be read whole: what a
    command reads decides who may send it.
    """
    command = read_content(message)
    payload = command.payload
    if not isinstance(command, Command):
        return None
    return None if isinstance(payload, Opaque) and is_apdu(payload.octets) else command


def _of_header(message: Message, device: EUI) -> Discard | None:
    """Return what is wrong with the header, MAC or signature of a command."""
    if not isinstance(message, Command) or message.signature is None:
        return Discard.NOT_A_COMMAND
    if message.recipient != device:
        return Discard.FOREIGN_RECIPIENT
    reason = _BY_MAC.get(message.mac_status)
    if reason in (None, Discard.NO_KEY) and (message.signature or message.critical):
        # what is known to be wrong counts before what cannot be known for want of a key
        reason = _BY_SIGNATURE.get(message.signature_status) or reason
    return reason


def _of_certificate(command: Message, keystore: Keystore, now: float) -> Discard | None:
    """Return what is wrong with the certificate that a command brings, if it brings one."""
    behind = command.supplementary
    if behind is None or not behind.certificate:
        return None
    # Deferred, since x509 takes half of the import and few commands bring a certificate.
    from gbcs.crypto.certificate import point, read_certificate

    try:
        certificate = read_certificate(behind.certificate)
    except KeystoreError:
        return Discard.CERTIFICATE_INVALID
    if certificate.eui != behind.party:
        return Discard.CERTIFICATE_FOREIGN
    if not keystore.takes_expired and not certificate.holds_at(now):
        return Discard.CERTIFICATE_EXPIRED
    held = keystore.public_key(behind.party, KeyUsage.KEY_AGREEMENT)
    if held is not None and point(held) != certificate.point:
        return Discard.CERTIFICATE_KEY
    return None


def srv_of(message_code: int) -> str:
    """Return the service reference that leads to a message code, `unknown` where none does."""
    found = use_case(message_code)
    return found.srvs[0] if found and found.srvs else UNKNOWN_SRV
