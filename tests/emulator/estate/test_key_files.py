"""Key files: every form gives the same key, and every mistake one line without the key."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.estate.key_files import (
    PartyKey,
    PasswordNeededError,
    holds_private_key,
    read_key,
)
from gbcs import KeystoreError
from tests.support.key_making import (
    DS,
    KA,
    KEY,
    LOCK,
    OTHER,
    OWN,
    PASSWORD,
    POINT,
    PRIVATE_FILES,
    PUBLIC_FILES,
    SCALAR,
    certificate,
    p12,
    plain_certificate,
    private,
)

ANOTHER = ec.derive_private_key(77, ec.SECP256R1())
PEM = PRIVATE_FILES["pem"]
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
P384 = private(Encoding.PEM, key=ec.derive_private_key(77, ec.SECP384R1()))


@pytest.mark.parametrize("form", PRIVATE_FILES)
def test_a_private_key_is_read_in_every_form(form: str) -> None:
    key = read_key([PRIVATE_FILES[form]], KA, OWN, PASSWORD)
    assert (key.private, key.public, key.certificate) == (SCALAR, POINT, b"")
    found = key.private_key()
    assert found is not None
    assert found.private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize("form", PUBLIC_FILES)
def test_a_public_key_is_read_in_every_form(form: str) -> None:
    key = read_key([PUBLIC_FILES[form]], KA, OWN)
    assert (key.private, key.public) == (b"", POINT)
    assert key.private_key() is None
    assert key.public_key() == KEY.public_key()


def test_a_certificate_says_whose_key_it_is() -> None:
    both = [PEM, PUBLIC_FILES["certificate-der"]]
    assert read_key(both, KA).eui() == OWN
    assert read_key([b"".join((PEM, PUBLIC_FILES["certificate-pem"]))], KA).eui() == OWN
    assert read_key([PEM], KA).eui() is None


def test_of_several_certificates_that_of_the_key_counts() -> None:
    chain = [certificate(), certificate(OTHER, key=ANOTHER)]
    assert read_key([p12(LOCK, chain)], KA, OWN, PASSWORD).eui() == OWN


@pytest.mark.parametrize("form", PRIVATE_FILES)
def test_an_encrypted_file_needs_its_password(form: str) -> None:
    octets = PRIVATE_FILES[form]
    if "locked" not in form and form != "p12":
        assert read_key([octets], KA).private == SCALAR
        assert holds_private_key(octets)
        return
    assert not holds_private_key(octets)
    for password, says in ((None, "no password"), (b"wrong", "the password is wrong")):
        with pytest.raises(PasswordNeededError, match=says) as raised:
            read_key([octets], KA, OWN, password)
        assert "wrong" not in str(raised.value).replace("is wrong", "")


@pytest.mark.parametrize(
    ("files", "usage", "reason"),
    [
        ([RSA], KA, "not one of an elliptic curve"),
        ([P384], KA, "the curve of the key is secp384r1: GBCS uses P-256"),
        ([PEM, PRIVATE_FILES["hex"], SCALAR[::-1].hex().encode()], KA, "2 different keys"),
        ([private(Encoding.PEM, key=ANOTHER), PUBLIC_FILES["certificate-pem"]], KA, "not that of"),
        ([certificate(OTHER).public_bytes(Encoding.DER)], KA, f"one of {OTHER}, not of {OWN}"),
        ([PUBLIC_FILES["certificate-pem"]], DS, "key usage of the certificate is not digitalSig"),
        ([certificate(usage=DS).public_bytes(Encoding.DER)], KA, "usage .* is not keyAgreement"),
        ([plain_certificate(with_eui=False).public_bytes(Encoding.PEM)], KA, "names no EUI"),
        ([plain_certificate(with_eui=True).public_bytes(Encoding.PEM)], KA, "has no key usage"),
        (
            [b"".join(certificate(one).public_bytes(Encoding.PEM) for one in (OWN, OTHER))],
            KA,
            "2 certificates",
        ),
        ([b"0" * 64], KA, "not a private key of P-256"),
        ([b"F" * 64], KA, "not a private key of P-256"),
        ([b"04" + b"11" * 64], KA, "not a public key of P-256"),
        ([b"F" * 63], KA, "not a key file: give PEM, DER"),
        ([b""], KA, "not a key file"),
        ([b"[[party]]"], KA, "not a key file"),
        ([PUBLIC_FILES["der"][:40]], KA, "not a key file"),
        ([PRIVATE_FILES["der"][:-1]], KA, "not a key file"),
        ([PEM.replace(b"M", b"N")], KA, "the private key in it cannot be read"),
        ([PEM[:30]], KA, "not a key file"),
        ([PRIVATE_FILES["p12-open"][:-1]], KA, "PKCS#12 file in it cannot be read|password"),
        ([b"-----BEGIN X-----\n-----END X-----"], KA, "no key and no certificate"),
    ],
)
def test_a_mistake_is_one_line_without_the_key(
    files: list[bytes], usage: object, reason: str
) -> None:
    with pytest.raises(KeystoreError, match=reason) as raised:
        read_key(files, usage, OWN, PASSWORD)  # type: ignore[arg-type]
    line = str(raised.value)
    assert "\n" not in line
    assert SCALAR.hex() not in line.lower()
    assert PASSWORD.decode() not in line


def test_a_key_shows_nothing_private() -> None:
    assert SCALAR.hex() not in repr(PartyKey.of(KEY))
    assert repr(SCALAR) not in repr(PartyKey.of(KEY))


@given(st.sampled_from([*PRIVATE_FILES.values(), *PUBLIC_FILES.values()]), st.data())
def test_damaged_files_are_read_or_refused(octets: bytes, data: st.DataObject) -> None:
    damaged = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not damaged:
            break
    with suppress(KeystoreError):
        assert read_key([bytes(damaged)], KA, OWN, PASSWORD).public
    assert holds_private_key(bytes(damaged)) in (True, False)


@given(st.binary(max_size=200))
def test_other_octets_are_refused(octets: bytes) -> None:
    with pytest.raises(KeystoreError):
        read_key([octets], KA)


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_files_of_openssl_are_read(tmp_path: Path) -> None:
    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], cwd=tmp_path, check=True, capture_output=True)

    curve = "ec_paramgen_curve:P-256"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", "key.pem")
    openssl("pkey", "-in", "key.pem", "-outform", "DER", "-out", "key.der")
    openssl("pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
    openssl("pkey", "-in", "key.pem", "-aes256", "-passout", "pass:hunter2", "-out", "locked.pem")
    openssl("ec", "-in", "key.pem", "-out", "sec1.pem")
    openssl(
        *("pkcs12", "-export", "-nocerts", "-inkey", "key.pem"),
        *("-passout", "pass:hunter2", "-out", "key.p12"),
    )
    names = ("key.pem", "key.der", "public.pem", "locked.pem", "sec1.pem", "key.p12")
    keys = [read_key([(tmp_path / name).read_bytes()], KA, OWN, PASSWORD) for name in names]
    assert len({key.public for key in keys}) == 1
    assert {key.private for key in keys} == {keys[0].private, b""}
