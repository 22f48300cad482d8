"""The one door to asn1tools.

Knows how octets become the plain values of asn1tools (dict, list, tuple, int, bytes, datetime) and
back, by a type of `modules/*.asn`. Turns every failure on the way into a `DecodeError` or
`EncodeError` with a path. Knows nothing of use cases.

Reads octets as BER and writes them as DER: the DER decoder of asn1tools 0.169 never returns from a
SEQUENCE OF with an element of another type (its issue 180); the BER decoder does. A caller that
needs DER compares the octets it read with the octets written.

Fields with a DEFAULT are read as OPTIONAL, so the result shows whether they were present;
`defaults` has their values. `encode` leaves them out, as DER requires, unless the caller has
removed the right ones itself.

asn1tools is imported and the modules are compiled at first use, which takes some 200 ms.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from gbcs.errors import DecodeError, EncodeError

_MEMBERS = re.compile(r"\(\w*, \[.*\]\)")
"""The list of members that asn1tools appends to the name of a type."""
_LONGEST_REASON = 200
_FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class _Compiled(NamedTuple):
    """The compiled modules, by module and type name, for reading and for writing."""

    ber: Any
    der: Any
    optional: Any
    """DER in which fields with a DEFAULT are OPTIONAL, so that present ones are written."""
    defaults: Mapping[str, Any]
    failures: tuple[type[Exception], ...]


def decode(reference: str, octets: bytes) -> Any:
    """Return the value that asn1tools reads from `octets`, of a type like "SetTime.CommandPayload".

    Reads BER, ignores octets left over, and leaves constraints to `encode`. Raises `DecodeError`.
    """
    compiled = _compiled()
    module, name = reference.split(".")
    asn1_type = compiled.ber[module][name]
    try:
        return asn1_type.decode(octets)
    except compiled.failures as error:
        raise DecodeError(*_where(reference, error)) from error


def encode(reference: str, plain: Any, *, with_defaults: bool = False) -> bytes:
    """Return the DER of `plain` as a type like "SetTime.CommandPayload".

    Leaves out fields that hold their DEFAULT, unless `with_defaults`. Raises `EncodeError` if
    `plain` is not a value of the type.
    """
    compiled = _compiled()
    module, name = reference.split(".")
    asn1_type = (compiled.optional if with_defaults else compiled.der)[module][name]
    try:
        asn1_type.check_types(plain)
        asn1_type.check_constraints(plain)
        return bytes(asn1_type.encode(plain))
    except compiled.failures as error:
        raise EncodeError(*_where(reference, error)) from error


def defaults() -> Mapping[str, Any]:
    """Return the DEFAULT of each field that has one, by the field's identifier.

    All fields of one identifier have the same DEFAULT.
    """
    return _compiled().defaults


@cache
def _compiled() -> _Compiled:
    import asn1tools

    modules = sorted(files("gbcs.asn1").joinpath("modules").iterdir(), key=lambda file: file.name)
    parsed = asn1tools.parse_string("\n".join(module.read_text("utf-8") for module in modules))
    der = _compile(parsed, "der")
    defaults = dict(_make_optional(parsed))
    failures = (asn1tools.Error, *_FAILURES)
    return _Compiled(_compile(parsed, "ber"), der, _compile(parsed, "der"), defaults, failures)


def _compile(parsed: Any, codec: str) -> Any:
    import asn1tools

    return asn1tools.compile_dict(deepcopy(parsed), codec, numeric_enums=True).modules


def _make_optional(parsed: Any) -> Iterator[tuple[str, Any]]:
    """Make fields with a DEFAULT optional, and yield their identifiers and defaults."""
    if isinstance(parsed, dict):
        if "default" in parsed:
            yield parsed["name"], parsed.pop("default")
            parsed["optional"] = True
        parsed = list(parsed.values())
    if isinstance(parsed, list):
        for part in parsed:
            yield from _make_optional(part)


def _where(reference: str, error: Exception) -> tuple[str, str]:
    """Return the reason and the path of a failure."""
    if isinstance(error, RecursionError):
        return "nested too deeply", f"asn1.{reference}"
    _, _, location = getattr(error, "location_str", "").partition(".")
    message = getattr(error, "message", "") or str(error) or type(error).__name__
    reason = _MEMBERS.sub("", message.splitlines()[0]).rstrip(".")[:_LONGEST_REASON]
    offset = getattr(error, "offset", None)
    if offset is not None:
        reason += f", at octet {offset}"
    return reason, ".".join(filter(None, ("asn1", reference, location)))
