"""Kinds of value: what asn1tools reads becomes a typed value, a typed value becomes JSON, and back.

A kind follows from a type annotation. So a payload is declared once: as a dataclass with the fields
of the ASN.1 in snake case. Knows no particular payload. A value that does not fit its kind raises
`Misfit`, which carries the path to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from gbcs.asn1 import scalars
from gbcs.asn1.misfit import Misfit
from gbcs.asn1.named_numbers import NamedNumber
from gbcs.asn1.scalars import Way
from gbcs.asn1.signed import Signed
from gbcs.frozen import maker

_ACRONYMS = {"id": "ID", "ta": "TA", "cpv": "CPV"}


@dataclass(frozen=True, slots=True)
class Kind:
    """Four conversions of one kind of value; each raises `Misfit` if the value does not fit."""

    read: Callable[[Any], Any]
    """From the value of asn1tools to the typed value."""
    write: Callable[[Any], Any]
    """From the typed value to the value of asn1tools."""
    to_json: Callable[[Any], Any]
    from_json: Callable[[Any], Any]


@cache
def kind_of(annotation: Any) -> Kind:
    """Return the kind of values with this annotation. `None` in a union is left to records."""
    if get_origin(annotation) is tuple:
        return _sequence_of(kind_of(get_args(annotation)[0]))
    if isinstance(annotation, UnionType):
        members = tuple(member for member in get_args(annotation) if member is not NoneType)
        if len(members) == 1:  # `T | None`: the record handles the absence
            return kind_of(members[0])
        if members[1] is int:  # an INTEGER whose numbers need not have names
            return Kind(*scalars.named_number(members[0], named_only=False))
        return _SCALARS[members]
    if is_dataclass(annotation):
        return _record(annotation)
    if isinstance(annotation, type) and issubclass(annotation, NamedNumber):
        return Kind(*scalars.named_number(annotation, named_only=True))
    if isinstance(annotation, type) and issubclass(annotation, Signed):
        return Kind(*scalars.signed(annotation))
    return _SCALARS[annotation]


def choice_of(alternatives: Mapping[str, Any]) -> Kind:
    """Return the kind of a CHOICE, given the annotation of each alternative by its identifier.

    The type of a value decides which alternative it is.
    """
    kinds = {identifier: kind_of(annotation) for identifier, annotation in alternatives.items()}

    def pick(value: Any) -> tuple[str, Any]:
        for identifier, kind in kinds.items():
            try:
                return identifier, kind.write(value)
            except Misfit as misfit:
                if misfit.path:  # a part does not fit, so the value is of this alternative
                    raise misfit.at(f".{identifier}") from None
        raise Misfit(f"{value!r:.60} is not one of {', '.join(kinds)}")

    def turn(way: Callable[[Kind], Way], identifier: str, value: Any) -> Any:
        try:
            return way(kinds[identifier])(value)
        except Misfit as misfit:
            raise misfit.at(f".{identifier}") from None

    def to_json(value: Any) -> Any:
        identifier, _ = pick(value)
        return {identifier: kinds[identifier].to_json(value)}

    def from_json(obj: Any) -> Any:
        if not isinstance(obj, dict) or len(obj) != 1 or not obj.keys() <= kinds.keys():
            raise Misfit(f"give an object with exactly one of {', '.join(kinds)}")
        ((identifier, inner),) = obj.items()
        return turn(attrgetter("from_json"), identifier, inner)

    return Kind(lambda plain: turn(attrgetter("read"), *plain), pick, to_json, from_json)


class _Field(NamedTuple):
    """A field of a dataclass and of a SEQUENCE."""

    name: str
    identifier: str
    kind: Kind
    optional: bool
    """Whether the field is OPTIONAL: its annotation allows None."""


def _record(cls: Any) -> Kind:
    hints = get_type_hints(cls)
    layout = tuple(
        _Field(
            field.name,
            _identifier(field.name),
            kind_of(hints[field.name]),
            isinstance(hints[field.name], UnionType) and NoneType in get_args(hints[field.name]),
        )
        for field in fields(cls)
    )
    identifiers = {field.identifier for field in layout}
    make = maker(cls)

    # `way` picks one of the four conversions of each field once, not for each value.
    def typed(way: Callable[[Kind], Way]) -> Way:
        steps = [(field.name, field.identifier, way(field.kind)) for field in layout]

        def turn(source: Mapping[str, Any]) -> Any:
            values = {}
            for name, identifier, turn_field in steps:
                if identifier in source:
                    try:
                        values[name] = turn_field(source[identifier])
                    except Misfit as misfit:
                        raise misfit.at(f".{identifier}") from None
            try:
                return make(**values)
            except TypeError as error:  # a field is missing; Python's text names it
                raise Misfit(str(error).partition("() ")[2]) from None

        return turn

    def untyped(way: Callable[[Kind], Way]) -> Way:
        steps = [(*field, way(field.kind)) for field in layout]

        def turn(value: Any) -> dict[str, Any]:
            scalars.expect(value, cls)
            result = {}
            for name, identifier, _, optional, turn_field in steps:
                member = getattr(value, name)
                # None is the absence of an OPTIONAL field, but the value of a NULL.
                if member is not None or not optional:
                    try:
                        result[identifier] = turn_field(member)
                    except Misfit as misfit:
                        raise misfit.at(f".{identifier}") from None
            return result

        return turn

    parse = typed(attrgetter("from_json"))

    def from_json(obj: Any) -> Any:
        scalars.expect(obj, dict)
        if unknown := obj.keys() - identifiers:
            raise Misfit(f"{sorted(map(str, unknown))[0]} is not a field of {cls.__name__}")
        return parse(obj)

    return Kind(
        typed(attrgetter("read")),
        untyped(attrgetter("write")),
        untyped(attrgetter("to_json")),
        from_json,
    )


def _sequence_of(element: Kind) -> Kind:
    def each(turn: Way, values: Any, expected: type) -> list[Any]:
        scalars.expect(values, expected)
        turned: list[Any] = []
        for value in values:
            try:
                turned.append(turn(value))
            except Misfit as misfit:
                raise misfit.at(f"[{len(turned)}]") from None
        return turned

    return Kind(
        lambda plain: tuple(each(element.read, plain, list)),
        lambda value: each(element.write, value, tuple),
        lambda value: each(element.to_json, value, tuple),
        lambda obj: tuple(each(element.from_json, obj, list)),
    )


def _identifier(name: str) -> str:
    """Return the ASN.1 identifier of a field name.

    >>> _identifier("authorising_remote_party_ta_cell_identifier")
    'authorisingRemotePartyTACellIdentifier'
    """
    first, *rest = name.split("_")
    return first + "".join(_ACRONYMS.get(word, word.capitalize()) for word in rest)


_SCALARS = {annotation: Kind(*ways) for annotation, ways in scalars.WAYS.items()}
