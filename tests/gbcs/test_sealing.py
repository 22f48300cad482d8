"""The pair of keys for each kind of protection, compared with independent code."""

from dataclasses import replace

import pytest

from esme_emulator.estate.keys import DerivedKeystore, make_certificate
from gbcs import CRA, EUI, AuthenticationError, FileKeystore, KeyUsage, Status, Supplementary
from gbcs.crypto.protection import encrypt
from gbcs.header import Envelope
from gbcs.sealing import attribute_key, calculate_mac, check_mac, check_signature, open_protected
from tests.support.second_hand import ENCRYPTION, agreed, gmac, message_key

KEYS = DerivedKeystore("sealing")
ACB = KEYS.access_control_broker
METER, PARTY, BEHIND = (EUI.from_int(number) for number in (1, 2, 3))
COUNTER, PARTY_COUNTER, OWN_COUNTER = 10, 20, 30
SEALED = b"\xdf and what follows"


def _secret(one: EUI, other: EUI) -> bytes:
    usage = KeyUsage.KEY_AGREEMENT
    return agreed(KEYS.private_key(one, usage), KEYS.public_key(other, usage))


def _envelope(cra: int, originator: EUI, recipient: EUI) -> Envelope:
    mac = bytes(12)
    return Envelope(cra, COUNTER, originator, recipient, b"", b"", b"", b"", mac, SEALED)


@pytest.mark.parametrize(
    ("cra", "originator", "recipient", "pair"),
    [
        (CRA.COMMAND, PARTY, METER, (ACB, METER)),
        (CRA.COMMAND, ACB, METER, (ACB, METER)),
        (CRA.RESPONSE, METER, PARTY, (METER, PARTY)),
        (CRA.RESPONSE, METER, ACB, (METER, ACB)),
        (CRA.ALERT, METER, PARTY, (METER, PARTY)),
    ],
)
def test_the_pair_of_a_mac(
    cra: CRA, originator: EUI, recipient: EUI, pair: tuple[EUI, EUI]
) -> None:
    key = message_key(_secret(*pair), originator, cra, COUNTER, recipient)
    expected = gmac(key, originator, SEALED)
    envelope = _envelope(cra, originator, recipient)
    assert calculate_mac(envelope, SEALED, KEYS) == expected
    assert check_mac(envelope, KEYS) is Status.INVALID
    assert check_mac(replace(envelope, mac=expected), KEYS) is Status.VALID
    assert check_mac(replace(envelope, mac=expected), None) is Status.UNVERIFIED
    assert check_mac(replace(envelope, mac=expected), FileKeystore({})) is Status.UNVERIFIED
    assert check_mac(replace(envelope, mac=None), KEYS) is Status.ABSENT
    with pytest.raises(AuthenticationError):
        calculate_mac(envelope, SEALED, None)


@pytest.mark.parametrize(
    ("supplementary", "party", "counter"),
    [
        (None, PARTY, COUNTER),
        (Supplementary(BEHIND), BEHIND, COUNTER),
        (Supplementary(BEHIND, PARTY_COUNTER), BEHIND, COUNTER),
        (Supplementary(BEHIND, PARTY_COUNTER, OWN_COUNTER), BEHIND, OWN_COUNTER),
        (Supplementary(BEHIND, PARTY_COUNTER, 0), BEHIND, 0),
    ],
)
def test_the_pair_of_an_encrypted_attribute(
    supplementary: Supplementary | None, party: EUI, counter: int
) -> None:
    expected = message_key(_secret(METER, party), METER, ENCRYPTION, counter, party)
    assert attribute_key(METER, PARTY, COUNTER, supplementary, KEYS) == expected
    certificate = make_certificate(party, KEYS)
    assert attribute_key(METER, PARTY, COUNTER, supplementary, KEYS, certificate) == expected
    assert attribute_key(METER, PARTY, COUNTER, supplementary, None) is None
    assert attribute_key(METER, PARTY, COUNTER, supplementary, FileKeystore({})) is None


def test_results_of_opening_an_attribute() -> None:
    key = bytes(range(16))
    blob = encrypt(key, METER, b"plain")
    opened = open_protected(blob, key, METER)
    assert (opened.plaintext, opened.status) == (b"plain", Status.VALID)
    wrong = open_protected(blob, bytes(16), METER)
    assert (wrong.plaintext, wrong.status) == (None, Status.INVALID)
    closed = open_protected(blob, None, METER)
    assert (closed.plaintext, closed.status) == (None, Status.UNVERIFIED)
    assert opened == closed


def test_status_of_a_signature() -> None:
    envelope = _envelope(CRA.ALERT, METER, PARTY)
    for signature in (b"", None):
        assert check_signature(replace(envelope, signature=signature), KEYS) is Status.ABSENT
    signed = replace(envelope, signature=bytes(64))
    assert check_signature(signed, KEYS) is Status.INVALID
    assert check_signature(signed, None) is Status.UNVERIFIED
    assert check_signature(signed, FileKeystore({})) is Status.UNVERIFIED
