"""Sign and verify DUIS documents: one enveloped XML signature in DCC's profile."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from esme_emulator.gateway.requests import Element
from gbcs import EUI


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


def sign(root: Element, signer: Signer) -> bytes:
    """Return the octets of a document, signed. Raises `SignatureError` without a private key."""
    raise NotImplementedError


def verify(root: Element, signers: Mapping[int, Signer]) -> tuple[Element, Signer]:
    """Return the signed tree, without its signature, and who signed it.

    Read from the tree returned only, never from `root`. `signers` are by serial number. Raises
    `SignatureError`.
    """
    raise NotImplementedError
