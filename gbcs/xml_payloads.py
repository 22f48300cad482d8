"""The messages in an XML file: the text of each GBCSPayload of a DUIS document.

XML is parsed, not searched, so comments, CDATA and character references (Java's XML signing writes
line ends as `&#13;`) have their meaning. The file may come from anybody: a document type, which
could define entities, is refused; depth and size are bounded.
"""

from xml.parsers import expat

PAYLOAD = "GBCSPayload"
"""The element of a DUIS response or pre-command that holds a message in base64."""
MAX_OCTETS = 1 << 26
"""Longest XML, in octets."""
MAX_DEPTH = 100
"""Deepest nesting, in elements."""

_ANOTHER_DOCUMENT = (
    expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT],
    expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI],
)


class XmlError(Exception):
    """XML that cannot be read; the text is one line for the user."""


def payloads_in(xml: bytes, encoding: str | None = None) -> list[str]:
    """Return the text of each GBCSPayload in document order, whatever its namespace.

    `xml` may hold several documents in a row. `encoding` overrides the one they declare. Raises
    `XmlError` if a document is not well-formed, too big, or has a document type.
    """
    if len(xml) > MAX_OCTETS:
        raise XmlError(f"{len(xml)} octets of XML; {MAX_OCTETS} are the limit: split the file")
    payloads: list[str] = []
    rest = memoryview(xml)
    while rest:
        document = _Document(encoding)
        end = document.read(rest)
        payloads += document.payloads
        rest = rest[end:]
    return payloads


class _Document:
    """One document and the payloads found so far."""

    def __init__(self, encoding: str | None) -> None:
        self.payloads: list[str] = []
        self._depth = 0
        self._inside: list[str] | None = None
        """The text of the current payload, None outside of one."""
        self._payload_depth = 0
        self._parser = parser = expat.ParserCreate(encoding)
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def read(self, xml: memoryview) -> int:
        """Read the document at the start of `xml` and return its end. Raises `XmlError`."""
        try:
            self._parser.Parse(xml, True)
        except expat.ExpatError as error:
            end = self._parser.ErrorByteIndex
            # A second document is an error for expat, and no error here: it begins where this ends.
            if error.code in _ANOTHER_DOCUMENT and self._depth == 0 and end > 0:
                return end
            raise XmlError(f"XML that is not well-formed: {error}") from None
        except (LookupError, ValueError) as error:  # unknown to Python, or wrong for these octets
            raise XmlError(f"XML in an encoding that cannot be read: {error}") from None
        return len(xml)

    def _refuse(self, *_: object) -> None:
        raise XmlError("XML with a document type: remove <!DOCTYPE ...>")

    def _start(self, name: str, _: object) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise XmlError(f"XML nested deeper than {MAX_DEPTH} elements")
        if self._inside is None and name.rpartition(":")[2] == PAYLOAD:
            self._inside, self._payload_depth = [], self._depth

    def _end(self, _: str) -> None:
        if self._inside is not None and self._depth == self._payload_depth:
            self.payloads.append("".join(self._inside))
            self._inside = None
        self._depth -= 1

    def _text(self, text: str) -> None:
        if self._inside is not None:
            self._inside.append(text)
