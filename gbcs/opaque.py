"""Octets that are not typed: what messages and their contents fall back to."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Opaque:
    """Octets of unknown layout, or without the layout that their name promises."""

    octets: bytes
    reason: str = field(default="", compare=False)
    """Why they are not typed, empty if nothing knows their layout."""
