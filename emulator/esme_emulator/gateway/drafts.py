"""Requests to sign: from a user's file, or for one read.

A draft is compact, because DCC's tool drops white space before it checks a signature, and the root
declares no namespace that it does not use, because the digest would cover it.
"""

from lxml import etree

from esme_emulator.gateway.documents import REQUEST_NAMESPACE, SCHEMA_VERSION, RequestId
from esme_emulator.gateway.requests import DocumentError, Element
from esme_emulator.gateway.services import SERVICES
from esme_emulator.gateway.values import collapsed
from gbcs.instants import to_iso
from gbcs.usecases.read_request import Window

_IN = f"{{{REQUEST_NAMESPACE}}}"
_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_READ_VARIANT = 1


def draft_of(octets: bytes) -> Element:
    """Return the document in a file, without signature, comments and white space.

    Raises `DocumentError`.
    """
    # The templates of DCC have comments, which a request must not have.
    parser = etree.XMLParser(
        remove_comments=True, remove_pis=True, resolve_entities=False, no_network=True
    )
    try:
        root = etree.fromstring(octets, parser)
    except etree.XMLSyntaxError as error:
        raise DocumentError(" ".join(f"not XML: {error}".split())) from None
    for signature in root.findall(_SIGNATURE):
        root.remove(signature)
    for element in root.iter():
        element.text = collapsed(element.text or "") or None
        element.tail = None
    etree.cleanup_namespaces(root)
    return root


def renumbered(root: Element, counter: int) -> RequestId:
    """Give the request in `root` another counter; return its identity.

    Raises `DocumentError` if there is no RequestID.
    """
    found = root.find(f"{_IN}Header/{_IN}RequestID")
    try:
        before = RequestId.parse("" if found is None else found.text or "")
    except ValueError as error:
        raise DocumentError(str(error)) from None
    after = RequestId(before.originator, before.target, counter)
    if found is not None:
        found.text = str(after)
    return after


def draft_read(
    identity: RequestId, srv: str, window: Window | None, execution: int | None = None
) -> Element:
    """Return a request of variant 1 that reads `srv`, at `execution` if that is not None.

    Instants are seconds since 2000-01-01.
    """
    service = SERVICES[srv]
    root = etree.Element(
        f"{_IN}Request", {"schemaVersion": SCHEMA_VERSION}, nsmap={"sr": REQUEST_NAMESPACE}
    )
    header = etree.SubElement(root, f"{_IN}Header")
    for name, text in (
        ("RequestID", str(identity)),
        ("CommandVariant", str(_READ_VARIANT)),
        ("ServiceReference", service.reference),
        ("ServiceReferenceVariant", srv),
    ):
        etree.SubElement(header, _IN + name).text = text
    body = etree.SubElement(root, f"{_IN}Body")
    read = etree.SubElement(body, _IN + service.element)
    if execution is not None:
        etree.SubElement(read, f"{_IN}ExecutionDateTime").text = to_iso(execution)
    if window is not None:
        period = etree.SubElement(read, f"{_IN}ReadLogPeriod")
        etree.SubElement(period, f"{_IN}StartDateTime").text = to_iso(window.start)
        etree.SubElement(period, f"{_IN}EndDateTime").text = to_iso(window.end)
    return root
