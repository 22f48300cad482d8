"""Credentials of remote parties on a device: CS02a, CS02f, CS02b and CS02g.

Fields are those of the ASN.1 modules ProvideSecurityCredentialDetails and
UpdateSecurityCredentials, in snake case; `None` is an absent field.
"""

from dataclasses import dataclass
from datetime import datetime

from gbcs.asn1.named_numbers import (
    ApplyTimeBasedCPVChecks,
    CellUsage,
    CredentialsReplacementMode,
    KeyUsage,
    RemotePartyRole,
    SeqNumberUsage,
    StatusCode,
)
from gbcs.asn1.signed import Certificate
from gbcs.eui import EUI


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchorCellIdentifier:
    """One trust anchor cell: the role that owns it, the kind of key, and its use."""

    trust_anchor_cell_remote_party_role: RemotePartyRole | int
    trust_anchor_cell_key_usage: KeyUsage
    trust_anchor_cell_usage: CellUsage | int = CellUsage.MANAGEMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvideSecurityCredentialDetailsCommand:
    """CS02a and CS02f: the requesting cell, and the roles whose credentials it requests."""

    authorising_remote_party_ta_cell_identifier: TrustAnchorCellIdentifier
    remote_party_roles_credentials_required: tuple[RemotePartyRole | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchorCellContents:
    """The contents of one cell of a role. An identifier of eight octets is an `EUI`."""

    trust_anchor_cell_key_usage: KeyUsage
    trust_anchor_cell_usage: CellUsage | int = CellUsage.MANAGEMENT
    subject_unique_id: EUI | bytes
    subject_key_identifier: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePartyDetails:
    """The answer for one role; the last two fields are present if `status_code` is success."""

    remote_party_role: RemotePartyRole | int
    status_code: StatusCode
    current_seq_number: int | None = None
    trust_anchor_cells_details: tuple[TrustAnchorCellContents, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialistSeqNumber:
    """A counter that protects one use only."""

    seq_number_usage: SeqNumberUsage | int
    seq_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePartySeqNumberChange:
    """New floors of the counters of a role other than the authorising one."""

    other_remote_party_role: RemotePartyRole | int
    other_remote_party_floor_seq_number: int
    new_remote_party_specialist_floor_seq_number: tuple[SpecialistSeqNumber, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorisingRemotePartyControl:
    """The party that authorises a replacement, and the new values of the counters."""

    credentials_replacement_mode: CredentialsReplacementMode | int
    plaintext_symmetric_key: bytes | None = None
    apply_time_based_cpv_checks: ApplyTimeBasedCPVChecks | int = ApplyTimeBasedCPVChecks.APPLY
    authorising_remote_party_ta_cell_identifier: TrustAnchorCellIdentifier | None = None
    authorising_remote_party_seq_number: int
    new_remote_party_floor_seq_number: int | None = None
    new_remote_party_specialist_floor_seq_number: tuple[SpecialistSeqNumber, ...] | None = None
    other_remote_party_seq_number_changes: tuple[RemotePartySeqNumberChange, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchorReplacement:
    """A certificate and the cell to store it in."""

    replacement_certificate: Certificate
    target_trust_anchor_cell: TrustAnchorCellIdentifier


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSecurityCredentialsCommand:
    """CS02b and CS02g: replace credentials, now or at `execution_date_time`.

    9999-12-31T23:59:59Z cancels a future dated command.
    """

    authorising_remote_party_control: AuthorisingRemotePartyControl
    replacements: tuple[TrustAnchorReplacement, ...]
    certification_path_certificates: tuple[Certificate, ...]
    execution_date_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementOutcome:
    """The outcome for one cell. An identifier of eight octets is an `EUI`."""

    affected_trust_anchor_cell: TrustAnchorCellIdentifier
    status_code: StatusCode
    existing_subject_unique_id: EUI | bytes
    existing_subject_key_identifier: bytes
    replacing_subject_unique_id: EUI | bytes
    replacing_subject_key_identifier: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSecurityCredentialsOutcome:
    """The outcome of a replacement that was executed."""

    authorising_remote_party_seq_number: int
    credentials_replacement_mode: CredentialsReplacementMode | int
    remote_party_seq_number_changes: tuple[RemotePartySeqNumberChange, ...]
    replacement_outcomes: tuple[ReplacementOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSecurityCredentialsResponse:
    """The outcome if the command was immediate; `command_accepted` is a NULL, always present."""

    command_accepted: None = None
    execution_outcome: UpdateSecurityCredentialsOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSecurityCredentialsAlert:
    """The outcome of a future dated command: message codes 00CB and 0124."""

    alert_code: int
    execution_date_time: datetime
    execution_outcome: UpdateSecurityCredentialsOutcome
