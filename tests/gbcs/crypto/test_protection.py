"""MACs and encryption, compared with independent code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbcs import EUI
from gbcs.crypto.protection import (
    ENCRYPTION,
    TAG_OCTETS,
    decrypt,
    derive_key,
    encrypt,
    is_blob,
    mac,
    verify_mac,
)
from tests.support import second_hand
from tests.support.rtds import named, raw_keys
from tests.support.second_hand import fields, secret_of

DEVICE, PARTY = EUI.parse("00DB1234567890A0"), EUI.parse("90B3D51F30010000")
SECRET, KEY = bytes(range(32)), bytes(range(16))
octets = st.binary(max_size=100)
keys = st.binary(min_size=16, max_size=16)


@given(
    st.binary(min_size=32, max_size=32), st.sampled_from([1, 2, 3, 4]), st.integers(0, 2**64 - 1)
)
def test_keys(secret: bytes, flag: int, counter: int) -> None:
    key = derive_key(secret, DEVICE, flag, counter, PARTY)
    assert key == second_hand.message_key(secret, DEVICE, flag, counter, PARTY)
    assert len(key) == 16


def test_every_part_makes_another_key() -> None:
    found = {
        derive_key(SECRET, DEVICE, 2, 5, PARTY),
        derive_key(SECRET[::-1], DEVICE, 2, 5, PARTY),
        derive_key(SECRET, PARTY, 2, 5, PARTY),
        derive_key(SECRET, DEVICE, ENCRYPTION, 5, PARTY),
        derive_key(SECRET, DEVICE, 2, 6, PARTY),
        derive_key(SECRET, DEVICE, 2, 5, DEVICE),
    }
    assert len(found) == 6


@given(keys, octets)
def test_macs(key: bytes, protected: bytes) -> None:
    tag = mac(key, DEVICE, protected)
    assert tag == second_hand.gmac(key, DEVICE, protected)
    assert len(tag) == TAG_OCTETS
    assert verify_mac(key, DEVICE, protected, tag)
    assert not verify_mac(key, DEVICE, protected + b"\x00", tag)
    assert not verify_mac(key, PARTY, protected, tag)
    for wrong in (tag[:-1], tag + b"\x00", bytes((tag[0] ^ 1,)) + tag[1:], b""):
        assert not verify_mac(key, DEVICE, protected, wrong)


def test_mac_of_a_vector() -> None:
    by_hand = fields(named("ECS22a_4.8.3_ERROR_RESPONSE").octets)
    secret = secret_of(raw_keys(), by_hand.originator, by_hand.recipient)
    assert secret is not None
    key = derive_key(secret, EUI(by_hand.originator), 2, by_hand.counter, EUI(by_hand.recipient))
    assert mac(key, EUI(by_hand.originator), by_hand.sealed) == by_hand.mac


@given(keys, octets)
def test_encryption(key: bytes, plaintext: bytes) -> None:
    blob = encrypt(key, DEVICE, plaintext)
    assert blob == second_hand.encrypt(key, DEVICE, plaintext)
    assert is_blob(blob)
    assert decrypt(key, DEVICE, blob) == plaintext
    assert decrypt(key, PARTY, blob) is None
    assert decrypt(bytes(16) if any(key) else b"\x01" * 16, DEVICE, blob) is None


@pytest.mark.parametrize("plaintext", [b"", b"\x00", bytes(range(50))])
def test_every_change_of_an_encrypted_attribute_is_noticed(plaintext: bytes) -> None:
    blob = encrypt(KEY, DEVICE, plaintext)
    for position in range(5, len(blob)):
        changed = blob[:position] + bytes((blob[position] ^ 1,)) + blob[position + 1 :]
        assert decrypt(KEY, DEVICE, changed) is None
    assert decrypt(KEY, DEVICE, blob + b"\x00") is None


def test_forms_of_an_encrypted_attribute() -> None:
    head = bytes.fromhex("3100000000")
    assert is_blob(head + bytes(12))
    assert is_blob(head + bytes(100))
    assert not is_blob(head + bytes(11))
    assert not is_blob(bytes.fromhex("3100000001") + bytes(12))
    assert not is_blob(b"")
