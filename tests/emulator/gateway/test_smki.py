"""The two SMKI services: certificates of meters and parties, as DCC's clients ask for them."""

from base64 import b64decode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import SignatureAlgorithmOID
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.estate.parties import SUPPLIER
from esme_emulator.gateway.documents import text_of
from esme_emulator.gateway.requests import parse_xml
from esme_emulator.gateway.smki import Smki, SmkiAnswer
from gbcs import EUI, KeyUsage
from tests.support.duis import METER, SEED, keys

SMKI = Smki(keys(), {METER: "single"}.get, SEED)


def search(name: str) -> SmkiAnswer:
    return SMKI.search(
        "<CertificateSearchRequest><CertificateSubjectAltName>"
        f"{name}</CertificateSubjectAltName></CertificateSearchRequest>".encode()
    )


def retrieve(serial: str) -> SmkiAnswer:
    return SMKI.retrieve(
        "<CertificateDataRequest><CertificateSerial>"
        f"{serial}</CertificateSerial></CertificateDataRequest>".encode()
    )


def found(eui: EUI) -> dict[str, x509.Certificate]:
    """Return the certificates of an EUI by their usages."""
    answer = search(text_of(eui).lower())
    assert answer.status == 200
    certificates = {}
    for result in parse_xml(answer.body):
        assert [each.tag for each in result] == [
            *("CertificateSerial", "CertificateUsage", "CertificateStatus"),
        ]
        serial, usage, status = [str(each.text) for each in result]
        assert status == "I"
        assert usage not in certificates
        one = retrieve(serial)
        assert one.status == 200
        root = parse_xml(one.body)
        assert root.findtext("CertificateResponse/CertificateSubjectAltName") == text_of(eui)
        der = b64decode(str(root.findtext("CertificateResponse/CertificateBody")))
        certificates[usage] = x509.load_der_x509_certificate(der)
        assert f"{certificates[usage].serial_number:X}" == serial
    return certificates


@pytest.mark.parametrize("eui", [METER, SUPPLIER, keys().keystore.access_control_broker])
def test_there_is_one_certificate_for_each_usage(eui: EUI) -> None:
    certificates = found(eui)
    assert certificates.keys() == {"KA", "DS"}
    for name, usage in (("KA", KeyUsage.KEY_AGREEMENT), ("DS", KeyUsage.DIGITAL_SIGNATURE)):
        key = certificates[name].public_key()
        assert key == keys().keystore.public_key(eui, usage)
        extension = certificates[name].extensions.get_extension_for_class(x509.KeyUsage)
        assert extension.critical
        assert extension.value.key_agreement == (name == "KA")
        assert extension.value.digital_signature == (name == "DS")


def test_certificates_of_meters_have_the_form_that_clients_check() -> None:
    for certificate in found(METER).values():
        assert certificate.signature_algorithm_oid == SignatureAlgorithmOID.ECDSA_WITH_SHA256
        assert len(certificate.subject) == 0
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        [name] = names.value
        assert isinstance(name, x509.OtherName)
        assert name.type_id.dotted_string == "1.3.6.1.5.5.7.8.4"
        assert name.value.endswith(b"\x04\x08" + METER)
        assert name.value[0] == 0x30
        assert name.value[1] == len(name.value) - 2


def test_certificates_of_meters_are_signed_by_one_issuer() -> None:
    from esme_emulator.estate.keys import DerivedKeystore

    acb = keys().keystore.access_control_broker
    issuer = DerivedKeystore(SEED).public_key(acb, KeyUsage.DIGITAL_SIGNATURE)
    for certificate in found(METER).values():
        issuer.verify(
            certificate.signature,
            certificate.tbs_certificate_bytes,
            ec.ECDSA(certificate.signature_hash_algorithm),  # type: ignore[arg-type]
        )


@pytest.mark.parametrize("name", ["00-DB-E5-00-00-00-00-63", "ff-ff-ff-ff-ff-ff-ff-ff"])
def test_no_such_party(name: str) -> None:
    assert search(name).status == 402


@pytest.mark.parametrize("serial", ["1", "FF", f"300DBE5{0:012X}", "0200DBE50000000063"])
def test_no_such_certificate(serial: str) -> None:
    assert retrieve(serial).status == 402


@pytest.mark.parametrize("text", ["", "x", "00DBE50000000000", "1" * 41, "-1"])
def test_bad_parameters(text: str) -> None:
    assert search(text).status == 401
    if text != "00DBE50000000000":
        assert retrieve(text).status == 401


@given(st.binary(max_size=100))
def test_any_octets_are_answered(octets: bytes) -> None:
    assert SMKI.search(octets).status == 401
    assert SMKI.retrieve(octets).status == 401


@pytest.mark.parametrize("xml", ["<!DOCTYPE a><a/>", "<a/>", "<CertificateSearchRequest/>"])
def test_other_documents_are_bad_parameters(xml: str) -> None:
    assert SMKI.search(xml.encode()).status == 401
