"""DER of X.509 certificates and PKCS #10 requests, which this package keeps and does not open.

`cryptography` opens them: `x509.load_der_x509_certificate(certificate)`,
`x509.load_der_x509_csr(request)`. Knows the SEQUENCE around their three parts in the form of
asn1tools, `GBCSCommon.Signed`: the signed part, an algorithm and a signature. Does not know what is
in the parts: the first two are kept octet for octet.
"""

from typing import Any

from gbcs.asn1.lengths import contents_of
from gbcs.asn1.misfit import Misfit
from gbcs.axdr import write_length  # a minimal A-XDR length has the same octets as one of DER

_SEQUENCE, _BIT_STRING = b"\x30", b"\x03"
_INDEFINITE = b"\x80"


class Signed(bytes):
    """DER of a signed value: a SEQUENCE of the signed part, an algorithm and a signature."""

    __slots__ = ()


class Certificate(Signed):
    """DER of an X.509 certificate. Source: RFC 5280."""

    __slots__ = ()


class CertificationRequest(Signed):
    """DER of a certification request. Source: RFC 2986 (PKCS #10)."""

    __slots__ = ()


def join(plain: Any) -> bytes:
    """Return the DER of the three parts. Raises `Misfit` if a part is not of its type."""
    signed, algorithm = plain["toBeSigned"], plain["algorithmIdentifier"]
    octets, bits = plain["signature"]
    unused = 8 * len(octets) - bits
    if not signed[:1] == algorithm[:1] == _SEQUENCE or _INDEFINITE in (signed[1:2], algorithm[1:2]):
        raise Misfit("a part is not a SEQUENCE")
    if bits < 0 or not 0 <= unused < 8 or (unused and octets[-1] & ((1 << unused) - 1)):
        raise Misfit("the signature has bits behind its end")
    bit_string = _BIT_STRING + write_length(1 + len(octets)) + bytes((unused, *octets))
    contents = bytes(signed + algorithm) + bit_string
    return _SEQUENCE + write_length(len(contents)) + contents


def split(der: bytes) -> dict[str, Any]:
    """Return the three parts of something signed. Raises `Misfit` if `der` is not their DER."""
    try:
        start, end = contents_of(der, 0)
        _, algorithm = contents_of(der, start)
        _, signature = contents_of(der, algorithm)
        octets, last = contents_of(der, signature)
        plain = {
            "toBeSigned": der[start:algorithm],
            "algorithmIdentifier": der[algorithm:signature],
            "signature": (der[octets + 1 : last], 8 * (last - octets - 1) - der[octets]),
        }
    except IndexError:
        raise Misfit("the octets end inside") from None
    if not last == end == len(der) or join(plain) != der:
        raise Misfit("it is not in DER")
    return plain
