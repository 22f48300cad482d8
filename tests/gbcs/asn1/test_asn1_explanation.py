"""ASN.1 contents of every type, as annotated octets."""

from dataclasses import replace
from itertools import pairwise

import pytest

from gbcs.asn1 import Asn1Content, decode_asn1, encode_asn1, specification, to_json
from gbcs.asn1.content import _kind
from gbcs.asn1.defaults import defaulted
from gbcs.asn1.explanation import Part, content_parts
from tests.gbcs.asn1.asn1_examples import EXAMPLES, Example


def _parts(content: Asn1Content) -> list[Part]:
    octets = encode_asn1(content)
    parts = list(content_parts(content, octets, 2))
    assert b"".join(part[0] for part in parts) == octets
    return parts


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.type_name)
@pytest.mark.parametrize("wide", [False, True])
def test_every_type_adds_up_and_every_element_is_known(example: Example, wide: bool) -> None:
    parts = _parts(Asn1Content(example.type_name, example.value, wide))
    assert "element" not in [part[1] for part in parts]
    assert not [part for part in parts if part[2].startswith("tag ")]
    assert parts[0][3] == 2
    for before, after in pairwise(parts):
        assert after[3] <= before[3] + 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.type_name)
def test_every_name_of_the_json_that_travels_is_a_line(example: Example) -> None:
    """Only defaults, which DER leaves out, are in the JSON and not in the explanation."""
    content = Asn1Content(example.type_name, example.value)
    names = set(_names(to_json(content)["value"]))
    shown = {part[1] for part in _parts(content) if not part[1].isdigit()}
    assert shown - {example.type_name} <= names
    defaults = {"trustAnchorCellUsage", "applyTimeBasedCPVChecks"}
    assert names - shown <= defaults


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.type_name)
def test_a_default_that_is_written_out_is_a_line_too(example: Example) -> None:
    content = Asn1Content(example.type_name, example.value)
    plain = _kind(example.type_name).write(example.value)
    held = [path for path, holds in defaulted(plain, specification.defaults()) if holds]
    parts = _parts(replace(content, written_defaults=tuple(held)))
    assert len(parts) == len(_parts(content)) + len(held)
    assert "element" not in [part[1] for part in parts]


def _names(form: object) -> list[str]:
    if isinstance(form, dict):
        return [*form, *(name for inner in form.values() for name in _names(inner))]
    return [name for inner in form for name in _names(inner)] if isinstance(form, list) else []


def test_a_choice_is_named_after_its_alternative() -> None:
    content = decode_asn1(0x0012, 2, bytes.fromhex("0500"))
    assert content is not None
    assert _parts(content) == [(b"\x05\x00", "commandAccepted", "NULL", 2)]


def test_a_certificate_is_one_line() -> None:
    [example] = [
        example
        for example in EXAMPLES
        if example.type_name == "UpdateDeviceCertificate.CommandPayload"
    ]
    [part] = _parts(Asn1Content(example.type_name, example.value))
    assert part[0] == example.value
    assert part[2] == f"SEQUENCE, Certificate, {len(example.value)} octets"
