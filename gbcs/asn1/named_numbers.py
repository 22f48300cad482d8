"""Named numbers of the GBCS ASN.1 modules, with the identifiers of the modules.

An INTEGER may hold a number without a name: its annotation is then `… | int`, and the number is
kept. The one ENUMERATED, `StatusCode`, may not.

Source: `modules/*.asn`; a test compares its identifiers and numbers with these.
"""

from enum import IntEnum, IntFlag
from typing import Self


class NamedNumber(IntEnum):
    """A number with its ASN.1 identifier."""

    identifier: str

    def __new__(cls, number: int, identifier: str = "") -> Self:
        """Create the member `number` with the identifier of ASN.1 and JSON."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.identifier = identifier
        return member


class DeviceType(NamedNumber):
    """Kinds of device on the home area network (HAN)."""

    GSME = 0, "gSME"
    ESME = 1, "eSME"
    COMMUNICATIONS_HUB_FUNCTION = 2, "communicationsHubCommunicationsHubFunction"
    GAS_PROXY_FUNCTION = 3, "communicationsHubGasProxyFunction"
    TYPE1_HCALCS = 4, "type1HANConnectedAuxiliaryLoadControlSwitch"
    TYPE1_PPMID = 5, "type1PrepaymentInterfaceDevice"
    TYPE2 = 6, "type2"


class RemotePartyRole(NamedNumber):
    """Roles whose credentials a device holds. Only vectors of CS02g show 8; older GBCS lacks it."""

    ROOT = 0, "root"
    RECOVERY = 1, "recovery"
    SUPPLIER = 2, "supplier"
    NETWORK_OPERATOR = 3, "networkOperator"
    ACCESS_CONTROL_BROKER = 4, "accessControlBroker"
    TRANSITIONAL_COS = 5, "transitionalCoS"
    WAN_PROVIDER = 6, "wanProvider"
    ISSUING_AUTHORITY = 7, "issuingAuthority"
    LOAD_CONTROLLER = 8, "loadController"
    OTHER = 127, "other"


class CellUsage(NamedNumber):
    """The use of a trust anchor cell."""

    MANAGEMENT = 0, "management"
    PREPAYMENT_TOP_UP = 1, "prePaymentTopUp"


class StatusCode(NamedNumber):
    """Outcome for one role or trust anchor cell: all codes of RFC 5934; GBCS uses some."""

    SUCCESS = 0, "success"
    DECODE_FAILURE = 1, "decodeFailure"
    BAD_CONTENT_INFO = 2, "badContentInfo"
    BAD_SIGNED_DATA = 3, "badSignedData"
    BAD_ENCAP_CONTENT = 4, "badEncapContent"
    BAD_CERTIFICATE = 5, "badCertificate"
    BAD_SIGNER_INFO = 6, "badSignerInfo"
    BAD_SIGNED_ATTRS = 7, "badSignedAttrs"
    BAD_UNSIGNED_ATTRS = 8, "badUnsignedAttrs"
    MISSING_CONTENT = 9, "missingContent"
    NO_TRUST_ANCHOR = 10, "noTrustAnchor"
    NOT_AUTHORIZED = 11, "notAuthorized"
    BAD_DIGEST_ALGORITHM = 12, "badDigestAlgorithm"
    BAD_SIGNATURE_ALGORITHM = 13, "badSignatureAlgorithm"
    UNSUPPORTED_KEY_SIZE = 14, "unsupportedKeySize"
    UNSUPPORTED_PARAMETERS = 15, "unsupportedParameters"
    SIGNATURE_FAILURE = 16, "signatureFailure"
    INSUFFICIENT_MEMORY = 17, "insufficientMemory"
    UNSUPPORTED_TAMP_MSG_TYPE = 18, "unsupportedTAMPMsgType"
    APEX_TAMP_ANCHOR = 19, "apexTAMPAnchor"
    IMPROPER_TA_ADDITION = 20, "improperTAAddition"
    SEQ_NUM_FAILURE = 21, "seqNumFailure"
    CONTINGENCY_PUBLIC_KEY_DECRYPT = 22, "contingencyPublicKeyDecrypt"
    INCORRECT_TARGET = 23, "incorrectTarget"
    COMMUNITY_UPDATE_FAILED = 24, "communityUpdateFailed"
    TRUST_ANCHOR_NOT_FOUND = 25, "trustAnchorNotFound"
    UNSUPPORTED_TA_ALGORITHM = 26, "unsupportedTAAlgorithm"
    UNSUPPORTED_TA_KEY_SIZE = 27, "unsupportedTAKeySize"
    UNSUPPORTED_CONTIN_PUB_KEY_DECRYPT_ALG = 28, "unsupportedContinPubKeyDecryptAlg"
    MISSING_SIGNATURE = 29, "missingSignature"
    RESOURCES_BUSY = 30, "resourcesBusy"
    VERSION_NUMBER_MISMATCH = 31, "versionNumberMismatch"
    MISSING_POLICY_SET = 32, "missingPolicySet"
    REVOKED_CERTIFICATE = 33, "revokedCertificate"
    UNSUPPORTED_TRUST_ANCHOR_FORMAT = 34, "unsupportedTrustAnchorFormat"
    IMPROPER_TA_CHANGE = 35, "improperTAChange"
    MALFORMED = 36, "malformed"
    CMS_ERROR = 37, "cmsError"
    UNSUPPORTED_TARGET_IDENTIFIER = 38, "unsupportedTargetIdentifier"
    OTHER = 127, "other"


class CredentialsReplacementMode(NamedNumber):
    """Whose credentials are replaced, and by whom. Only vectors of CS02g show 10 and 11."""

    ROOT_BY_SUPPLIER = 0, "rootBySupplier"
    ROOT_BY_WAN_PROVIDER = 1, "rootByWanProvider"
    SUPPLIER_BY_SUPPLIER = 2, "supplierBySupplier"
    NETWORK_OPERATOR_BY_NETWORK_OPERATOR = 3, "networkOperatorByNetworkOperator"
    ACCESS_CONTROL_BROKER_BY_ACB = 4, "accessControlBrokerByACB"
    WAN_PROVIDER_BY_WAN_PROVIDER = 5, "wanProviderByWanProvider"
    TRANS_COS_BY_TRANS_COS = 6, "transCoSByTransCoS"
    SUPPLIER_BY_TRANS_COS = 7, "supplierByTransCoS"
    ANY_EXCEPT_ABNORMAL_ROOT_BY_RECOVERY = 8, "anyExceptAbnormalRootByRecovery"
    ANY_BY_CONTINGENCY = 9, "anyByContingency"
    LOAD_CONTROLLER_BY_LOAD_CONTROLLER = 10, "loadControllerByLoadController"
    LOAD_CONTROLLER_BY_SUPPLIER = 11, "loadControllerBySupplier"


class ApplyTimeBasedCPVChecks(NamedNumber):
    """Whether Certification Path Validation (CPV) checks the dates of certificates."""

    APPLY = 0, "apply"
    DISAPPLY = 1, "disapply"


class SeqNumberUsage(NamedNumber):
    """The use that a specialist sequence number protects."""

    PREPAYMENT_TOP_UP = 0, "prepaymentTopUp"


class IssueSecurityCredentialsResponseCode(NamedNumber):
    """Reason why CS02c returns no certification request."""

    INVALID_KEY_USAGE = 1, "invalidKeyUsage"
    KEY_PAIR_GENERATION_FAILED = 2, "keyPairGenerationFailed"
    CR_PRODUCTION_FAILED = 3, "cRProductionFailed"


class UpdateDeviceCertificateResponseCode(NamedNumber):
    """Outcome of CS02d."""

    SUCCESS = 0, "success"
    INVALID_CERTIFICATE = 1, "invalidCertificate"
    WRONG_DEVICE_IDENTITY = 2, "wrongDeviceIdentity"
    INVALID_KEY_USAGE = 3, "invalidKeyUsage"
    NO_CORRESPONDING_KEY_PAIR_GENERATED = 4, "noCorrespondingKeyPairGenerated"
    WRONG_PUBLIC_KEY = 5, "wrongPublicKey"
    CERTIFICATE_STORAGE_FAILED = 6, "certificateStorageFailed"
    PRIVATE_KEY_CHANGE_FAILED = 7, "privateKeyChangeFailed"


class ProvideDeviceCertificateResponseCode(NamedNumber):
    """Reason why CS02e returns no certificate."""

    INVALID_KEY_USAGE = 1, "invalidKeyUsage"
    NO_CERTIFICATE_HELD = 2, "noCertificateHeld"
    CERTIFICATE_RETRIEVAL_FAILURE = 3, "certificateRetrievalFailure"


class JoinMethodAndRole(NamedNumber):
    """Join method, and the role of the receiving device in it."""

    METHOD_A_INITIATOR = 0, "methodAInitiator"
    METHOD_A_RESPONDER = 1, "methodAResponder"
    METHOD_B = 2, "methodB"
    METHOD_C = 3, "methodC"


class JoinResponseCode(NamedNumber):
    """Outcome of a join, and of each entry that GCS59 restores."""

    SUCCESS = 0, "success"
    INVALID_MESSAGE_CODE_FOR_JOIN_METHOD_AND_ROLE = 1, "invalidMessageCodeForJoinMethodAndRole"
    INVALID_JOIN_METHOD_AND_ROLE = 2, "invalidJoinMethodAndRole"
    INCOMPATIBLE_WITH_EXISTING_ENTRY = 3, "incompatibleWithExistingEntry"
    DEVICE_LOG_FULL = 4, "deviceLogFull"
    WRITE_FAILURE = 5, "writeFailure"
    KEY_AGREEMENT_NO_RESOURCES = 6, "keyAgreementNoResources"
    KEY_AGREEMENT_UNKNOWN_ISSUER = 7, "keyAgreementUnknownIssuer"
    KEY_AGREEMENT_UNSUPPORTED_SUITE = 8, "keyAgreementUnsupportedSuite"
    KEY_AGREEMENT_BAD_MESSAGE = 9, "keyAgreementBadMessage"
    KEY_AGREEMENT_BAD_KEY_CONFIRM = 10, "keyAgreementBadKeyConfirm"
    INVALID_OR_MISSING_CERTIFICATE = 11, "invalidOrMissingCertificate"
    NO_PARTNER_LINK_KEY_RECEIVED = 12, "noPartnerLinkKeyReceived"
    NO_CBKE_RESPONSE = 13, "noCBKEResponse"


class UnjoinResponseCode(NamedNumber):
    """Outcome of an unjoin."""

    SUCCESS = 0, "success"
    NOT_IN_DEVICE_LOG = 1, "notInDeviceLog"
    OTHER_FAILURE = 2, "otherFailure"


class ReadResponseCode(NamedNumber):
    """Outcome of CS07 and of CS08."""

    SUCCESS = 0, "success"
    READ_FAILURE = 1, "readFailure"


class ActivateImageResponseCode(NamedNumber):
    """Outcome of CS06."""

    SUCCESS = 0, "success"
    NO_IMAGE_HELD = 1, "noImageHeld"
    HASH_MISMATCH = 2, "hashMismatch"
    ACTIVATION_FAILURE = 3, "activationFailure"


class FirmwareActivationResponseCode(NamedNumber):
    """Outcome of the activation that CS09 reports."""

    SUCCESS = 0, "success"
    FAILURE = 1, "failure"


class FirmwareTransferResponseCode(NamedNumber):
    """Outcome of the transfer that CCS08 reports."""

    SUCCESS = 0, "success"
    IMAGE_DISCARDED = 1, "imageDiscarded"
    HARDWARE_VERSION_MISMATCH = 2, "hardwareVersionMismatch"
    FILE_TRANSFER_FAILURE = 3, "fileTransferFailure"


class DeviceTimeStatus(NamedNumber):
    """Reliability of a device's clock."""

    RELIABLE = 0, "reliable"
    INVALID = 1, "invalid"
    UNRELIABLE = 2, "unreliable"


class KeyUsage(IntFlag):
    """Uses of a key; bit n of the BIT STRING is `1 << n`. Source: RFC 5280 4.2.1.3."""

    DIGITAL_SIGNATURE = 1 << 0
    NON_REPUDIATION = 1 << 1
    KEY_ENCIPHERMENT = 1 << 2
    DATA_ENCIPHERMENT = 1 << 3
    KEY_AGREEMENT = 1 << 4
    KEY_CERT_SIGN = 1 << 5
    CRL_SIGN = 1 << 6
    ENCIPHER_ONLY = 1 << 7
    DECIPHER_ONLY = 1 << 8


KEY_USAGE_IDENTIFIERS = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)
"""Identifiers of the bits of a `KeyUsage`, bit 0 first."""
