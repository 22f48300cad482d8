"""Octets whose meaning is not known, kept as they are."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Opaque:
    """Octets whose layout is not known, or that do not have the layout that their name promises."""

    octets: bytes
    reason: str = field(default="", compare=False)
    """Why they are not typed, where an attempt failed."""
