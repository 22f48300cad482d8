"""DCC's own XML schemas, from a folder of the user, since they cannot be shipped."""

from pathlib import Path

from lxml import etree

from esme_emulator.gateway.requests import Element
from esme_emulator.runtime.errors import NamedFileError

DUIS_XSD = "duis.xsd"
"""The schema's file. DCC ships it with blanks in its name, which its own imports cannot resolve:
rename the files, and mend `schemaLocation` of the imports."""


class Xsd:
    """Validates documents. Raises `NamedFileError` if `folder` has no usable schemas."""

    def __init__(self, folder: Path) -> None:
        path = folder / DUIS_XSD
        if not path.is_file():
            raise NamedFileError(f"{folder}: no {DUIS_XSD}: put DCC's DUIS schema there as that")
        parser = etree.XMLParser(load_dtd=True, no_network=True)  # W3C's XML-DSIG schema has a DTD
        try:
            self._schema = etree.XMLSchema(etree.parse(str(path), parser))
        except (etree.LxmlError, OSError) as error:
            line = " ".join(str(error).split())
            raise NamedFileError(f"{path}: not a schema that can be used: {line:.300}") from None

    def mistake(self, root: Element) -> str:
        """Return what is wrong with a document in one line, empty if it is valid."""
        try:
            self._schema.assertValid(root)
        except etree.DocumentInvalid as error:
            return " ".join(str(error).split())
        return ""
