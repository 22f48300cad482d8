"""Write DUIS responses as XML: compact, in the order of DCC's schema."""

from esme_emulator.gateway.documents import Response
from esme_emulator.gateway.requests import Element


def write_response(response: Response) -> Element:
    """Return the root element of `response`, unsigned. `signature.sign` makes octets of it."""
    raise NotImplementedError
