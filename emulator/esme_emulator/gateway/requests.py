"""Read DUIS requests from XML, defused, and as strict as DCC's schema."""

from typing import TypeAlias

from lxml import etree

from esme_emulator.gateway.documents import Request

Element: TypeAlias = etree._Element

MAX_OCTETS = 1 << 16
"""Longest request, in octets. Requests have 1.6 kB, signed pre-commands a few kB."""


class DocumentError(ValueError):
    """XML that is not well-formed, not allowed, or no DUIS request; one line."""


def parse_xml(octets: bytes, limit: int = MAX_OCTETS) -> Element:
    """Return the root element of a document. Raises `DocumentError`."""
    raise NotImplementedError


def read_request(root: Element) -> Request:
    """Return the request in `root`, which the caller has verified. Raises `DocumentError`."""
    raise NotImplementedError
