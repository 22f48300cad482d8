"""Keys by EUI, from a file or from a subclass, and the secret that two parties share."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from esme_emulator.estate.keys import DerivedKeystore
from gbcs import EUI, FileKeystore, Keystore, KeystoreError, KeyUsage
from gbcs.crypto import keystore as module
from gbcs.crypto.certificate import point
from tests.support.rtds import raw_keys
from tests.support.second_hand import agreed, secret_of

ONE, TWO, THREE = (EUI.from_int(number) for number in (1, 2, 3))
NAME = "00DB1234567890A0"
KEYS = DerivedKeystore("keystore")
KA, DS = KeyUsage.KEY_AGREEMENT, KeyUsage.DIGITAL_SIGNATURE

GENERATOR = (
    "046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
    "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"
)
"""The public key of the private key 1: the base point of P-256 (FIPS 186-4, D.1.2.3)."""
ORDER = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"
OFF_THE_CURVE = GENERATOR[:-1] + "4"


def test_a_public_key_follows_from_the_private_one() -> None:
    keystore = FileKeystore({NAME: {"ka": {"private": "01"}}})
    public = keystore.public_key(EUI.parse(NAME), KA)
    assert public is not None
    assert point(public).hex().upper() == GENERATOR
    assert keystore.public_key(EUI.parse(NAME), DS) is None
    assert keystore.private_key(EUI.parse(NAME), DS) is None
    assert list(keystore) == [EUI.parse(NAME)]


def test_a_public_key_without_a_private_key() -> None:
    keystore = FileKeystore({NAME.lower(): {"ds": {"public": GENERATOR.lower()}}})
    public = keystore.public_key(EUI.parse(NAME), DS)
    assert public is not None
    assert point(public).hex().upper() == GENERATOR
    assert keystore.private_key(EUI.parse(NAME), DS) is None


def test_usages_are_kept_apart() -> None:
    keystore = FileKeystore(
        {NAME: {"ka": {"private": "1"}, "ds": {"private": "2"}, "pp_ka": {"private": "3"}}}
    )
    found = [keystore.private_key(EUI.parse(NAME), usage) for usage in KeyUsage]
    assert [key and key.private_numbers().private_value for key in found] == [1, 2, 3]


BAD_ENTRIES: dict[str, Any] = {
    "not an object": [],
    "a text": "keys",
    "nothing": None,
    "odd EUI": {"00DB1234567890A": {}},
    "EUI of other digits": {"00DB1234567890AG": {}},
    "no EUI": {"": {}},
    "usages of no EUI": {NAME: None},
    "usages in a list": {NAME: []},
    "unknown usage": {NAME: {"kg": {}}},
    "keys of no usage": {NAME: {"ka": None}},
    "keys that are a text": {NAME: {"ka": "private"}},
    "keys that are a list": {NAME: {"ka": ["public"]}},
    "keys that are a number": {NAME: {"ka": 5}},
    "private key 0": {NAME: {"ka": {"private": "00"}}},
    "negative private key": {NAME: {"ka": {"private": "-1"}}},
    "private key of the order": {NAME: {"ka": {"private": ORDER}}},
    "private key too long": {NAME: {"ka": {"private": "01" * 33}}},
    "private key that is a number": {NAME: {"ka": {"private": 1}}},
    "private key that is nothing": {NAME: {"ka": {"private": None}}},
    "private key in other digits": {NAME: {"ka": {"private": "secret"}}},
    "empty private key": {NAME: {"ka": {"private": ""}}},
    "public key off the curve": {NAME: {"ka": {"public": OFF_THE_CURVE}}},
    "public key at infinity": {NAME: {"ka": {"public": "00"}}},
    "short public key": {NAME: {"ka": {"public": GENERATOR[:-2]}}},
    "long public key": {NAME: {"ka": {"public": GENERATOR + "00"}}},
    "public key of another form": {NAME: {"ka": {"public": "05" + GENERATOR[2:]}}},
    "empty public key": {NAME: {"ka": {"public": ""}}},
    "public key in other digits": {NAME: {"ka": {"public": "point"}}},
    "public key that is a number": {NAME: {"ka": {"public": 4}}},
    "public key of another private one": {NAME: {"ka": {"private": "02", "public": GENERATOR}}},
}


@pytest.mark.parametrize("entries", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_bad_entries_are_one_line_errors(entries: Any, tmp_path: Path) -> None:
    with pytest.raises(KeystoreError) as caught:
        FileKeystore(entries)
    assert "\n" not in str(caught.value)
    if isinstance(entries, dict):
        [name] = entries
        assert repr(name) in str(caught.value)
    path = tmp_path / "keystore.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(KeystoreError) as caught:
        FileKeystore.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"keys", b"\xff\xfe\x00", b'{"a": 1,}\n\n', b"[" * 100_000, b'{"a":' * 100_000],
    ids=lambda content: str(content[:10]),
)
def test_a_file_that_is_not_json_is_a_one_line_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    path.write_bytes(content)
    with pytest.raises(KeystoreError) as caught:
        FileKeystore.load(path)
    assert str(path) in str(caught.value)
    assert "is not JSON" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unreadable_file_is_a_one_line_error(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "absent", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(KeystoreError) as caught:
            FileKeystore.load(path)
        assert str(path) in str(caught.value)
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_of_keys_is_read_again(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    path.write_text(KEYS.export([ONE, TWO]), encoding)
    keystore = FileKeystore.load(path)
    assert list(keystore) == [ONE, TWO]
    for eui in (ONE, TWO):
        for usage in (KA, DS):
            public, private = keystore.public_key(eui, usage), keystore.private_key(eui, usage)
            assert public is not None
            assert private is not None
            assert point(public) == point(KEYS.public_key(eui, usage))
            assert point(private.public_key()) == point(public)


def test_both_sides_share_one_secret() -> None:
    expected = agreed(KEYS.private_key(ONE, KA), KEYS.public_key(TWO, KA))
    assert KEYS.shared_secret(ONE, TWO) == KEYS.shared_secret(TWO, ONE) == expected
    assert len(expected) == 32


def test_secrets_of_the_rtds(rtds_keystore: FileKeystore) -> None:
    euis = [EUI.parse(name) for name in raw_keys()]
    for one in euis[:5]:
        for other in euis:
            expected = secret_of(raw_keys(), one, other)
            assert rtds_keystore.shared_secret(one, other) == expected


class Counting(Keystore):
    """Keys of ONE and the public key of TWO; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def private_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePrivateKey | None:
        self.asked += 1
        return KEYS.private_key(eui, usage) if eui == ONE else None

    def public_key(self, eui: EUI, usage: KeyUsage) -> ec.EllipticCurvePublicKey | None:
        self.asked += 1
        return KEYS.public_key(eui, usage) if eui != THREE else None


def test_one_private_key_is_enough() -> None:
    keystore = Counting()
    expected = KEYS.shared_secret(ONE, TWO)
    assert keystore.shared_secret(ONE, TWO) == expected
    asked = keystore.asked
    assert keystore.shared_secret(TWO, ONE) == expected
    assert keystore.asked == asked
    assert Counting().shared_secret(TWO, ONE) == expected


def test_missing_keys_give_no_secret() -> None:
    assert Counting().shared_secret(ONE, THREE) is None
    assert Counting().shared_secret(THREE, ONE) is None
    assert Counting().shared_secret(TWO, EUI.from_int(4)) is None


def test_secrets_are_forgotten_rather_than_kept_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_SECRETS", 3)
    keystore = Counting()
    for number in range(10, 20):
        assert keystore.shared_secret(ONE, EUI.from_int(number)) is not None
    asked = keystore.asked
    assert keystore.shared_secret(ONE, EUI.from_int(19)) is not None
    assert keystore.asked == asked
    assert keystore.shared_secret(ONE, EUI.from_int(10)) is not None
    assert keystore.asked > asked
