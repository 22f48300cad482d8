"""Sign and verify DUIS documents: one enveloped XML signature in DCC's profile.

The profile: `ds:Signature` is the last child of the root and its only signature; one reference to
the whole document; ECDSA with P-256 and SHA-256; SHA-256 digests; the certificate is named by its
serial number and not carried. Dates of certificates are ignored, as DCC's tool does: the second
supplier's test certificate ended in December 2025.

Sources: documents signed by DCC's signing tool and by a DCC Boxed; XML Signature (W3C).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from esme_emulator.gateway.documents import REQUEST_NAMESPACE
from esme_emulator.gateway.requests import Element
from gbcs import EUI

_NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"
_IN = f"{{{_NAMESPACE}}}"
_SIGNATURE = f"{_IN}Signature"
_SERIAL = f"{_IN}KeyInfo/{_IN}X509Data/{_IN}X509IssuerSerial/{_IN}X509SerialNumber"
_REFERENCE = f"{_IN}SignedInfo/{_IN}Reference"
_TRANSFORM = f"{_IN}Transforms/{_IN}Transform"
_EXCLUSIVE = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
_ENVELOPED = f"{_NAMESPACE}enveloped-signature"
_TRANSFORMS = (
    [_ENVELOPED],
    [_ENVELOPED, _EXCLUSIVE.value],
    [_ENVELOPED, CanonicalizationMethod.CANONICAL_XML_1_0.value],
    [_ENVELOPED, CanonicalizationMethod.CANONICAL_XML_1_1.value],
)
"""Transforms that are accepted: DCC's profile, and those of most libraries."""
_SERIAL_DIGITS = 50
_CONTAINED = f"{{{REQUEST_NAMESPACE}}}SMETS1SignedResponse"


class SignatureError(ValueError):
    """A document without a valid signature in the profile; one line."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate that signs documents, with its private key if we have it."""

    eui: EUI
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | None = field(default=None, repr=False)

    @property
    def serial(self) -> int:
        """The serial number by which documents name the certificate."""
        return self.certificate.serial_number


def sign(root: Element, signer: Signer, *, name_c14n: bool = False) -> bytes:
    """Return the octets of a document, signed. Raises `SignatureError` without a private key.

    With `name_c14n` a second transform names exclusive canonical XML, so that the document may be
    put into another one.
    """
    if signer.key is None:
        raise SignatureError(f"no private key of {signer.eui} for signatures of documents")
    signed = XMLSigner(
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=_EXCLUSIVE,
    ).sign(
        root,
        key=signer.key,
        cert=[signer.certificate],
        key_info=_key_info(signer),
        exclude_c14n_transform_element=not name_c14n,
    )
    _join_base64(signed)
    octets: bytes = etree.tostring(signed, encoding="UTF-8", xml_declaration=True)
    return octets


def _key_info(signer: Signer) -> Element:
    """Return the KeyInfo that names a certificate by issuer and serial number."""
    info = etree.Element(f"{_IN}KeyInfo", nsmap={"ds": _NAMESPACE})
    data = etree.SubElement(info, f"{_IN}X509Data")
    named = etree.SubElement(data, f"{_IN}X509IssuerSerial")
    name = etree.SubElement(named, f"{_IN}X509IssuerName")
    name.text = signer.certificate.issuer.rfc4514_string()
    serial = etree.SubElement(named, f"{_IN}X509SerialNumber")
    serial.text = str(signer.serial)
    return info


def _join_base64(signed: Element) -> None:
    """Remove line breaks from the signature value, which no digest covers."""
    for value in signed.iter(f"{_IN}SignatureValue"):
        value.text = "".join((value.text or "").split())


def verify(
    root: Element, signers: Mapping[int, Signer], *, nested: bool = False
) -> tuple[Element, Signer]:
    """Return the signed tree, without its signature, and who signed it.

    Read from the tree returned only, never from `root`. `signers` are by serial number. With
    `nested` the document may contain a SMETS1SignedResponse, whose signature is not verified.
    Raises `SignatureError`.
    """
    signer = _signer(_signature_of(root, nested), signers)
    try:
        result = XMLVerifier().verify(
            root, x509_cert=signer.certificate, expect_config=_profile(signer)
        )
    # Not all mistakes in hostile signatures reach us as signxml's own exceptions.
    except (SignXMLException, etree.LxmlError, ValueError, LookupError, TypeError) as error:
        line = " ".join(str(error).split())
        raise SignatureError(f"the signature is not valid: {line:.200}") from None
    if isinstance(result, list) or result.signed_xml is None:
        raise SignatureError("the signature does not cover one XML document")
    return result.signed_xml, signer


def _profile(signer: Signer) -> SignatureConfiguration:
    return SignatureConfiguration(
        location="./",  # a signature deeper in the document is not the document's
        expect_references=1,
        signature_methods=frozenset({SignatureMethod.ECDSA_SHA256}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        verification_time=signer.certificate.not_valid_before_utc,
        # Inclusive c14n applies if no transform names another.
        default_reference_c14n_method=CanonicalizationMethod.CANONICAL_XML_1_0,
    )


def _signature_of(root: Element, nested: bool) -> Element:
    """Return the document's signature. Raises `SignatureError` unless its form is the profile's."""
    signatures = [each for each in root.iter(_SIGNATURE) if not (nested and _is_nested(each))]
    if not signatures:
        raise SignatureError("the document is not signed")
    if (
        len(signatures) > 1
        or signatures[0].getparent() is not root
        or root[-1] is not signatures[0]
    ):
        raise SignatureError("one ds:Signature must be the last child of the root, and is not")
    references = signatures[0].findall(_REFERENCE)
    if len(references) != 1 or references[0].get("URI") != "":
        raise SignatureError('the signature must have one Reference, with URI=""')
    if [each.get("Algorithm") for each in references[0].findall(_TRANSFORM)] not in _TRANSFORMS:
        raise SignatureError("the Reference must have the transform enveloped-signature")
    return signatures[0]


def _is_nested(signature: Element) -> bool:
    """Return whether this is the signature of a document that a response may contain."""
    parent = signature.getparent()
    return parent is not None and parent.getparent() is not None and parent.tag == _CONTAINED


def _signer(signature: Element, signers: Mapping[int, Signer]) -> Signer:
    """Return who is named by a signature. Raises `SignatureError`."""
    serials = signature.findall(_SERIAL)
    text = (serials[0].text or "").strip() if len(serials) == 1 else ""
    if not (text.isascii() and text.isdecimal()) or len(text) > _SERIAL_DIGITS:
        raise SignatureError("KeyInfo must name the certificate by one X509SerialNumber, decimal")
    signer = signers.get(int(text))
    if signer is None:
        raise SignatureError(f"no party has an XML signing certificate with serial {text}")
    return signer
