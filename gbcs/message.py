"""Messages as users see them: frozen dataclasses, and what verification found.

Knows the fields of a message; reading and writing them is in `gbcs.codec`.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from gbcs.eui import EUI
from gbcs.tables.use_cases import UseCase, use_case

if TYPE_CHECKING:
    from gbcs.asn1 import Asn1Content
    from gbcs.dlms.access import AccessRequest, AccessResponse, DataNotification
    from gbcs.gbz import GbzContent
    from gbcs.opaque import Opaque

MAX_OCTETS = 1 << 20
"""Messages longer than this are refused; the longest reading, 13 months, has 152 KB."""

UNSEALED = b""
"""The MAC of a message that is still to be calculated."""


class CRA(IntEnum):
    """Command, response or alert: the first octet of the transaction id."""

    COMMAND = 1
    RESPONSE = 2
    ALERT = 3


class Status(StrEnum):
    """What became of a check."""

    VALID = "valid"
    INVALID = "invalid"
    UNVERIFIED = "unverified"
    """There is something to verify, and a key for it is missing."""
    ABSENT = "absent"


Payload: TypeAlias = (
    "AccessRequest | AccessResponse | DataNotification | GbzContent | Asn1Content | Opaque"
)
"""The content of a message, by family."""


@dataclass(frozen=True, slots=True)
class Supplementary:
    """Who stands behind the ACB: a remote party that the device does not know.

    Lengths of the other information follow from what is there: 10 octets with `party` alone, 18
    with its counter, 26 with the device's own counter (in a response that carries encrypted
    attributes), more with a certificate (in a command that asks for them).
    """

    party: EUI
    party_counter: int | None = None
    originator_counter: int | None = None
    certificate: bytes = b""


@dataclass(frozen=True, slots=True)
class Protected:
    """An encrypted attribute: the blob as it travels, and its plaintext where a key opens it."""

    blob: bytes
    plaintext: bytes | None = field(default=None, compare=False)
    status: Status = field(default=Status.UNVERIFIED, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What commands, responses and alerts have in common.

    `signature` is empty where a message is not signed, and None in a pre-command, where not even
    its length travels. `mac` is None where there is no MAC header and `UNSEALED` until it is
    calculated. What verification found does not take part in comparisons.
    """

    originator: EUI
    recipient: EUI
    originator_counter: int
    message_code: int
    payload: Payload
    supplementary: Supplementary | None = None
    transaction_time: bytes = b""
    """A DLMS date-time, 12 octets, where a response or alert says when; else empty."""
    signature: bytes | None = b""
    mac: bytes | None = UNSEALED
    protected: tuple[Protected, ...] = ()
    mac_status: Status = field(default=Status.UNVERIFIED, compare=False)
    signature_status: Status = field(default=Status.UNVERIFIED, compare=False)

    cra: ClassVar[CRA]

    @property
    def use_case(self) -> UseCase | None:
        """The use case that the message code stands for, or None where it is not known."""
        return use_case(self.message_code)

    @property
    def kind(self) -> str:
        """One of command, response, alert and pre-command."""
        return "pre-command" if self.signature is None else self.cra.name.lower()

    @property
    def critical(self) -> bool:
        """Whether its originator has to sign it: as its use case says, else as it was signed."""
        found = self.use_case
        says = None if found is None else found.critical
        return bool(self.signature) if says is None else says

    @property
    def device(self) -> EUI:
        """The EUI of the device: whom a command is for, whom the others are from."""
        return self.recipient if self.cra is CRA.COMMAND else self.originator

    @property
    def remote_party(self) -> EUI:
        """The party whose request this is or answers: the one behind the ACB where there is one."""
        if self.supplementary is not None:
            return self.supplementary.party
        return self.originator if self.cra is CRA.COMMAND else self.recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Message):
    """A command, or a pre-command."""

    cra: ClassVar[CRA] = CRA.COMMAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Message):
    """The response to a command, with the command's originator counter."""

    cra: ClassVar[CRA] = CRA.RESPONSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Message):
    """What a device says unasked."""

    cra: ClassVar[CRA] = CRA.ALERT


MESSAGE_TYPES: dict[int, type[Message]] = {kind.cra: kind for kind in (Command, Response, Alert)}
