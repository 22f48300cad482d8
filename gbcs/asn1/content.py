"""The content of a message as ASN.1: octets to typed value to JSON, and back, without loss.

Knows which messages carry ASN.1, and that only octets that come back out are let in. Knows
nothing of the envelope. What it needs for a content is imported when there is one: together with
asn1tools that takes some 200 ms, and few messages need it.

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
from gbcs.asn1.lengths import verbatim, widen
from gbcs.asn1.misfit import Misfit
from gbcs.asn1.use_cases import TYPE_NAMES
from gbcs.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from gbcs.asn1.kinds import Kind


@dataclass(frozen=True, slots=True)
class Asn1Content:
    """A content: the name of its ASN.1 type, such as "SetTime.CommandPayload", and its value.

    `value` is what `gbcs.asn1.payloads.PAYLOADS` gives for the type. `wide_lengths` tells that
    lengths of 128 to 255 are written as 82 00 nn outside certificates, as RTDS does, and not as
    81 nn, as DER does; it is set by decoding only where there is such a length.
    """

    type_name: str
    value: Any
    wide_lengths: bool = False


def decode_asn1(message_code: int, cra: int, content: bytes) -> Asn1Content | None:
    """Return the content of a command (CRA flag 1), response (2) or alert (3).

    None where such a message carries no ASN.1. Raises `DecodeError` where `content` is not of
    the type that belongs there, has octets left over, or is not in DER, wide lengths excepted.
    """
    type_name = TYPE_NAMES.get((message_code, cra))
    if type_name is None:
        return None
    kind = _kind(type_name)
    plain = specification.decode(type_name, content)
    try:
        with _door(DecodeError, type_name):
            value = kind.read(plain)
            plain = kind.write(value)
        der = specification.encode(type_name, plain)
    except EncodeError as error:
        raise DecodeError(error.reason, error.path) from error
    if der == content:
        return Asn1Content(type_name, value)
    if widen(der, frozenset(verbatim(plain))) == content:
        return Asn1Content(type_name, value, wide_lengths=True)
    raise DecodeError(f"not in DER, from octet {_difference(der, content)} on", f"asn1.{type_name}")


def encode_asn1(content: Asn1Content) -> bytes:
    """Return the octets of `content`. Raises `EncodeError` where it has none."""
    kind = _kind(content.type_name)
    with _door(EncodeError, content.type_name):
        plain = kind.write(content.value)
    der = specification.encode(content.type_name, plain)
    return widen(der, frozenset(verbatim(plain))) if content.wide_lengths else der


def to_json(content: Asn1Content) -> dict[str, Any]:
    """Return `content` as JSON: `value`, and `wide_lengths` where it is set.

    Fields have the identifiers of the ASN.1, named numbers their names; octets are hexadecimal.
    Raises `EncodeError` where the value is not of its type.
    """
    kind = _kind(content.type_name)
    with _door(EncodeError, content.type_name):
        value = kind.to_json(content.value)
    return {"value": value, "wide_lengths": True} if content.wide_lengths else {"value": value}


def from_json(type_name: str, obj: Any) -> Asn1Content:
    """Return the content whose JSON is `obj`. Raises `EncodeError` where it is none's."""
    kind = _kind(type_name)
    with _door(EncodeError, type_name):
        if not isinstance(obj, dict) or not {"value"} <= obj.keys() <= {"value", "wide_lengths"}:
            raise Misfit("an object with value and perhaps wide_lengths belongs here")
        wide_lengths = obj.get("wide_lengths", False)
        if not isinstance(wide_lengths, bool):
            raise Misfit("wide_lengths is true or false")
        return Asn1Content(type_name, kind.from_json(obj["value"]), wide_lengths)


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
    """Return where the two begin to differ."""
    pairs = enumerate(zip(der, content, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(der), len(content)))
