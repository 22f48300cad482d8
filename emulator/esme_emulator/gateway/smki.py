"""The two SMKI services that clients need to decode encrypted replies, on octets.

SMKI is the smart metering key infrastructure: the repository of certificates.
"""

from dataclasses import dataclass

from esme_emulator.gateway.checks import Meters
from esme_emulator.gateway.keys import DuisKeys


@dataclass(frozen=True, slots=True)
class SmkiAnswer:
    """HTTP status and body; the content type is always application/xml."""

    status: int
    body: bytes


class Smki:
    """Certificates of meters and parties. `seed` derives the key of their issuer."""

    def __init__(self, keys: DuisKeys, meters: Meters, seed: str) -> None:
        raise NotImplementedError

    def search(self, octets: bytes) -> SmkiAnswer:
        """Answer POST /services/certificatesearch."""
        raise NotImplementedError

    def retrieve(self, octets: bytes) -> SmkiAnswer:
        """Answer POST /services/retrievecertificate."""
        raise NotImplementedError
