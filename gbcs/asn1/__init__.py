"""ASN.1 contents: security credentials, device certificates, joins, firmware and clock."""

from gbcs.asn1.content import Asn1Content, decode_asn1, encode_asn1, from_json, to_json
from gbcs.asn1.signed import Certificate, CertificationRequest

__all__ = [
    "Asn1Content",
    "Certificate",
    "CertificationRequest",
    "decode_asn1",
    "encode_asn1",
    "from_json",
    "to_json",
]
