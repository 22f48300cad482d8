"""Validate that octets are an authentic command for a device.

Meters and the cache use the same checks: a cache holds the meters' keys and must not accept a
command that the meter would not. Anybody can publish to a topic and reading content is most of the
work, so only the header is read before the MAC is checked.
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
from gbcs.tables.use_cases import USE_CASES

MAX_COMMAND = 1 << 15
"""Longest command, in octets. The longest test vector has 1,902; a command that replaces every
credential of a device has about 12,000."""

UNKNOWN_SRV = "unknown"
"""Stands for the SRV of a message whose use case is unknown or has no SRV."""


class Discard(StrEnum):
    """Why a command is discarded."""

    MALFORMED = "malformed"
    TOO_LONG = "too-long"
    NOT_A_COMMAND = "not-a-command"
    FOREIGN_RECIPIENT = "foreign-recipient"
    MAC_ABSENT = "mac-absent"
    MAC_INVALID = "mac-invalid"
    SIGNATURE_ABSENT = "signature-absent"
    SIGNATURE_INVALID = "signature-invalid"
    NO_KEY = "no-key"
    """The key for MAC or signature is unknown."""
    CERTIFICATE_INVALID = "certificate-invalid"
    """The certificate in the command is not one of a P-256 key-agreement key."""
    CERTIFICATE_FOREIGN = "certificate-foreign"
    """The certificate names another party than the command does."""
    CERTIFICATE_EXPIRED = "certificate-expired"
    """The certificate is not valid yet, or no longer."""
    CERTIFICATE_KEY = "certificate-key"
    """The key of the certificate is not the known key of the party."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An authentic command for the device."""

    command: Command
    srv: str


@dataclass(frozen=True, slots=True)
class Discarded:
    """A discarded command."""

    reason: Discard
    srv: str = UNKNOWN_SRV


_SRVS = {found.code: found.srvs[0] for found in USE_CASES if found.srvs}

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
    """Return the command in `octets` if `device` accepts it at `now`, or the reason to discard it.

    A command needs a valid MAC. If it is critical or has a signature, the signature must be valid
    too. If it has a certificate, that must be a valid one of the party it is for. `now` is Unix
    time in seconds.
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
    """Return a command of `open_message` with its content, or None if that cannot be decoded.

    Content of an unknown kind stays encoded. DLMS must be decoded completely, since the attributes
    that a command reads decide which parties are entitled to it.
    """
    command = read_content(message)
    payload = command.payload
    if not isinstance(command, Command):
        return None
    return None if isinstance(payload, Opaque) and is_apdu(payload.octets) else command


def _of_header(message: Message, device: EUI) -> Discard | None:
    """Return why header, MAC or signature are invalid, or None if they are valid."""
    if not isinstance(message, Command) or message.signature is None:
        return Discard.NOT_A_COMMAND
    if message.recipient != device:
        return Discard.FOREIGN_RECIPIENT
    reason = _BY_MAC.get(message.mac_status)
    if reason in (None, Discard.NO_KEY) and (message.signature or message.critical):
        # A known mistake takes precedence over a missing key.
        reason = _BY_SIGNATURE.get(message.signature_status) or reason
    return reason


def _of_certificate(command: Message, keystore: Keystore, now: float) -> Discard | None:
    """Return why the certificate of a command is invalid, or None if it is valid or absent."""
    behind = command.supplementary
    if behind is None or not behind.certificate:
        return None
    # Deferred: x509 takes half of the import time and few commands have a certificate.
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
    """Return the service reference variant (SRV) of a message code, or `unknown`."""
    return _SRVS.get(message_code, UNKNOWN_SRV)
