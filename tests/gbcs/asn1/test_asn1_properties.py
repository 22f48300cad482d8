"""Properties of every ASN.1 type: any valid value, and invalid octets."""

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gbcs.asn1 import (
    Asn1Content,
    decode_asn1,
    encode_asn1,
    from_json,
    specification,
    to_json,
)
from gbcs.asn1.content import _kind
from gbcs.asn1.defaults import defaulted
from gbcs.asn1.named_numbers import KeyUsage, NamedNumber
from gbcs.asn1.payloads import PAYLOADS
from gbcs.asn1.signed import Signed
from gbcs.asn1.use_cases import TYPE_NAMES
from gbcs.errors import DecodeError
from gbcs.eui import EUI
from tests.gbcs.asn1.asn1_examples import EXAMPLES, tlv

MESSAGES = {type_name: message for message, type_name in TYPE_NAMES.items()}
WITHIN_ALERT_CODE = {"alert_code": 2**32 - 1}
UNHURRIED = settings(deadline=None)


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    decode_asn1(0x0013, 1, b"\x05\x00")


def _signed(cls: type[Signed]) -> st.SearchStrategy[Signed]:
    parts = st.tuples(*[st.binary(max_size=300)] * 3)
    return parts.map(
        lambda part: cls(
            tlv(0x30, tlv(0x30, part[0]), tlv(0x30, part[1]), tlv(0x03, b"\x00" + part[2]))
        )
    )


def _values(annotation: Any, maximum: int = 2**63 - 1) -> st.SearchStrategy[Any]:
    """Return values of an annotated type, even ones without a meaning in GBCS."""
    if isinstance(annotation, dict):
        return st.one_of(*map(_values, annotation.values()))
    if get_origin(annotation) is tuple:
        return st.lists(_values(get_args(annotation)[0]), max_size=3).map(tuple)
    if isinstance(annotation, UnionType):
        return st.one_of(*(_values(member, maximum) for member in get_args(annotation)))
    if isinstance(annotation, type) and is_dataclass(annotation):
        hints = get_type_hints(annotation)
        return st.builds(
            annotation,
            **{
                field.name: _values(hints[field.name], WITHIN_ALERT_CODE.get(field.name, 2**63 - 1))
                for field in fields(annotation)
            },
        )
    if annotation is KeyUsage:
        return st.integers(0, 2**16 - 1).map(KeyUsage)
    if issubclass(annotation, NamedNumber):
        return st.sampled_from(list(annotation))
    if issubclass(annotation, Signed):
        return _signed(annotation)
    return {
        NoneType: st.none(),
        int: st.integers(0, maximum),
        EUI: st.binary(min_size=8, max_size=8).map(EUI),
        bytes: st.binary(max_size=200),
        datetime: st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)),
    }[annotation]


CONTENTS = st.sampled_from(sorted(PAYLOADS)).flatmap(
    lambda type_name: st.builds(
        Asn1Content, st.just(type_name), _values(PAYLOADS[type_name]), st.booleans()
    )
)


@UNHURRIED
@given(CONTENTS)
def test_every_value_survives_octets_and_json(content: Asn1Content) -> None:
    octets = encode_asn1(content)
    decoded = decode_asn1(*MESSAGES[content.type_name], octets)
    assert decoded is not None
    assert decoded.value == content.value
    assert encode_asn1(decoded) == octets
    assert from_json(content.type_name, to_json(content)) == content


@UNHURRIED
@given(CONTENTS, st.data())
def test_every_default_that_is_written_out_survives(content: Asn1Content, data: Any) -> None:
    plain = _kind(content.type_name).write(content.value)
    held = [path for path, holds in defaulted(plain, specification.defaults()) if holds]
    written = tuple(path for path in held if data.draw(st.booleans()))
    content = replace(content, written_defaults=written)
    octets = encode_asn1(content)
    decoded = decode_asn1(*MESSAGES[content.type_name], octets)
    assert decoded is not None
    assert (decoded.value, decoded.written_defaults) == (content.value, written)
    assert encode_asn1(decoded) == octets
    assert from_json(content.type_name, to_json(content)) == content


@UNHURRIED
@given(st.sampled_from(sorted(TYPE_NAMES)), st.binary(max_size=400))
@example((0x0008, 1), bytes.fromhex("300E3007020104030203083003040104"))
@example((0x000F, 1), b"\x24\x80" * 600)
def test_any_octets_are_refused_or_come_back_out(message: tuple[int, int], octets: bytes) -> None:
    _refused_or_out_again(message, octets)


@UNHURRIED
@given(st.sampled_from(EXAMPLES), st.data())
def test_octets_nearly_right_are_refused_or_come_back_out(case: Any, data: st.DataObject) -> None:
    octets = bytearray(case.octets)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(octets)))
        octets[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    _refused_or_out_again((case.message_code, case.cra), bytes(octets))


def _refused_or_out_again(message: tuple[int, int], octets: bytes) -> None:
    try:
        content = decode_asn1(*message, octets)
    except DecodeError:
        return
    assert content is not None
    assert encode_asn1(content) == octets
    assert from_json(content.type_name, to_json(content)) == content
