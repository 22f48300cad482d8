"""ASN.1 content as annotated octets: a part for each element of the DER.

Knows tags and lengths. Takes names and meanings from the typed value and its JSON, whose fields
have the order of the elements. Parts are octets, field, meaning and depth, as in `gbcs.explain`,
which checks that they add up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from gbcs.asn1.content import Asn1Content, to_json
from gbcs.asn1.lengths import CONSTRUCTED, contents_of
from gbcs.asn1.payloads import PAYLOADS
from gbcs.asn1.signed import Signed

Part = tuple[bytes, str, str, int]

_CONTEXT, _NUMBER = 0x80, 0x1F
_TITLES = {
    0x01: "BOOLEAN",
    0x02: "INTEGER",
    0x03: "BIT STRING",
    0x04: "OCTET STRING",
    0x05: "NULL",
    0x06: "OBJECT IDENTIFIER",
    0x0A: "ENUMERATED",
    0x18: "GeneralizedTime",
    0x30: "SEQUENCE",
}
_UNKNOWN = object()
"""In place of a value if elements and fields cannot be matched."""


def content_parts(content: Asn1Content, octets: bytes, depth: int) -> Iterator[Part]:
    """Yield the parts of a content whose encoding is `octets`."""
    name, form = content.type_name, to_json(content)["value"]
    if isinstance(PAYLOADS.get(name), Mapping):
        ((name, form),) = form.items()
    yield from _element(octets, 0, name, (content.value, form), depth)


def _element(
    der: bytes, position: int, name: str, known: tuple[Any, Any], depth: int
) -> Iterator[Part]:
    """Yield the element at `position`; `known` is its value, typed and as JSON."""
    tag = der[position]
    title = _TITLES.get(tag) or (f"[{tag & _NUMBER}]" if tag & _CONTEXT else f"tag {tag:02X}")
    start, end = contents_of(der, position)
    value, form = known
    if isinstance(value, Signed):
        meaning = f"{title}, {type(value).__name__}, {end - position} octets"
        yield der[position:end], name, meaning, depth
    elif tag & CONSTRUCTED:
        elements = list(_elements(der, start, end))
        yield der[position:start], name, f"{title} of {len(elements)}", depth
        # A SEQUENCE has at most one field with a DEFAULT: the number of elements shows if it is
        # present.
        members = list(_members(value, form, with_defaults=False))
        if len(members) != len(elements):
            members = list(_members(value, form, with_defaults=True))
        if len(members) != len(elements):
            members = [("element", (_UNKNOWN, None))] * len(elements)
        for at, (inner, member) in zip(elements, members, strict=True):
            yield from _element(der, at, inner, member, depth + 1)
    else:
        yield der[position:end], name, f"{title} {_text(form)}".rstrip(), depth


def _elements(der: bytes, start: int, end: int) -> Iterator[int]:
    while start < end:
        yield start
        _, start = contents_of(der, start)


def _members(
    value: Any, form: Any, *, with_defaults: bool
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield name and value of each field of a SEQUENCE, with or without fields that DER omits."""
    if isinstance(value, tuple):
        for number, pair in enumerate(zip(value, form, strict=True), start=1):
            yield str(number), pair
    elif is_dataclass(value):
        by_name = {field.name.replace("_", ""): field for field in fields(value)}
        for name, inner in form.items():
            field = by_name[name.lower()]
            member = getattr(value, field.name)
            if with_defaults or field.default in (MISSING, None) or member != field.default:
                yield name, (member, inner)


def _text(form: Any) -> str:
    if isinstance(form, list):
        return ", ".join(map(str, form))
    return "" if form is None else str(form)
