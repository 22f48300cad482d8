"""`esme keys import`, `--parties` and `--party`: what they print, and their mistakes."""

import json
from pathlib import Path

import pytest

from esme_emulator.cache.registry.file import load_registry
from esme_emulator.cli import keys as keys_module
from esme_emulator.cli.duis_options import duis_keys
from esme_emulator.cli.service_options import estate_of
from esme_emulator.estate.estate import EstateSource
from esme_emulator.estate.key_files import PASSWORD_VARIABLE
from gbcs import FileKeystore
from gbcs.crypto.certificate import point
from tests.support.command_line import esme
from tests.support.key_making import (
    DS,
    KA,
    OTHER,
    OWN,
    PASSWORD,
    POINT,
    PRIVATE_FILES,
    PUBLIC_FILES,
    SCALAR,
    certificate,
)

PARTIES = f"""
[[party]]
name = "ours"
eui = "{OWN}"
roles = ["IS"]
ka = "ka.pem"
"""
READ = ("read", "00DBE50000000000", "4.8.1", "--from", "2026-01-14", "--to", "2026-01-15")


@pytest.fixture(autouse=True)
def _files(empty_folder: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    for name, octets in {
        "ka.pem": PRIVATE_FILES["pem"],
        "locked.p12": PRIVATE_FILES["p12"],
        "certificate.der": PUBLIC_FILES["certificate-der"],
        "password": PASSWORD + b"\n",
        "parties.toml": PARTIES.encode(),
    }.items():
        Path(name).write_bytes(octets)
        Path(name).chmod(0o600)


def imported(*args: str) -> dict[str, dict[str, dict[str, str]]]:
    said = esme("keys", "import", *args)
    assert said.exit_code == 0, said.stderr
    assert said.stderr == ""
    form: dict[str, dict[str, dict[str, str]]] = json.loads(said.stdout)
    FileKeystore(form)
    return form


def test_it_prints_a_keystore_with_both_keys() -> None:
    form = imported(str(OWN), "--ka", "ka.pem", "--ds", "ka.pem")
    pair = {"private": SCALAR.hex(), "public": POINT.hex()}
    assert form == {str(OWN): {"ka": pair, "ds": pair}}


def test_the_eui_is_that_of_the_certificate() -> None:
    assert list(imported("--ka", "ka.pem", "--ka", "certificate.der")) == [str(OWN)]
    said = esme("keys", "import", "--ka", "ka.pem")
    assert (said.exit_code, "no certificate names the EUI" in said.stderr) == (2, True)


def test_it_adds_to_a_keystore() -> None:
    Path("meters.json").write_text(esme("keys", "--meters", "2").stdout)
    Path("meters.json").chmod(0o600)
    form = imported(str(OWN), "--ka", "ka.pem", "--keystore", "meters.json")
    before = json.loads(Path("meters.json").read_text())
    assert form == {**before, str(OWN): form[str(OWN)]}


def test_the_password_is_from_file_environment_or_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encrypted = (str(OWN), "--ka", "locked.p12")
    assert imported(*encrypted, "--password-file", "password")
    said = esme("keys", "import", *encrypted)
    assert said.exit_code == 2
    assert said.stderr == (
        "esme: --ka locked.p12: it is encrypted, and there is no password: "
        f"give --password-file, or set {PASSWORD_VARIABLE}\n"
    )
    asked: list[str] = []

    def prompt(text: str, **_: object) -> str:
        asked.append(text)
        return PASSWORD.decode()

    monkeypatch.setattr(keys_module, "_is_terminal", lambda: True)
    monkeypatch.setattr("click.prompt", prompt)
    assert imported(*encrypted)
    assert asked == ["Password of locked.p12"]
    monkeypatch.setenv(PASSWORD_VARIABLE, "hunter3")
    said = esme("keys", "import", *encrypted)
    assert "the password is wrong" in said.stderr
    assert "hunter3" not in said.stderr
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--ka", "none.pem", str(OWN)), "--ka none.pem: No such file or directory: give PEM"),
        (("--ka", "parties.toml", str(OWN)), "--ka parties.toml: it is not a key file"),
        (("--ds", "certificate.der", str(OWN)), "is not digitalSignature"),
        (("--ka", "certificate.der", str(OTHER)), f"one of {OWN}, not of {OTHER}"),
        ((str(OWN),), "give --ka, --ds or both"),
        (("--ka", "ka.pem", "here"), "is not an EUI-64"),
        (("--ka", "ka.pem", str(OWN), "--keystore", "parties.toml"), "is not JSON"),
    ],
)
def test_mistakes_are_one_line(args: tuple[str, ...], says: str) -> None:
    said = esme("keys", "import", *args)
    assert said.exit_code == 2
    assert says in said.stderr
    assert said.stderr.count("\n") == 1
    assert said.stdout == ""


def test_keys_for_two_parties_are_refused() -> None:
    for name, eui, usage in (("a", OWN, KA), ("b", OTHER, DS)):
        from cryptography.hazmat.primitives.serialization import Encoding

        Path(name).write_bytes(certificate(eui, usage).public_bytes(Encoding.DER))
    said = esme("keys", "import", "--ka", "a", "--ds", "b")
    assert "certificates of different EUIs" in said.stderr


def test_files_that_others_can_read_are_warned_of() -> None:
    Path("ka.pem").chmod(0o644)
    said = esme("keys", "import", str(OWN), "--ka", "ka.pem")
    assert said.stderr == "esme: ka.pem: others can read its private key: chmod 600 ka.pem\n"
    read = esme(*READ, "--parties", "parties.toml")
    assert read.stderr == said.stderr
    Path("certificate.der").chmod(0o644)
    assert imported("--ka", "certificate.der")


def test_keys_of_parties_are_printed_too() -> None:
    form = json.loads(esme("keys", "--meters", "1", "--parties", "parties.toml").stdout)
    assert form[str(OWN)]["ka"]["public"] == POINT.hex()
    said = esme("keys", "--parties", "parties.toml", "--format", "dccboxed")
    assert str(OWN).lower() in json.loads(said.stdout)


def test_an_own_supplier_reads_through_the_cache() -> None:
    ours = (*READ, "--parties", "parties.toml", "--party", "ours", "--json")
    said = esme(*ours)
    assert said.exit_code == 0, said.stderr
    form = json.loads(said.stdout)
    assert form["cache_status"].startswith("s1sp; fwd=miss")
    assert form["rows"] == json.loads(esme(*READ, "--json").stdout)["rows"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        ((*READ, "--party", "ours"), 2, "there is no party 'ours'; choose one of import-supplier"),
        (
            ("read", str(OWN), *READ[2:], "--parties", "parties.toml"),
            1,
            f"{OWN} is the party ours and no meter",
        ),
        (
            (*READ[:2], "4.8.3", *READ[3:], "--parties", "parties.toml", "--party", str(OWN)),
            1,
            "ours may not send SRV 4.8.3: its roles are IS",
        ),
        (
            ("fleet", "--base", str(OWN), "--parties", "parties.toml"),
            2,
            f"{OWN} is the party ours and cannot be a meter",
        ),
        (("load", "--party", "nobody"), 2, "there is no party 'nobody'"),
        (("prove", "--party", "nobody"), 2, "there is no party 'nobody'"),
        (("load", "--parties", "ka.pem"), 2, "--parties ka.pem: it is not TOML"),
    ],
)
def test_mistakes_with_parties_are_one_line(args: tuple[str, ...], code: int, says: str) -> None:
    said = esme(*args)
    assert said.exit_code == code
    assert says in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_public_key_alone_makes_no_request() -> None:
    Path("parties.toml").write_text(PARTIES.replace("ka.pem", "certificate.der"))
    said = esme(*READ, "--parties", "parties.toml", "--party", "ours")
    assert said.stderr == (
        "esme: ours has no private key-agreement key: add it to the party in --parties\n"
    )


def test_registrations_belong_to_a_registry() -> None:
    Path("parties.toml").write_text(f'{PARTIES}[[registration]]\nparty = "{OWN}"\n')
    said = esme("cache", "--parties", "parties.toml", "--store", "memory:")
    assert "it has registrations: give it as --registry" in said.stderr


def test_a_registry_brings_parties_and_warns_of_those_it_refuses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    idle = f'[[party]]\nname = "idle"\neui = "{OTHER}"\nroles = ["IS"]\n'
    Path("registry.toml").write_text(f'{PARTIES}{idle}[[registration]]\nparty = "{OWN}"\n')
    registry = load_registry(Path("registry.toml"))
    estate = estate_of(EstateSource(), registry)
    assert [party.name for party in estate.known_parties[-2:]] == ["ours", "idle"]
    key = estate.keystore.public_key(OWN, KA)
    assert key is not None
    assert point(key) == POINT
    reason = "no registration covers a meter for it"
    assert capsys.readouterr().err == (f"esme: all requests of party idle are refused: {reason}\n")
    Path("parties.toml").write_text(
        PARTIES.replace(str(OWN), "0" * 15 + "1").replace("ours", "far")
    )
    estate_of(EstateSource(parties=Path("parties.toml")), registry)
    assert "of party far are refused: it is not in the registry" in capsys.readouterr().err


def test_the_front_door_has_the_keys_of_a_registry() -> None:
    Path("registry.toml").write_text(f'{PARTIES}ds = "ka.pem"\n')
    estate = estate_of(EstateSource(), load_registry(Path("registry.toml")))
    keys = duis_keys(EstateSource(), estate)
    key = keys.keystore.public_key(OWN, KA)
    assert key is not None
    assert point(key) == POINT
    assert OWN in {signer.eui for signer in keys.signers.values()}
    assert set(keys.certificates[OWN]) == {KA, DS}


def test_load_and_prove_ask_as_an_own_supplier() -> None:
    ours = ("--parties", "parties.toml", "--party", "ours")
    said = esme("prove", "--meters", "3", "--in-process", "--workers", "1", *ours, "--json")
    assert said.exit_code == 0, said.stderr
    assert [row["name"] for row in json.loads(said.stdout)["by_party"]] == ["ours"]
    summary = Path("report/summary.md").read_text()
    assert f"esme prove quickstart {' '.join(ours)} --seed 1 --meters 3" in summary
