"""Keys of DUIS: of a file of DCC Boxed, of the seed, and a file for DCC's clients."""

import json
from pathlib import Path
from typing import Any

import pytest

from esme_emulator.cache.registry.registry import default_registry
from esme_emulator.estate.estate import derived_estate, with_parties
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import (
    BOXED_OTHER_USER,
    DISTRIBUTOR,
    DUIS_USERS,
    SECOND_SUPPLIER,
    SUPPLIER,
)
from esme_emulator.estate.parties_file import load_parties
from esme_emulator.gateway.documents import DSP
from esme_emulator.gateway.keys import (
    DSP_SERIAL,
    DuisKeys,
    derived_keys,
    duis_registry,
    export_dccboxed,
    file_keys,
)
from gbcs import EUI, Keystore, KeystoreError, KeyUsage
from gbcs.crypto.certificate import point, read_certificate, subject_of
from gbcs.tables.roles import Role
from tests.support import duis
from tests.support.duis import SEED, keys, signer_of
from tests.support.rtds import named, raw_keys

KA, DS = KeyUsage.KEY_AGREEMENT, KeyUsage.DIGITAL_SIGNATURE
METER = duis.METER
NOW = 1_796_000_000.0


def boxed() -> DuisKeys:
    text = (duis.DUIS / "keystore.json").read_bytes()
    return file_keys(text, SEED, DerivedKeystore(SEED))


def scalar(keystore: Keystore, eui: EUI, usage: KeyUsage) -> int:
    key = keystore.private_key(eui, usage)
    assert key is not None
    return key.private_numbers().private_value


def exported() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(export_dccboxed(keys()))
    return found


@duis.needs_duis
def test_the_dsp_signs_with_the_certificate_that_all_clients_know() -> None:
    assert boxed().dsp.serial == DSP_SERIAL
    assert boxed().dsp.key is not None


@duis.needs_duis
@pytest.mark.parametrize(
    ("eui", "serial"),
    [
        (SUPPLIER, 27572613927499351639968579586655397031),
        (DISTRIBUTOR, 40938316298935008147424226388667426413),
        (BOXED_OTHER_USER, 37250744094852421200045328576547436839),
        (SECOND_SUPPLIER, 76986165265641917001207597343644863443),
    ],
)
def test_users_sign_with_one_certificate(eui: EUI, serial: int) -> None:
    assert [each.serial for each in boxed().signers.values() if each.eui == eui] == [serial]


@duis.needs_duis
def test_certificates_that_cannot_be_read_are_skipped_with_a_line_each() -> None:
    complaints = boxed().complaints
    assert len(complaints) == 2
    assert all("90b3d51f30010009" in line and "\n" not in line for line in complaints)


@duis.needs_duis
def test_gbcs_keys_are_those_of_the_rtds() -> None:
    named("ECS17b_4.1.1_SINGLE_SUCCESS_COMMAND")  # skips without the RTDS
    for eui in (SUPPLIER, SECOND_SUPPLIER, DISTRIBUTOR, DSP):
        expected = raw_keys()[str(eui).lower()]["ka"]["public"]
        key = boxed().keystore.public_key(eui, KA)
        assert key is not None
        assert point(key).hex() == expected.lower()


@duis.needs_duis
def test_meters_keep_their_derived_keys() -> None:
    assert scalar(boxed().keystore, METER, KA) == scalar(DerivedKeystore(SEED), METER, KA)


def test_derived_keys_sign_and_have_certificates() -> None:
    assert keys().dsp.eui == DSP
    assert {each.eui for each in keys().signers.values()} == {DSP, *DUIS_USERS}
    for signer in keys().signers.values():
        assert subject_of(signer.certificate) == signer.eui
    for eui in DUIS_USERS:
        assert read_certificate(keys().certificates[eui][KA]).eui == eui


def test_derived_keys_are_the_same_each_time() -> None:
    again = derived_keys(SEED, DerivedKeystore(SEED))
    assert again.certificates == keys().certificates
    assert again.dsp.certificate == keys().dsp.certificate
    assert derived_keys("other", DerivedKeystore("other")).dsp.serial != keys().dsp.serial


def test_an_exported_file_can_be_read() -> None:
    again = file_keys(export_dccboxed(keys()).encode(), "other", DerivedKeystore("other"))
    assert again.complaints == ()
    assert again.dsp.certificate == keys().dsp.certificate
    assert again.signers.keys() == keys().signers.keys()
    assert again.certificates == keys().certificates
    for eui in DUIS_USERS:
        assert scalar(again.keystore, eui, DS) == scalar(keys().keystore, eui, DS)


def test_an_estate_takes_the_keys_of_the_parties_alone(tmp_path: Path) -> None:
    estate = derived_estate("other", 1)
    file = tmp_path / "keystore.json"
    file.write_text(export_dccboxed(keys()))
    changed = with_parties(estate, load_parties(file))
    assert (changed.name, changed.meters) == (estate.name, estate.meters)
    assert scalar(changed.keystore, SUPPLIER, KA) == scalar(keys().keystore, SUPPLIER, KA)
    assert scalar(changed.keystore, METER, KA) == scalar(estate.keystore, METER, KA)
    registered = default_registry(changed.known_parties)
    assert registered.parties() == duis_registry().parties()
    assert not any(registered.why_all_refused(eui) for eui in DUIS_USERS)


def test_a_file_without_the_dsp_is_complained_of() -> None:
    parties = exported()
    del parties[str(DSP).lower()]
    found = file_keys(json.dumps(parties).encode(), SEED, DerivedKeystore(SEED))
    assert found.complaints == ("no certificate of the DSP: responses are signed with our own",)
    assert found.dsp.key is not None


def test_a_party_of_the_file_has_no_derived_certificate_beside_it() -> None:
    """Anybody who knows the seed could sign in its name."""
    text = export_dccboxed(keys()).encode()
    found = file_keys(text, "other", DerivedKeystore("other"))
    mine = [each.serial for each in found.signers.values() if each.eui == SUPPLIER]
    assert mine == [signer_of(SUPPLIER).serial]


@pytest.mark.parametrize(
    "text",
    [b"", b"x", b"[]", b"{}", b'{"a": 1}', b'{"a": {"keyAgreement": {"1": {}}}}', b"[" * 100_000],
)
def test_what_is_no_such_file_is_one_line(text: bytes) -> None:
    with pytest.raises(KeystoreError) as caught:
        file_keys(text, SEED, DerivedKeystore(SEED))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["certificate", "privateKey", "name", "role"])
@pytest.mark.parametrize("value", [None, "", "x", 1, []])
def test_a_bad_entry_is_skipped(key: str, value: object) -> None:
    parties = exported()
    entries = parties[str(SUPPLIER).lower()]["keyAgreement"]
    [serial] = entries
    entries[serial][key] = value
    found = file_keys(json.dumps(parties).encode(), SEED, DerivedKeystore(SEED))
    harmless = key == "name" or (key, value) == ("role", 1)
    assert len(found.complaints) == (0 if harmless else 1)


def test_a_key_that_is_not_that_of_its_certificate_is_skipped() -> None:
    parties = exported()
    other = next(iter(parties[str(DISTRIBUTOR).lower()]["keyAgreement"].values()))
    [serial] = (entries := parties[str(SUPPLIER).lower()]["keyAgreement"])
    entries[serial]["privateKey"] = other["privateKey"]
    [line] = file_keys(json.dumps(parties).encode(), SEED, DerivedKeystore(SEED)).complaints
    assert "not that of the certificate" in line


def test_a_certificate_of_another_eui_is_skipped() -> None:
    parties = exported()
    parties[str(SUPPLIER).lower()] = parties[str(DISTRIBUTOR).lower()]
    complaints = file_keys(json.dumps(parties).encode(), SEED, DerivedKeystore(SEED)).complaints
    assert len(complaints) == 3
    assert all("another serial number or EUI" in line for line in complaints)


def test_the_registry_has_every_user_for_every_device() -> None:
    registry = duis_registry()
    assert registry.parties()[SUPPLIER] == {Role.IS, Role.ES}
    assert registry.check(SUPPLIER, METER, "4.6.2", None, NOW) is None
    assert registry.check(SECOND_SUPPLIER, METER, "4.6.1", None, NOW) is None
    assert registry.check(DISTRIBUTOR, METER, "4.2", None, NOW) is None
    assert registry.check(BOXED_OTHER_USER, METER, "4.8.1", None, NOW) is None
