"""Organisation certificates: whose they are, and what is none."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from emulator.certificate import make_certificate
from emulator.keys import DerivedKeystore
from gbcs import EUI, FileKeystore, KeystoreError, KeyUsage
from gbcs.crypto.certificate import read_certificate
from gbcs.crypto.keystore import point
from tests.support.codec_check import outcome
from tests.support.effort import at_most
from tests.support.rtds import named
from tests.support.second_hand import agreed, fields

KEYS = DerivedKeystore("certificates")
METER, PARTY, OTHER = (EUI.from_int(number) for number in (7, 8, 9))
KA = KeyUsage.KEY_AGREEMENT
GOOD = make_certificate(PARTY, KEYS)

UNIQUE_IDENTIFIER = bytes.fromhex("0603 55042D 0309 00")
"""OID of x500UniqueIdentifier and the head of its bit string, which the EUI follows."""


def _certificate(key: Any, unit: str = "02") -> bytes:
    """Return a certificate of `key` that names nobody by EUI."""
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
    eui, key = read_certificate(information[18:])
    assert eui == information[2:10] == bytes.fromhex("90B3D51F30010000")
    known = rtds_keystore.public_key(eui, KA)
    assert known is not None
    assert point(key) == point(known)


def test_a_certificate_has_eui_and_key() -> None:
    eui, key = read_certificate(GOOD)
    assert eui == PARTY
    assert isinstance(eui, EUI)
    assert point(key) == point(KEYS.public_key(PARTY, KA))
    assert GOOD.count(UNIQUE_IDENTIFIER + PARTY) == 1


def test_its_key_wins_over_one_that_is_held() -> None:
    newer = make_certificate(PARTY, DerivedKeystore("newer"))
    expected = agreed(KEYS.private_key(METER, KA), DerivedKeystore("newer").public_key(PARTY, KA))
    assert KEYS.shared_secret(METER, PARTY, newer) == expected
    assert KEYS.shared_secret(METER, PARTY) != expected
    assert KEYS.shared_secret(METER, PARTY, GOOD) == KEYS.shared_secret(METER, PARTY)


def test_the_party_s_own_key_serves_where_the_device_s_is_not_held() -> None:
    def entry(eui: EUI, **parts: str) -> dict[str, dict[str, dict[str, str]]]:
        return {str(eui): {"ka": parts}}

    private = KEYS.private_key(PARTY, KA).private_numbers().private_value
    keystore = FileKeystore(
        entry(METER, public=point(KEYS.public_key(METER, KA)).hex())
        | entry(PARTY, private=f"{private:064x}")
    )
    assert keystore.shared_secret(METER, PARTY, GOOD) == KEYS.shared_secret(METER, PARTY)
    newer = make_certificate(PARTY, DerivedKeystore("newer"))
    assert keystore.shared_secret(METER, PARTY, newer) is None


def test_a_certificate_of_another_is_refused() -> None:
    with pytest.raises(KeystoreError) as caught:
        KEYS.shared_secret(METER, OTHER, GOOD)
    assert str(PARTY) in str(caught.value)
    assert str(OTHER) in str(caught.value)


def _other_identifier(octets: str) -> bytes:
    """Return a certificate whose identifier is these octets, as long as those they replace."""
    replacement = bytes.fromhex(octets)
    assert len(replacement) == 11
    return GOOD.replace(UNIQUE_IDENTIFIER[5:] + PARTY, replacement)


NONE = {
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
def test_what_is_no_certificate_of_an_eui_is_one_line_of_error(der: bytes) -> None:
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
            assert len(found[0]) == 8


def test_a_certificate_is_read_once() -> None:
    der = make_certificate(OTHER, KEYS)
    read_certificate(der)
    with at_most(20):
        read_certificate(der)
