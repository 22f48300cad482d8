"""DCC's own XML schemas, from a folder of the user, since they cannot be shipped."""

from pathlib import Path

from esme_emulator.gateway.requests import Element


class Xsd:
    """Validates documents. Raises `NamedFileError` if `folder` has no usable schemas."""

    def __init__(self, folder: Path) -> None:
        raise NotImplementedError

    def mistake(self, root: Element) -> str:
        """Return what is wrong with a document in one line, empty if it is valid."""
        raise NotImplementedError
