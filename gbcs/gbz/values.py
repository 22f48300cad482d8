"""Values of ZCL payloads in Python.

Knows the types of a value. Knows nothing of octets, of clusters or of JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gbcs.instants import to_iso
from gbcs.opaque import Opaque

__all__ = ["Fields", "Instant", "Opaque", "Value"]

Value: TypeAlias = "int | str | bytes | tuple[Value, ...] | Mapping[str, Value] | None"
"""Numbers, text, octets, rows; None for a string marked invalid and for an absent field."""


class Instant(int):
    """A ZigBee UTCTime: seconds since 2000-01-01T00:00:00Z, equal to the plain number.

    >>> print(Instant(86400))
    2000-01-02T00:00:00Z
    """

    __slots__ = ()

    def __str__(self) -> str:
        return to_iso(self)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a ZCL command by name, in the order of transmission."""

    values: Mapping[str, Value]

    def __getitem__(self, name: str) -> Value:
        return self.values[name]
