"""Organisation certificates: EUI and key, and certificates that are refused."""

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from esme_emulator.estate.keys import DerivedKeystore, make_certificate
from gbcs import EUI, FileKeystore, KeystoreError, KeyUsage
from gbcs.crypto.certificate import MAX_OCTETS, point, read_certificate
from tests.support.certificates import USES, certificate
from tests.support.codec_check import outcome
from tests.support.effort import at_most, within
from tests.support.rtds import named
from tests.support.second_hand import agreed, fields

KEYS = DerivedKeystore("certificates")
METER, PARTY, OTHER = (EUI.from_int(number) for number in (7, 8, 9))
KA = KeyUsage.KEY_AGREEMENT
GOOD = make_certificate(PARTY, KEYS)

UNIQUE_IDENTIFIER = bytes.fromhex("0603 55042D 0309 00")
"""OID of x500UniqueIdentifier and the head of its bit string, which the EUI follows."""


def _certificate(key: Any, unit: str = "02") -> bytes:
    """Return a certificate of `key` without an EUI."""
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
    )
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def test_certificate_of_the_rtds(rtds_keystore: FileKeystore) -> None:
    octets = named("ECS21b_4.14_URP_SUCCESS_COMMAND").octets
    information = fields(octets).other_information
    found = read_certificate(information[18:])
    assert found.eui == information[2:10] == bytes.fromhex("90B3D51F30010000")
    known = rtds_keystore.public_key(found.eui, KA)
    assert known is not None
    assert found.point == point(found.key) == point(known)
    assert found.not_before == datetime(2015, 10, 30, tzinfo=UTC).timestamp()
    assert found.not_after == datetime(2025, 10, 29, 23, 59, 59, tzinfo=UTC).timestamp()


def test_a_certificate_has_eui_and_key() -> None:
    found = read_certificate(GOOD)
    assert found.eui == PARTY
    assert isinstance(found.eui, EUI)
    assert found.point == point(found.key) == point(KEYS.public_key(PARTY, KA))
    assert GOOD.count(UNIQUE_IDENTIFIER + PARTY) == 1


def _held(*euis: EUI) -> FileKeystore:
    return FileKeystore(json.loads(KEYS.export(euis)))


def test_a_key_that_is_held_is_replaced_by_no_other() -> None:
    newer = make_certificate(PARTY, DerivedKeystore("newer"))
    for keystore in (KEYS, _held(METER, PARTY)):
        with pytest.raises(KeystoreError, match=f"whose key is not that of {PARTY}"):
            keystore.shared_secret(METER, PARTY, newer)
        assert keystore.shared_secret(METER, PARTY, GOOD) == KEYS.shared_secret(METER, PARTY)


def test_a_certificate_counts_if_the_keystore_lacks_the_key() -> None:
    newer = make_certificate(PARTY, DerivedKeystore("newer"))
    expected = agreed(KEYS.private_key(METER, KA), DerivedKeystore("newer").public_key(PARTY, KA))
    keystore = _held(METER)
    assert keystore.shared_secret(METER, PARTY) is None
    assert keystore.shared_secret(METER, PARTY, newer) == expected
    assert keystore.shared_secret(METER, PARTY) is None


def test_the_party_s_private_key_serves_if_the_device_s_is_missing() -> None:
    def entry(eui: EUI, **parts: str) -> dict[str, dict[str, dict[str, str]]]:
        return {str(eui): {"ka": parts}}

    private = KEYS.private_key(PARTY, KA).private_numbers().private_value
    keystore = FileKeystore(
        entry(METER, public=point(KEYS.public_key(METER, KA)).hex())
        | entry(PARTY, private=f"{private:064x}")
    )
    assert keystore.shared_secret(METER, PARTY, GOOD) == KEYS.shared_secret(METER, PARTY)


def test_secrets_are_kept_by_key_and_not_by_certificate() -> None:
    """Many certificates of one key cost the cache one secret, and no DER."""
    keystore, key = _held(METER), KEYS.private_key(PARTY, KA)
    ders = [certificate(PARTY, key, serial=number, padding=3_000) for number in range(1, 600)]
    keystore.shared_secret(METER, PARTY, ders[0])
    with within(2 << 20):
        found = {keystore.shared_secret(METER, PARTY, der) for der in ders}
    assert found == {KEYS.shared_secret(METER, PARTY)}


def test_a_certificate_of_another_is_refused() -> None:
    with pytest.raises(KeystoreError) as caught:
        KEYS.shared_secret(METER, OTHER, GOOD)
    assert str(PARTY) in str(caught.value)
    assert str(OTHER) in str(caught.value)


def _other_identifier(octets: str) -> bytes:
    """Return a certificate with these octets as identifier, of the same length as the original."""
    replacement = bytes.fromhex(octets)
    assert len(replacement) == 11
    return GOOD.replace(UNIQUE_IDENTIFIER[5:] + PARTY, replacement)


P256 = ec.generate_private_key(ec.SECP256R1())
NONE = {
    "too long": certificate(PARTY, P256, padding=MAX_OCTETS),
    "of no use": certificate(PARTY, P256, use=None),
    **{f"for {use}": certificate(PARTY, P256, use=use) for use in USES[:4]},
    "nothing": b"",
    "text": b"certificate",
    "a truncated one": GOOD[:-1],
    "one with an octet more": GOOD + b"\x00",
    "another structure": bytes.fromhex("3003020101"),
    "without EUI": _certificate(ec.generate_private_key(ec.SECP256R1())),
    "of another curve": _certificate(ec.generate_private_key(ec.SECP384R1())),
    "of another kind of key": _certificate(ed25519.Ed25519PrivateKey.generate()),
    "EUI of 57 bits": _other_identifier("0309 07 0000000000000080"),
    "EUI that is text": _other_identifier("0C09 E697A5 E69CAC E8AA9E"),
    "EUI in UTF-8 that is none": _other_identifier("0C09 FFFFFFFFFFFFFFFFFF"),
}


@pytest.mark.parametrize("der", NONE.values(), ids=NONE)
def test_a_certificate_without_an_eui_is_a_one_line_error(der: bytes) -> None:
    with pytest.raises(KeystoreError) as caught:
        read_certificate(der)
    assert "\n" not in str(caught.value)
    with pytest.raises(KeystoreError):
        KEYS.shared_secret(METER, PARTY, der or b"\x00")


def test_every_change_of_a_certificate_is_read_or_refused() -> None:
    for position in range(len(GOOD)):
        changed = GOOD[:position] + bytes((GOOD[position] ^ 0x15,)) + GOOD[position + 1 :]
        found = outcome(partial(read_certificate, changed), KeystoreError)
        if isinstance(found, KeystoreError):
            assert "\n" not in str(found)
        else:
            assert len(found.eui) == 8


def test_a_certificate_is_read_once() -> None:
    der = make_certificate(OTHER, KEYS)
    read_certificate(der)
    with at_most(20):
        read_certificate(der)


def test_dates_hold_to_the_end_of_their_last_second() -> None:
    ends = datetime(2025, 10, 29, 23, 59, 59, tzinfo=UTC)
    begins = datetime(2015, 10, 30, tzinfo=UTC)
    found = read_certificate(certificate(PARTY, P256, begins=begins, ends=ends))
    held = [begins.timestamp(), ends.timestamp(), ends.timestamp() + 0.5]
    assert all(map(found.holds_at, held))
    assert not any(map(found.holds_at, (begins.timestamp() - 0.5, ends.timestamp() + 1)))


def test_the_emulator_s_certificates_are_valid_on_any_date() -> None:
    found = read_certificate(GOOD)
    days = (datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert all(found.holds_at(day.timestamp()) for day in days)
