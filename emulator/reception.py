"""Reception: whether octets are a command, for this device, and authentic.

Meter and cache ask the same, since a cache that holds the device-side keys must take no command
that the meter would not.
"""

from dataclasses import dataclass
from enum import StrEnum

from gbcs import EUI, Command, DecodeError, Keystore, Status, decode
from gbcs.tables.use_cases import use_case

UNKNOWN_SRV = "unknown"
"""Stands for the SRV of a message whose use case is not known or has none."""


class Discard(StrEnum):
    """Why a command is not taken."""

    MALFORMED = "malformed"
    NOT_A_COMMAND = "not-a-command"
    FOREIGN_RECIPIENT = "foreign-recipient"
    MAC_ABSENT = "mac-absent"
    MAC_INVALID = "mac-invalid"
    SIGNATURE_ABSENT = "signature-absent"
    SIGNATURE_INVALID = "signature-invalid"
    NO_KEY = "no-key"
    """There is no key to verify MAC or signature with."""


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


def accept(device: EUI, octets: bytes, keystore: Keystore) -> Accepted | Discarded:
    """Return the command in `octets` where `device` takes it, or why it does not.

    Every command has a valid MAC; one that is critical, or signed all the same, a valid signature
    of its originator too.
    """
    try:
        message = decode(octets, keystore)
    except DecodeError:
        return Discarded(Discard.MALFORMED)
    srv = srv_of(message.message_code)
    if not isinstance(message, Command) or message.signature is None:
        return Discarded(Discard.NOT_A_COMMAND, srv)
    if message.recipient != device:
        return Discarded(Discard.FOREIGN_RECIPIENT, srv)
    reason = _BY_MAC.get(message.mac_status)
    if reason is None and (message.signature or message.critical):
        reason = _BY_SIGNATURE.get(message.signature_status)
    return Accepted(message, srv) if reason is None else Discarded(reason, srv)


def srv_of(message_code: int) -> str:
    """Return the service reference that leads to a message code, `unknown` where none does."""
    found = use_case(message_code)
    return found.srvs[0] if found and found.srvs else UNKNOWN_SRV
