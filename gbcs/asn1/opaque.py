"""Octets of X.509 and PKCS #10, which GBCS messages carry and this package does not open.

Their DER is kept as it is; `cryptography` opens it:
`x509.load_der_x509_certificate(certificate)`, `x509.load_der_x509_csr(request)`.
"""


class Signed(bytes):
    """DER of something signed: a SEQUENCE of what is signed, an algorithm and a signature."""

    __slots__ = ()


class Certificate(Signed):
    """DER of an X.509 certificate. Source: RFC 5280."""

    __slots__ = ()


class CertificationRequest(Signed):
    """DER of a certification request. Source: RFC 2986 (PKCS #10)."""

    __slots__ = ()
