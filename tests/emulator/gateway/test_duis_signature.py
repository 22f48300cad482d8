"""Documents are signed in DCC's profile, and nothing else than this profile is trusted."""

import shutil
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from signxml import DigestAlgorithm, SignatureMethod, XMLSigner

from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import DISTRIBUTOR, SECOND_SUPPLIER, SUPPLIER
from esme_emulator.gateway.keys import file_keys
from esme_emulator.gateway.requests import DocumentError, Element, parse_xml, read_request
from esme_emulator.gateway.signature import SignatureError, Signer, sign, verify
from tests.support import duis
from tests.support.duis import METER, SR, keys, request_text, signed, signer_of

DS = "{http://www.w3.org/2000/09/xmldsig#}"
DOCUMENT = signed(request_text("4.8.1"))


def refused(octets: bytes) -> str:
    with pytest.raises(SignatureError) as caught:
        verify(parse_xml(octets), keys().signers)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def altered(alter: Callable[[Element], object], document: bytes = DOCUMENT) -> bytes:
    root = parse_xml(document)
    alter(root)
    octets: bytes = etree.tostring(root)
    return octets


def test_a_document_is_verified_and_its_signer_named() -> None:
    tree, signer = verify(parse_xml(DOCUMENT), keys().signers)
    assert signer.eui == SUPPLIER
    assert read_request(tree).id.target == METER
    assert tree.find(f"{DS}Signature") is None


def test_the_profile_is_dccs() -> None:
    root = parse_xml(DOCUMENT)
    assert root[-1].tag == f"{DS}Signature"
    algorithms = [each.get("Algorithm", "").rpartition("/")[2] for each in root[-1].iter()]
    assert [each for each in algorithms if each] == [
        "xml-exc-c14n#",
        "xmldsig-more#ecdsa-sha256",
        "xmldsig#enveloped-signature",
        "xmlenc#sha256",
    ]
    [data] = root[-1].findall(f"{DS}KeyInfo/*")
    assert [str(each.tag).removeprefix(DS) for each in data.iter()] == [
        "X509Data",
        "X509IssuerSerial",
        "X509IssuerName",
        "X509SerialNumber",
    ]
    assert data[0][1].text == str(signer_of(SUPPLIER).serial)


def test_a_signed_document_is_compact() -> None:
    root = parse_xml(DOCUMENT)
    for element in root.iter():
        assert not element.tail
        assert "\n" not in (element.text or "")


def test_signatures_with_line_breaks_verify() -> None:
    def wrap(root: Element) -> None:
        value = root.find(f".//{DS}SignatureValue")
        assert value is not None
        assert value.text
        value.text = value.text[:76] + "\r\n" + value.text[76:]

    verify(parse_xml(altered(wrap)), keys().signers)


@pytest.mark.parametrize("c14n", ["2001/10/xml-exc-c14n#", "2006/12/xml-c14n11"])
def test_the_transforms_of_most_libraries_are_accepted(c14n: str) -> None:
    signer = signer_of(SUPPLIER)
    root = XMLSigner(
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=f"http://www.w3.org/{c14n}",
    ).sign(parse_xml(request_text("4.13").encode()), key=signer.key, cert=[signer.certificate])
    # Named by serial number, as the profile demands, instead of carried.
    other = parse_xml(DOCUMENT)
    info, named = root.find(f".//{DS}KeyInfo"), other.find(f".//{DS}KeyInfo")
    assert info is not None
    assert named is not None
    info[:] = list(named)
    tree, _ = verify(parse_xml(etree.tostring(root)), keys().signers)
    assert read_request(tree).srv == "4.13"


def test_a_key_is_needed_to_sign() -> None:
    signer = signer_of(SUPPLIER)
    root = parse_xml(request_text("4.13").encode())
    with pytest.raises(SignatureError, match="no private key"):
        sign(root, Signer(signer.eui, signer.certificate))


# Attacks


def test_an_unsigned_document_is_refused() -> None:
    assert refused(request_text("4.13").encode()) == "the document is not signed"


@pytest.mark.parametrize("name", ["RequestID", "CommandVariant", "StartDateTime"])
def test_a_tampered_document_is_refused(name: str) -> None:
    def tamper(root: Element) -> None:
        element = root.find(f".//{SR}{name}")
        assert element is not None
        assert element.text
        element.text = element.text.replace("1", "2", 1)

    assert "not valid" in refused(altered(tamper))


def test_another_partys_certificate_is_refused() -> None:
    def rename(root: Element) -> None:
        serial = root.find(f".//{DS}X509SerialNumber")
        assert serial is not None
        serial.text = str(signer_of(DISTRIBUTOR).serial)

    assert "not valid" in refused(altered(rename))


@pytest.mark.parametrize("serial", ["1", "", "x", "-1", "٣", "9" * 60])
def test_an_unknown_serial_is_refused(serial: str) -> None:
    def rename(root: Element) -> None:
        element = root.find(f".//{DS}X509SerialNumber")
        assert element is not None
        element.text = serial

    assert "serial" in refused(altered(rename)).lower()


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        (SignatureMethod.ECDSA_SHA384, DigestAlgorithm.SHA256),
        (SignatureMethod.ECDSA_SHA256, DigestAlgorithm.SHA512),
    ],
)
def test_other_algorithms_are_refused(method: SignatureMethod, digest: DigestAlgorithm) -> None:
    signer = signer_of(SUPPLIER)
    info = parse_xml(DOCUMENT).find(f".//{DS}KeyInfo")
    root = XMLSigner(signature_algorithm=method, digest_algorithm=digest).sign(
        parse_xml(request_text("4.13").encode()),
        key=signer.key,
        cert=[signer.certificate],
        key_info=info,
    )
    assert "not valid" in refused(etree.tostring(root))


@pytest.mark.parametrize("name", ["SignatureMethod", "DigestMethod", "CanonicalizationMethod"])
@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2000/09/xmldsig#sha1",
        "urn:none",
        "",
    ],
)
def test_renamed_algorithms_are_refused(name: str, algorithm: str) -> None:
    def rename(root: Element) -> None:
        element = root.find(f".//{DS}{name}")
        assert element is not None
        element.set("Algorithm", algorithm)

    refused(altered(rename))


@pytest.mark.parametrize("uri", ["#x", "file:///etc/passwd", "http://127.0.0.1:9/", "x.xml", None])
def test_references_elsewhere_are_refused(uri: str | None) -> None:
    def point(root: Element) -> None:
        element = root.find(f".//{DS}Reference")
        assert element is not None
        root.set("Id", "x")
        element.attrib.pop("URI")
        if uri is not None:
            element.set("URI", uri)

    assert 'URI=""' in refused(altered(point))


def test_two_references_are_refused() -> None:
    def double(root: Element) -> None:
        element = root.find(f".//{DS}Reference")
        assert element is not None
        element.addnext(deepcopy(element))

    assert "one Reference" in refused(altered(double))


def test_another_transform_is_refused() -> None:
    def transform(root: Element) -> None:
        element = root.find(f".//{DS}Transform")
        assert element is not None
        element.set("Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116")

    assert "transform" in refused(altered(transform))


def test_two_signatures_are_refused() -> None:
    assert "one ds:Signature" in refused(altered(lambda root: root.append(deepcopy(root[-1]))))


def test_a_signature_that_is_not_the_last_child_is_refused() -> None:
    assert "last child" in refused(altered(lambda root: root.insert(0, root[-1])))


def test_a_wrapped_document_is_refused() -> None:
    """The signed request is hidden in a body, and another one stands around it."""
    outer = parse_xml(request_text("4.8.1", counter=9).encode())
    body = outer.find(f"{SR}Body")
    assert body is not None
    body.append(parse_xml(DOCUMENT))
    assert "last child" in refused(etree.tostring(outer))
    inner = body[-1]
    outer.append(inner[-1])
    assert "not valid" in refused(etree.tostring(outer))


def test_a_comment_in_a_signed_text_is_refused() -> None:
    """The signature does not cover comments, and a reader may see the text before one only."""
    octets = DOCUMENT.replace(b":00-DB-E5", b":00-DB<!-- x -->-E5")
    root = etree.fromstring(octets)
    verify(root, keys().signers)  # so the signature is no help
    with pytest.raises(DocumentError, match="comment"):
        parse_xml(octets)


def spoilt() -> list[tuple[str, bytes]]:
    """Return the document with each element of its signature removed, renamed and so on."""

    def renamed(one: Element) -> None:
        one.tag = f"{one.tag}X"

    def texted(one: Element) -> None:
        one.text = "é!"

    def attributed(one: Element) -> None:
        one.attrib.clear()
        one.set("x", "y")

    def removed(one: Element) -> None:
        parent = one.getparent()
        assert parent is not None
        parent.remove(one)

    changes: dict[str, Callable[[Element], object]] = {
        "removed": removed,
        "renamed": renamed,
        "with text": texted,
        "without attributes": attributed,
        "empty": lambda one: one.clear(),
        "twice": lambda one: one.addnext(deepcopy(one)),
        "with a child": lambda one: one.append(deepcopy(one)),
    }
    found = []
    for number, element in enumerate(parse_xml(DOCUMENT)[-1].iter()):
        for what, change in changes.items():
            root = parse_xml(DOCUMENT)
            change(list(root[-1].iter())[number])
            found.append((f"{str(element.tag).removeprefix(DS)} {what}", etree.tostring(root)))
    return found


SPOILT = spoilt()
NOT_SIGNED = {"KeyInfo with text", "X509IssuerName with text", "X509IssuerName empty"}
"""The name of the issuer is not looked at: DCC's tool does not either."""


@pytest.mark.parametrize(("name", "octets"), SPOILT, ids=[name for name, _ in SPOILT])
def test_a_spoilt_signature_is_refused_in_one_line(name: str, octets: bytes) -> None:
    if name in NOT_SIGNED:
        tree, _ = verify(parse_xml(octets), keys().signers)
        assert read_request(tree).id.target == METER
    else:
        refused(octets)


@given(st.data())
def test_any_mutation_of_octets_is_refused_or_harmless(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(DOCUMENT) - 1))
    piece = data.draw(st.binary(max_size=3))
    length = data.draw(st.integers(0, 3))
    octets = DOCUMENT[:at] + piece + DOCUMENT[at + length :]
    try:
        tree, signer = verify(parse_xml(octets), keys().signers)
    except (DocumentError, SignatureError):
        return
    original, _ = verify(parse_xml(DOCUMENT), keys().signers)
    assert signer.eui == SUPPLIER
    assert read_request(tree) == read_request(original)


# DCC's own documents and keys


@duis.needs_duis
def test_an_expired_certificate_is_accepted() -> None:
    """The second supplier's ended in December 2025; DCC's tool ignores dates."""
    of = file_keys((duis.DUIS / "keystore.json").read_bytes(), duis.SEED, DerivedKeystore("x"))
    octets = signed(request_text("4.13", SECOND_SUPPLIER), SECOND_SUPPLIER, of)
    _, signer = verify(parse_xml(octets), of.signers)
    assert signer.eui == SECOND_SUPPLIER
    assert signer.certificate.not_valid_after_utc.year == 2025


@duis.needs_duis
@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("read-inventory-response-5.4.xml", None),
        ("readfw-response.xml", None),
        ("acknowledgement-error.xml", False),
    ],
)
def test_responses_of_a_dcc_boxed(name: str, valid: bool | None) -> None:
    """Their signers are not in the public keys, so their form is all that can be checked."""
    root = etree.parse(str(duis.DUIS / "responses" / name)).getroot()
    with pytest.raises(SignatureError) as caught:
        verify(root, keys().signers)
    expected = "not signed" if valid is False else "no party has"
    assert expected in str(caught.value)


@pytest.mark.processes
@pytest.mark.skipif(not shutil.which("xmlsec1"), reason="xmlsec1 is not installed")
def test_xmlsec_verifies_our_signatures(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = signer_of(SUPPLIER).certificate.public_key()
    (tmp_path / "key.pem").write_bytes(
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "document.xml").write_bytes(DOCUMENT)
    result = subprocess.run(
        ["xmlsec1", "--verify", "--pubkey-pem", "key.pem", "document.xml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert result.returncode == 0, result.stderr
