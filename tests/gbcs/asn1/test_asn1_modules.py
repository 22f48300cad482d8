"""The ASN.1 modules and the Python types agree."""

import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.resources import files
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import asn1tools
import pytest

from gbcs.asn1 import specification
from gbcs.asn1.named_numbers import KEY_USAGE_IDENTIFIERS, KeyUsage, NamedNumber
from gbcs.asn1.payloads import PAYLOADS
from gbcs.asn1.use_cases import TYPE_NAMES


@cache
def _modules() -> dict[str, Any]:
    paths = files("gbcs.asn1").joinpath("modules").iterdir()
    parsed: dict[str, Any] = asn1tools.parse_string("\n".join(path.read_text() for path in paths))
    return parsed


def _resolved(module: str, described: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Follow references until a built-in type is reached."""
    while described["type"][0].isupper() and not described["type"].isupper():
        name = described["type"]
        if name in ("GeneralizedTime", "OCTET STRING", "BIT STRING", "SEQUENCE OF"):
            break
        if name not in _modules()[module]["types"]:
            module = next(
                source for source, names in _modules()[module]["imports"].items() if name in names
            )
        described = _modules()[module]["types"][name]
    return module, described


def _check(module: str, described: dict[str, Any], annotation: Any) -> None:
    module, described = _resolved(module, described)
    if isinstance(annotation, UnionType):
        annotation, *others = (part for part in get_args(annotation) if part is not NoneType)
        assert not others or described["type"] in ("INTEGER", "OCTET STRING")
    if isinstance(annotation, dict):
        assert described["type"] == "CHOICE"
        assert [member["name"] for member in described["members"]] == list(annotation)
        for member, part in zip(described["members"], annotation.values(), strict=True):
            _check(module, member, part)
    elif get_origin(annotation) is tuple:
        assert described["type"] == "SEQUENCE OF"
        _check(module, described["element"], get_args(annotation)[0])
    elif is_dataclass(annotation):
        _check_record(module, described, annotation)
    elif annotation is KeyUsage:
        names = [name for name, _ in described["named-bits"]]
        assert names == list(KEY_USAGE_IDENTIFIERS)
        assert len(KeyUsage) == len(names)
    elif isinstance(annotation, type) and issubclass(annotation, NamedNumber):
        assert _named_numbers(described) == {member.identifier: member for member in annotation}
    else:
        assert annotation.__name__ in {
            "NULL": ("NoneType",),
            "INTEGER": ("int",),
            "OCTET STRING": ("bytes", "EUI"),
            "GeneralizedTime": ("datetime",),
            "SEQUENCE": ("Certificate", "CertificationRequest"),
        }.get(described["type"], ())


def _check_record(module: str, described: dict[str, Any], annotation: Any) -> None:
    assert described["type"] == "SEQUENCE"
    hints = get_type_hints(annotation)
    members = described["members"]
    assert [_snake(member["name"]) for member in members] == [
        field.name for field in fields(annotation)
    ]
    for member in members:
        hint = hints[_snake(member["name"])]
        assert member.get("optional", False) is (
            isinstance(hint, UnionType) and NoneType in get_args(hint)
        ), member["name"]
        _check(module, member, hint)


def _named_numbers(described: dict[str, Any]) -> dict[str, int]:
    if described["type"] == "ENUMERATED":
        return dict(described["values"])
    assert described["type"] == "INTEGER"
    numbers: dict[str, int] = described["named-numbers"]
    return numbers


def _snake(identifier: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", identifier)
    return words.lower()


@pytest.mark.parametrize("type_name", sorted(PAYLOADS))
def test_payloads_match_their_modules(type_name: str) -> None:
    module, name = type_name.split(".")
    _check(module, _modules()[module]["types"][name], PAYLOADS[type_name])


def test_every_payload_of_the_modules_is_carried_by_a_message() -> None:
    defined = {
        f"{module}.{name}"
        for module, parsed in _modules().items()
        for name in parsed["types"]
        if name.endswith("Payload")
    }
    assert defined == set(PAYLOADS) == set(TYPE_NAMES.values())


@pytest.mark.processes
def test_importing_compiles_nothing() -> None:
    script = "import sys, gbcs.asn1; sys.exit('asn1tools' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_default_belongs_to_an_identifier() -> None:
    """Fields with a DEFAULT are identified by name alone, so each name must have one meaning."""
    found: dict[str, list[Any]] = {}

    def walk(described: Any) -> None:
        if isinstance(described, dict):
            if isinstance(described.get("name"), str):
                found.setdefault(described["name"], []).append(described.get("default"))
            described = list(described.values())
        if isinstance(described, list):
            for part in described:
                walk(part)

    walk(_modules())
    defaults = specification.defaults()
    assert set(defaults) == {name for name, of_it in found.items() if of_it != [None] * len(of_it)}
    for name, default in defaults.items():
        assert found[name] == [default] * len(found[name])
