"""The messages in an XML file: what each GBCSPayload of a DUIS document holds, as text.

XML is read as XML, so that comments, CDATA and character references (Java's XML signing writes line
ends as `&#13;`) mean what they say. It may come from anybody: a document type is refused, and with
it every entity of its own; depth and size are bounded.
"""

from xml.parsers import expat

PAYLOAD = "GBCSPayload"
"""The element of a DUIS response or pre-command that holds a message in base64."""
MAX_OCTETS = 1 << 26
MAX_DEPTH = 100

_ANOTHER_DOCUMENT = (
    expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT],
    expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI],
)


class XmlError(Exception):
    """XML that is not read; the text is one line for the user."""


def payloads_in(xml: bytes, encoding: str | None = None) -> list[str]:
    """Return the text of each GBCSPayload, in whichever namespace, in their order.

    Several documents may follow each other. `encoding` overrides what they say of themselves.
    Raises `XmlError`.
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
    """One document, as it is read."""

    def __init__(self, encoding: str | None) -> None:
        self.payloads: list[str] = []
        self._depth = 0
        self._inside: list[str] | None = None
        """The text of the payload that is being read."""
        self._payload_depth = 0
        self._parser = parser = expat.ParserCreate(encoding)
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def read(self, xml: memoryview) -> int:
        """Read a document at the start of `xml`, and return where it ends. Raises `XmlError`."""
        try:
            self._parser.Parse(xml, True)
        except expat.ExpatError as error:
            end = self._parser.ErrorByteIndex
            if error.code in _ANOTHER_DOCUMENT and self._depth == 0 and end > 0:
                return end
            raise XmlError(f"XML that is not well-formed: {error}") from None
        except (LookupError, ValueError) as error:  # an encoding that Python lacks, or cannot be
            raise XmlError(f"XML in an encoding that is not read: {error}") from None
        return len(xml)

    def _refuse(self, *_: object) -> None:
        raise XmlError("XML with a document type, which is not read: remove <!DOCTYPE ...>")

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
