"""The content of a message as ASN.1: octets to typed value to JSON, and back, without loss.

Knows which messages carry ASN.1. Accepts only octets that it can write again unchanged. Knows
nothing of the envelope. Imports the payload types with the first content: together with asn1tools
that takes some 200 ms, and few messages need it.

    >>> content = decode_asn1(0x000F, 1, bytes.fromhex("040800DB123456789094"))
    >>> content.type_name, content.value
    ('UnjoinDevice.CommandPayload', EUI('00DB123456789094'))
    >>> encode_asn1(content).hex()
    '040800db123456789094'
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from gbcs.asn1 import specification
from gbcs.asn1.defaults import defaulted, leave_out
from gbcs.asn1.lengths import verbatim, widen
from gbcs.asn1.misfit import Misfit
from gbcs.asn1.use_cases import TYPE_NAMES
from gbcs.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from gbcs.asn1.kinds import Kind


_KEYS = {"value", "wide_lengths", "written_defaults"}


@dataclass(frozen=True, slots=True)
class Asn1Content:
    """A content: the name of its ASN.1 type, such as "SetTime.CommandPayload", and its value.

    `value` is of the Python type in `gbcs.asn1.payloads.PAYLOADS`. `wide_lengths` is True if
    lengths of 128 to 255 are written as 82 00 nn outside certificates, as in the RTDS, and not as
    81 nn, as in DER; decoding sets it only if there is such a length. `written_defaults` are the
    paths of fields that hold their DEFAULT and are written anyway, such as
    "[0].trustAnchorCellsDetails[0].trustAnchorCellUsage"; DER would leave them out.
    """

    type_name: str
    value: Any
    wide_lengths: bool = False
    written_defaults: tuple[str, ...] = ()


def decode_asn1(message_code: int, cra: int, content: bytes) -> Asn1Content | None:
    """Return the content of a command (CRA flag 1), response (2) or alert (3).

    None if such a message carries no ASN.1. Raises `DecodeError` if `content` is not of the type of
    the message, has octets left over, or is not in DER; wide lengths and written defaults are
    accepted.
    """
    type_name = TYPE_NAMES.get((message_code, cra))
    if type_name is None:
        return None
    kind = _kind(type_name)
    read = specification.decode(type_name, content)
    try:
        with _door(DecodeError, type_name):
            # BER accepts many encodings, so the value is written again and compared.
            value = kind.read(read)
            plain = kind.write(value)
            der = _encode(type_name, plain, ())
            found = _as_written(der, plain, content)
            written: tuple[str, ...] = ()
            if found is None:  # tried second: written defaults are rare, and their paths slow
                written = _written_defaults(read)
                der = _encode(type_name, plain, written)
                found = _as_written(der, plain, content)
    except EncodeError as error:
        raise DecodeError(error.reason, error.path) from error
    if found is not None:
        return Asn1Content(type_name, value, found, written)
    raise DecodeError(f"not in DER, from octet {_difference(der, content)} on", f"asn1.{type_name}")


def _as_written(der: bytes, plain: Any, content: bytes) -> bool | None:
    """Return whether `content` is `der` with wide lengths, or None if it is neither."""
    if der == content:
        return False
    return True if widen(der, frozenset(verbatim(plain))) == content else None


def encode_asn1(content: Asn1Content) -> bytes:
    """Return the octets of `content`. Raises `EncodeError` if the value is not of its type."""
    kind = _kind(content.type_name)
    with _door(EncodeError, content.type_name):
        plain = kind.write(content.value)
        der = _encode(content.type_name, plain, content.written_defaults)
    return widen(der, frozenset(verbatim(plain))) if content.wide_lengths else der


def _written_defaults(plain: Any) -> tuple[str, ...]:
    """Return the paths of fields in `plain` that hold their DEFAULT."""
    return tuple([path for path, holds in defaulted(plain, specification.defaults()) if holds])


def _encode(type_name: str, plain: Any, written: tuple[str, ...]) -> bytes:
    """Return the DER of `plain`, with the defaults at the paths `written`."""
    if not written:
        return specification.encode(type_name, plain)
    defaults = specification.defaults()
    for path in sorted(set(written) - {path for path, _ in defaulted(plain, defaults)}):
        raise Misfit(f"{path!r:.60} in written_defaults is not a field with a DEFAULT")
    plain = leave_out(plain, defaults, frozenset(written))
    return specification.encode(type_name, plain, with_defaults=True)


def to_json(content: Asn1Content) -> dict[str, Any]:
    """Return `content` as JSON: `value`, and `wide_lengths` and `written_defaults` if set.

    Keys are the identifiers of the ASN.1, named numbers their names, octets upper-case hex.
    Raises `EncodeError` if the value is not of its type.
    """
    kind = _kind(content.type_name)
    with _door(EncodeError, content.type_name):
        value = kind.to_json(content.value)
    form: dict[str, Any] = {"value": value}
    if content.wide_lengths:
        form["wide_lengths"] = True
    if content.written_defaults:
        form["written_defaults"] = list(content.written_defaults)
    return form


def from_json(type_name: str, obj: Any) -> Asn1Content:
    """Return the content whose JSON is `obj`. Raises `EncodeError` if it is not such JSON."""
    kind = _kind(type_name)
    with _door(EncodeError, type_name):
        if not isinstance(obj, dict) or not {"value"} <= obj.keys() <= _KEYS:
            raise Misfit(f"give an object with 'value'; its keys are {', '.join(sorted(_KEYS))}")
        wide_lengths = obj.get("wide_lengths", False)
        if not isinstance(wide_lengths, bool):
            raise Misfit("wide_lengths must be true or false")
        written = obj.get("written_defaults", [])
        if not isinstance(written, list) or not all(isinstance(path, str) for path in written):
            raise Misfit("written_defaults must be a list of paths")
        return Asn1Content(type_name, kind.from_json(obj["value"]), wide_lengths, tuple(written))


@cache
def _kind(type_name: str) -> "Kind":
    from gbcs.asn1.kinds import choice_of, kind_of
    from gbcs.asn1.payloads import PAYLOADS

    if type_name not in PAYLOADS:
        raise EncodeError(f"{type_name!r:.60} is not a type of content", "asn1")
    payload = PAYLOADS[type_name]
    return choice_of(payload) if isinstance(payload, dict) else kind_of(payload)


@contextmanager
def _door(error: type[DecodeError] | type[EncodeError], type_name: str) -> Iterator[None]:
    """Turn a `Misfit` into `error`."""
    try:
        yield
    except Misfit as misfit:
        raise error(misfit.reason, f"asn1.{type_name}{misfit.path}") from None


def _difference(der: bytes, content: bytes) -> int:
    """Return the first octet at which the two differ."""
    pairs = enumerate(zip(der, content, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(der), len(content)))
