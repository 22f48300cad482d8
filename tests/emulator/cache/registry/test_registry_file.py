"""A registry is read from its file, or every mistake in it is reported."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.cache.registry.file import RegistryFileError, load_registry
from esme_emulator.cache.registry.registry import Reason
from gbcs import EUI
from gbcs.instants import parse_iso
from gbcs.usecases.profile_read import Window
from tests.support.estate import METER, OTHER_METER, UNIX_NOW
from tests.support.rtds import ROOT

SUPPLIER, OTHER = EUI.parse("90B3D51F30010000"), EUI.parse("90B3D51F30040000")

GOOD = """
[[party]]
eui = "90B3D51F30010000"
roles = ["IS", "ES"]

[[party]]
eui = "90-b3-d5-1f-30-04-00-00"
roles = ["OU"]

[[registration]]
party = "90B3D51F30010000"
devices = ["00DBE50000000000", "00DBE50000000010 to 00DBE50000000020"]
from = 2025-01-01
to = "2026-01-01"
roles = ["IS"]

[[registration]]
party = "90B3D51F30010000"
devices = "*"
from = 2026-06-01

[[registration]]
party = "90B3D51F30040000"
"""


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "registry.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("party", "device", "srv", "start", "end", "reason"),
    [
        (SUPPLIER, METER, "4.8.1", "2025-01-01", "2025-12-31", None),
        (SUPPLIER, METER, "4.8.1", "2025-01-01", "2026-01-01", Reason.NOT_REGISTERED),
        (SUPPLIER, METER, "4.8.3", "2025-01-01", "2025-12-31", Reason.NOT_REGISTERED),
        (SUPPLIER, OTHER_METER, "4.8.1", "2025-01-01", "2025-12-31", Reason.NOT_REGISTERED),
        (SUPPLIER, EUI.parse("00DBE50000000010"), "4.8.1", "2025-06-01", "2025-06-02", None),
        (SUPPLIER, EUI.parse("00DBE50000000020"), "4.8.1", "2025-06-01", "2025-06-02", None),
        (SUPPLIER, OTHER_METER, "4.8.3", "2026-06-01", "2030-01-01", None),
        (SUPPLIER, OTHER_METER, "4.8.3", "2026-05-31", "2030-01-01", Reason.NOT_REGISTERED),
        (OTHER, OTHER_METER, "4.8.1", "2001-01-01", "2030-01-01", None),
        (OTHER, OTHER_METER, "4.6.1", "2001-01-01", "2030-01-01", Reason.ROLE_NOT_ENTITLED),
        (EUI(bytes(8)), METER, "4.8.1", "2025-06-01", "2025-06-02", Reason.UNKNOWN_PARTY),
    ],
)
def test_a_registry_is_what_is_written(
    party: EUI, device: EUI, srv: str, start: str, end: str, reason: Reason | None, tmp_path: Path
) -> None:
    registry = load_registry(written(tmp_path, GOOD))
    window = Window(parse_iso(start), parse_iso(end))
    assert registry.check(party, device, srv, window, UNIX_NOW) is reason


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    assert load_registry(written(tmp_path, "\ufeff" + GOOD))


BAD = """
colour = "red"

[[party]]
eui = "90B3D51F3001000"
roles = ["IS"]

[[party]]
eui = "90B3D51F30010000"
roles = ["XX"]

[[party]]
eui = "90B3D51F30010000"
nick = "again"

[[registration]]
devices = "everything"

[[registration]]
devices = []
party = "90B3D51F30010000"

[[registration]]
party = "90B3D51F30010000"
from = 2026-02-02T00:00:00Z
to = "yesterday"
devices = "00DBE50000000001 to 00DBE50000000000"
roles = []
"""


def test_every_mistake_is_reported_with_its_entry_key_and_reason(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    with pytest.raises(RegistryFileError) as raised:
        load_registry(path)
    expected = [
        "colour: unknown key; known are change, party, registration",
        "party 1: eui: '90B3D51F3001000' is not an EUI-64: give 16 hexadecimal digits",
        "party 2: roles: ['XX'] is not a list of some of IS, ES, ED, GT, GS, OU",
        "party 3: roles: is missing",
        "party 3: nick: unknown key; known are eui, roles, name, behind_acb, ka, ds",
        "registration 1: party: is missing",
        "registration 1: devices: 'everything' is not an EUI-64: give 16 hexadecimal digits",
        'registration 2: devices: [] is not "*", an EUI-64, a range "EUI to EUI", or a list of '
        "these",
        "registration 3: devices: 00DBE50000000000 is before 00DBE50000000001",
        "registration 3: from: 2026-02-02T00:00:00+00:00 is not a day, such as 2026-01-31",
        "registration 3: to: 'yesterday' is not a day, such as 2026-01-31",
        "registration 3: roles: [] is not a list of some of IS, ES, ED, GT, GS, OU",
    ]
    assert list(raised.value.mistakes) == [f"{path}: {mistake}" for mistake in expected]
    assert str(raised.value).splitlines() == list(raised.value.mistakes)


CONTRADICTIONS = """
[[party]]
eui = "90B3D51F30010000"
roles = ["IS"]

[[party]]
eui = "90B3D51F30010000"
roles = ["IS"]

[[registration]]
party = "90B3D51F30099999"
from = 2026-02-02
to = 2026-02-02

[[registration]]
party = "90B3D51F30010000"
roles = ["ES"]
"""


def test_entries_that_contradict_each_other_are_reported(tmp_path: Path) -> None:
    path = written(tmp_path, CONTRADICTIONS)
    with pytest.raises(RegistryFileError) as raised:
        load_registry(path)
    assert list(raised.value.mistakes) == [
        f"{path}: {mistake}"
        for mistake in (
            "party 2: eui: 90B3D51F30010000 is there before",
            "registration 1: party: 90B3D51F30099999 is not in the [[party]] entries",
            "registration 1: to: 2026-02-02 is not after 2026-02-02",
            "registration 2: roles: 90B3D51F30010000 is not ES",
        )
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "party: give at least one"),
        ("party = 3", r"party: write it as \[\[party\]\]"),
        ("[party]\neui = 3", r"party: write it as \[\[party\]\]"),
        ("[[party]\n", "not TOML: "),
        (b"\xff", "not UTF-8"),
        ("[[party]]\neui = 3\nroles = 3", "party 1: eui: 3 is not an EUI of 16"),
        (
            '[[party]]\neui = "90B3D51F30010000"\nroles = [["IS"]]',
            "is not a list of some of IS, ES",
        ),
        ("a = " + "[" * 5000, "not TOML"),
    ],
)
def test_a_file_that_is_not_a_registry_is_refused_in_one_line(
    text: str | bytes, reason: str, tmp_path: Path
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RegistryFileError, match=reason) as raised:
        load_registry(path)
    assert all(line.startswith(f"{path}: ") for line in str(raised.value).splitlines())


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RegistryFileError, match=r"none\.toml: No such file"):
        load_registry(tmp_path / "none.toml")


def test_roles_of_others_are_refused_and_mistakes_are_limited(tmp_path: Path) -> None:
    party = '[[party]]\neui = "90B3D51F30010000"\nroles = ["IS"]\n'
    one = '[[registration]]\nparty = "90B3D51F30010000"\nroles = ["ES"]\n'
    with pytest.raises(RegistryFileError) as raised:
        load_registry(written(tmp_path, party + one * 50))
    assert raised.value.mistakes[0].endswith("registration 1: roles: 90B3D51F30010000 is not ES")
    assert len(raised.value.mistakes) == 21
    assert raised.value.mistakes[-1].endswith("and 30 more")


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_octets_give_a_registry_or_mistakes(
    tmp_path_factory: pytest.TempPathFactory, octets: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "registry.toml"
    path.write_bytes(octets)
    with pytest.raises(RegistryFileError):
        load_registry(path)


def test_the_file_in_the_documentation_is_a_registry(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "cache.md").read_text()
    text, changes = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    registry = load_registry(written(tmp_path, text))
    window = Window(parse_iso("2025-04-01"), parse_iso("2026-03-31"))
    assert registry.check(SUPPLIER, METER, "4.8.1", window, UNIX_NOW) is None
    assert registry.check(SUPPLIER, OTHER_METER, "4.8.1", window, UNIX_NOW) is Reason.NOT_REGISTERED
    registry = load_registry(written(tmp_path, text + changes))
    assert registry.check(SUPPLIER, METER, "4.8.1", window, UNIX_NOW) is Reason.NOT_REGISTERED
