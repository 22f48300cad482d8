"""Messages as users see them: frozen dataclasses, with the results of verification.

Knows the fields of a message. Reading and writing them is in `gbcs.codec`.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from gbcs.eui import EUI
from gbcs.opaque import Opaque
from gbcs.tables.use_cases import CRITICAL, UseCase, use_case

if TYPE_CHECKING:
    from gbcs.asn1 import Asn1Content
    from gbcs.dlms.access import AccessRequest, AccessResponse, DataNotification
    from gbcs.gbz import GbzContent

MAX_OCTETS = 1 << 20
"""The longest message, in octets. The longest reading, 13 months of half hours, has 152 KB."""

UNSEALED = b""
"""The MAC of a message whose MAC is not calculated yet."""


class CRA(IntEnum):
    """Command, response or alert: the first octet of the transaction id."""

    COMMAND = 1
    RESPONSE = 2
    ALERT = 3


class Status(StrEnum):
    """The result of a check of a MAC, a signature or an encrypted attribute."""

    VALID = "valid"
    INVALID = "invalid"
    UNVERIFIED = "unverified"
    """There is something to verify, but a key for it is missing."""
    ABSENT = "absent"
    """There is nothing to verify."""


Payload: TypeAlias = (
    "AccessRequest | AccessResponse | DataNotification | GbzContent | Asn1Content | Opaque"
)
"""The content of a message, by family."""


@dataclass(frozen=True, slots=True)
class Supplementary:
    """A remote party behind the Access Control Broker (ACB), whom the device does not know.

    The length of the other information follows from the fields: 10 octets with `party` alone, 18
    with its counter, 26 with the device's own counter (in a response that carries encrypted
    attributes), more with a certificate (in a command that reads encrypted attributes).
    """

    party: EUI
    party_counter: int | None = None
    originator_counter: int | None = None
    """The device's own counter, which GBCS calls supplementary originator counter."""
    certificate: bytes = b""
    """DER of the party's key-agreement certificate, empty if absent."""


@dataclass(frozen=True, slots=True)
class Protected:
    """An encrypted attribute: the blob as transmitted, and its plaintext if a key opens it."""

    blob: bytes
    plaintext: bytes | None = field(default=None, compare=False)
    status: Status = field(default=Status.UNVERIFIED, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The fields that commands, responses and alerts share.

    `signature` is empty if the message is not signed, and None in a pre-command, which lacks even
    the length. `mac` is None without a MAC header, and `UNSEALED` until it is calculated. The
    results of verification take no part in comparisons.
    """

    originator: EUI
    recipient: EUI
    originator_counter: int
    message_code: int
    payload: Payload
    supplementary: Supplementary | None = None
    transaction_time: bytes = b""
    """A DLMS date-time of 12 octets in a response or alert that carries its time, else empty."""
    signature: bytes | None = b""
    mac: bytes | None = UNSEALED
    protected: tuple[Protected, ...] = ()
    mac_status: Status = field(default=Status.UNVERIFIED, compare=False)
    signature_status: Status = field(default=Status.UNVERIFIED, compare=False)

    cra: ClassVar[CRA]

    @property
    def use_case(self) -> UseCase | None:
        """The use case of the message code, None if the code is unknown."""
        return use_case(self.message_code)

    @property
    def kind(self) -> str:
        """One of command, response, alert and pre-command."""
        return "pre-command" if self.signature is None else self.cra.name.lower()

    @property
    def critical(self) -> bool:
        """Whether the originator has to sign it.

        The use case decides; if it leaves the choice, a message that is signed counts as critical.
        """
        decided = CRITICAL.get(self.message_code)
        return bool(self.signature) if decided is None else decided

    @property
    def device(self) -> EUI:
        """The EUI of the device: the recipient of a command, the originator of the others."""
        return self.recipient if self.cra is CRA.COMMAND else self.originator

    @property
    def remote_party(self) -> EUI:
        """The party that the exchange belongs to: the one behind the ACB, if there is one."""
        if self.supplementary is not None:
            return self.supplementary.party
        return self.originator if self.cra is CRA.COMMAND else self.recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Message):
    """A command, or a pre-command."""

    cra: ClassVar[CRA] = CRA.COMMAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Message):
    """The response to a command. It repeats the command's originator counter."""

    cra: ClassVar[CRA] = CRA.RESPONSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Message):
    """A message that a device sends without a command."""

    cra: ClassVar[CRA] = CRA.ALERT


MESSAGE_TYPES: dict[int, type[Message]] = {kind.cra: kind for kind in (Command, Response, Alert)}
