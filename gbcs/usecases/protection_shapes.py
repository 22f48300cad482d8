"""The names of what get_protected_attributes takes and returns: objects and protection parameters.

A shape is laid over a DLMS value and names its parts. Knows no messages.

Source: DLMS UA 1000-1 (Blue Book), interface class Data protection (class 30); GBCS v4.1 section
8.5, which uses agreed keys only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gbcs.dlms.access import Access, AccessResult, Choice
from gbcs.dlms.data import Data, DataType
from gbcs.instants import from_date_time, to_iso
from gbcs.json_readings import jsonable
from gbcs.obis import dotted


@dataclass(frozen=True, slots=True)
class Shape:
    """The name of a DLMS value, and those of its parts."""

    name: str
    parts: tuple["Shape", ...] = ()
    """The parts of a structure, in their order. Null-data may be in place of the structure."""
    each: "Shape | None" = None
    """Every item of an array."""
    read: Callable[[Any], Any] | None = None
    """Returns what a value without parts means; see `meaning`."""

    def part(self, number: int) -> "Shape | None":
        """Return the shape of a part, counted from 0; None if this value has no parts."""
        return self.each or (self.parts[number] if self.parts else None)

    def fits(self, data: Data) -> bool:
        """Return whether `data` has exactly these parts."""
        value = data.value
        if self.parts and value is None:
            return True
        if not isinstance(value, tuple):
            return not self.parts and self.each is None
        if self.each is not None:
            return data.type is DataType.ARRAY and all(map(self.each.fits, value))
        if data.type is not DataType.STRUCTURE or len(value) != len(self.parts):
            return False
        return all(shape.fits(part) for shape, part in zip(self.parts, value, strict=True))

    def meaning(self, value: Any) -> Any:
        """Return what a value without parts means, the value itself if it is not known."""
        return value if self.read is None else self.read(value)

    def named(self, data: Data) -> Any:
        """Return `data`, which this shape fits, as JSON values with the names as keys."""
        value = data.value
        if not isinstance(value, tuple):
            return jsonable(self.meaning(value))
        if self.each is not None:
            return [self.each.named(item) for item in value]
        return {
            shape.name: shape.named(part) for shape, part in zip(self.parts, value, strict=True)
        }


def _one_of(*names: str) -> Callable[[Any], Any]:
    return lambda value: names[value] if value in range(len(names)) else value


def _time(octets: Any) -> Any:
    try:
        return to_iso(from_date_time(octets))
    except (TypeError, ValueError):  # with wildcards, or not a date-time
        return octets


def _logical_name(octets: Any) -> Any:
    return dotted(octets) if isinstance(octets, bytes) and len(octets) == 6 else octets


_KEY_INFO = Shape(
    "key_info",
    (
        Shape("key_info_type", read=_one_of("identified key", "wrapped key", "agreed key")),
        Shape("key_info_options", (Shape("key_parameters"), Shape("key_ciphered_data"))),
    ),
)
_PARAMETERS = Shape(
    "protection_parameters",
    (
        Shape(
            "protection_type",
            read=_one_of(
                *("authentication", "encryption", "authentication and encryption"),
                "digital signature",
            ),
        ),
        Shape(
            "protection_options",
            (
                *(Shape("transaction_id"), Shape("originator_system_title")),
                *(Shape("recipient_system_title"), Shape("other_information"), _KEY_INFO),
            ),
        ),
    ),
)
_OBJECT = Shape(
    "object",
    (
        Shape("class_id"),
        Shape("logical_name", read=_logical_name),
        Shape("attribute_index"),
        Shape("data_index"),
        Shape(
            "restriction",
            (
                Shape("restriction_type", read=_one_of("none", "by date", "by entry")),
                Shape("restriction_value", (Shape("from", read=_time), Shape("to", read=_time))),
            ),
        ),
    ),
)

REQUEST = Shape(
    "get_protected_attributes_request",
    (
        Shape("object_list", each=_OBJECT),
        Shape("get_protection_parameters", each=_PARAMETERS),
    ),
)
"""The parameters of the method in a command."""

RESPONSE = Shape(
    "get_protected_attributes_response",
    (Shape("protection_parameters", each=_PARAMETERS), Shape("protected_attributes")),
)
"""The value that the method returns."""


def protection_of(item: Access | AccessResult) -> Shape | None:
    """Return the shape of what get_protected_attributes takes or returns, None for anything else.

    A response does not say which method it answers, so the value is known by its form.
    """
    if item.choice is not Choice.ACTION:
        return None
    shape = REQUEST if isinstance(item, Access) else RESPONSE
    return shape if item.data.value is not None and shape.fits(item.data) else None
