"""Parties of the user's own: files of them, their keys, and that none is ever a meter."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from esme_emulator.cache.registry.file import load_registry
from esme_emulator.cache.registry.registry import default_registry
from esme_emulator.device.meter import answer
from esme_emulator.estate.estate import (
    EstateSource,
    PartyIsMeterError,
    derived_estate,
    keystore_estate,
    with_parties,
)
from esme_emulator.estate.key_files import PASSWORD_VARIABLE, PartyKey
from esme_emulator.estate.keys import exported, keystore_text
from esme_emulator.estate.parties import (
    PARTIES,
    SUPPLIER,
    Party,
    PartyList,
    party_called,
    with_more,
)
from esme_emulator.estate.parties_file import load_parties
from esme_emulator.runtime.errors import NamedFileError
from gbcs import EUI, KeystoreError, decode
from gbcs.instants import EPOCH_UNIX, parse_iso
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Window
from tests.support.key_making import (
    DS,
    KA,
    KEY,
    OTHER,
    OWN,
    PASSWORD,
    POINT,
    PRIVATE_FILES,
    PUBLIC_FILES,
    certificate,
)

DAY = parse_iso("2026-01-14")
OUR = PartyList((Party(OWN, "ours", frozenset({Role.IS})),), {(OWN, KA): PartyKey.of(KEY)})


def written(folder: Path, text: str) -> Path:
    (folder / "ka.pem").write_bytes(PRIVATE_FILES["pem"])
    (folder / "locked.pem").write_bytes(PRIVATE_FILES["pem-locked"])
    (folder / "ds.pem").write_bytes(PRIVATE_FILES["pem"])
    (folder / "certificate.der").write_bytes(PUBLIC_FILES["certificate-der"])
    file = folder / "parties.toml"
    file.write_text(text)
    return file


def entry(more: str = "", eui: EUI = OWN, roles: str = '"IS"') -> str:
    return f'[[party]]\neui = "{eui}"\nroles = [{roles}]\n{more}\n'


def test_a_file_has_parties_of_any_number_and_kind(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        entry(
            'name = "ours"\nka = ["ka.pem", "certificate.der"]\nds = "ds.pem"', roles='"IS", "ES"'
        )
        + entry(eui=OTHER, roles='"OU"')
        + entry('behind_acb = true\nname = "far"', EUI(b"\x07" * 8)),
    )
    found = load_parties(file)
    ours, other, far = found.parties
    assert (ours.name, sorted(ours.roles), ours.behind_acb) == ("ours", ["ES", "IS"], False)
    assert ours.certificate == certificate().public_bytes(Encoding.DER)
    assert (other.name, other.behind_acb) == (str(OTHER), True)
    assert (far.behind_acb, far.supplies) == (True, True)
    assert {of: key.public for of, key in found.keys.items()} == {
        (OWN, KA): POINT,
        (OWN, DS): POINT,
    }


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("", ["party: write it as [[party]]"]),
        ("party = 3", ["party: write it as [[party]]"]),
        ("colour = 1\n" + entry(), ["colour: unknown key"]),
        (entry(roles=""), ["party 1: roles: [] is not a list"]),
        (entry('name = "a b"'), ["party 1: name: 'a b' is not a name of up to 40"]),
        (entry() + entry(), [f"party 2: eui: {OWN} is there before"]),
        (entry('name = "x"') + entry('name = "x"', OTHER), ["both called x: rename one"]),
        (entry('ka = "none.pem"'), ["none.pem: No such file"]),
        (entry("ka = 3"), ["party 1: ka: 3 is not the name of a key file"]),
        (entry('ka = "parties.toml"'), ["party 1: ka: parties.toml: it is not a key file"]),
        (entry('ka = "certificate.der"', OTHER), [f"is one of {OWN}, not of {OTHER}"]),
        (entry('ds = "certificate.der"'), ["is not digitalSignature"]),
        (entry('ka = "locked.pem"'), [f"locked.pem: it is encrypted, .*set {PASSWORD_VARIABLE}"]),
        ("[[party", ["it is not TOML"]),
        ("{}", ["no entry with a certificate"]),
    ],
)
def test_mistakes_are_reported_with_entry_and_key(
    tmp_path: Path, text: str, reasons: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    file = written(tmp_path, text)
    with pytest.raises(NamedFileError) as raised:
        load_parties(file)
    for reason, line in zip(reasons, str(raised.value).splitlines(), strict=True):
        assert line.startswith(f"--parties {file}: ")
        pieces = reason.split(".*")
        assert all(piece in line for piece in pieces), line


def test_the_password_of_key_files_is_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, entry('ka = "locked.pem"'))
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD.decode())
    assert load_parties(file).keys[OWN, KA].public == POINT
    monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
    with pytest.raises(NamedFileError, match="the password is wrong"):
        load_parties(file)


def test_an_entry_replaces_the_emulated_party_of_its_eui(tmp_path: Path) -> None:
    file = written(tmp_path, entry('ka = "ka.pem"', SUPPLIER, '"IS", "ES"'))
    estate = with_parties(derived_estate("1", 1), load_parties(file))
    assert len(estate.known_parties) == len(PARTIES)
    found = party_called(estate.known_parties, "import-supplier")
    assert (found.eui, sorted(found.roles)) == (SUPPLIER, [Role.ES, Role.IS])
    key = estate.keystore.public_key(SUPPLIER, KA)
    assert key == KEY.public_key()


def test_names_of_others_are_refused() -> None:
    ours = Party(OWN, "distributor", frozenset({Role.IS}))
    with pytest.raises(ValueError, match=f"and {OWN} are both called distributor"):
        with_more(PARTIES, [ours])


@pytest.mark.parametrize("name", ["ours", str(OWN), OWN.hex("-"), str(OWN).lower()])
def test_a_party_is_called_by_its_name_or_eui(name: str) -> None:
    assert party_called([*PARTIES, *OUR.parties], name).eui == OWN


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no party 'nobody'; choose one of import-supplier, "):
        party_called(PARTIES, "nobody")


@pytest.mark.parametrize("behind_acb", [False, True])
def test_meters_answer_a_party_with_keys_of_its_own(behind_acb: bool) -> None:
    own = Party(OWN, "ours", frozenset({Role.IS, Role.OU}), behind_acb)
    estate = with_parties(derived_estate("1", 1), PartyList((own,), OUR.keys))
    [party] = [each for each in estate.parties(counter=1) if each.eui == OWN]
    command, octets = party.command(estate.meters[0], "4.8.1", Window(DAY, DAY + 86400))
    message = decode(octets, estate.keystore)
    said = answer("1", message, estate.keystore, DAY + 3 * 86400 + EPOCH_UNIX, lambda: 8)  # type: ignore[arg-type]
    reply = decode(said.octets or b"", estate.keystore)
    assert reply.mac_status is not None
    assert (reply.mac_status.value, command.remote_party) == ("valid", OWN)


def test_a_party_with_a_public_key_alone_is_known_and_makes_no_command() -> None:
    found = PartyList(OUR.parties, {(OWN, KA): PartyKey(POINT)})
    estate = with_parties(derived_estate("1", 1), found)
    assert estate.name_of(OWN) == "ours"
    assert OWN not in {party.eui for party in estate.parties(1)}
    assert estate.keystore.private_key(OWN, KA) is None
    meter = estate.meters[0]
    mine = with_parties(derived_estate("1", 1), OUR).keystore.shared_secret(OWN, meter)
    assert estate.keystore.shared_secret(meter, OWN) == mine is not None


def test_a_range_of_meters_with_a_party_is_refused() -> None:
    estate = derived_estate("1", 3, OWN)
    with pytest.raises(PartyIsMeterError, match=f"{OWN} is the party ours and cannot be a meter"):
        with_parties(estate, OUR)
    with pytest.raises(PartyIsMeterError, match="is the party import-supplier"):
        derived_estate("1", 3, SUPPLIER)


def test_a_party_in_a_keystore_is_not_a_meter(tmp_path: Path) -> None:
    meters, file = derived_estate("1", 2), tmp_path / "keystore.json"
    text = exported(meters.keystore, [*meters.meters, OTHER])
    file.write_text(text)
    assert OTHER in keystore_estate(file, "1").meters
    parties = written(tmp_path, entry(eui=OTHER))
    estate = EstateSource("1", keystore=file, parties=parties).estate()
    assert tuple(estate.meters) == tuple(meters.meters)
    assert OTHER in {party.eui for party in estate.parties(1)}
    file.write_text(exported(meters.keystore, [OTHER]))
    with pytest.raises(KeystoreError, match="has parties alone: add a device"):
        EstateSource("1", keystore=file, parties=parties).estate()


def test_a_keystore_has_the_keys_that_are_known() -> None:
    estate = with_parties(
        derived_estate("1", 1), PartyList(OUR.parties, {(OWN, KA): PartyKey(POINT)})
    )
    form = json.loads(exported(estate.keystore, [OWN]))
    assert form[str(OWN)]["ka"] == {"public": POINT.hex()}
    assert json.loads(keystore_text({(OWN, KA): PartyKey.of(KEY)}))[str(OWN)]["ka"]["private"]


def test_a_registry_has_the_parties_and_their_keys(tmp_path: Path) -> None:
    file = written(tmp_path, entry('name = "ours"\nka = "ka.pem"') + entry(eui=OTHER, roles='"OU"'))
    registry = load_registry(file)
    assert [party.name for party in registry.party_list.parties] == ["ours", str(OTHER)]
    assert registry.party_list.keys[OWN, KA].public == POINT
    assert registry.why_all_refused(OWN) == "no registration covers a meter for it"
    assert registry.why_all_refused(OTHER) == ""
    assert registry.why_all_refused(SUPPLIER) == "it is not in the registry"
    file.write_text(file.read_text() + f'[[registration]]\nparty = "{OWN}"\n')
    assert load_registry(file).why_all_refused(OWN) == ""
    assert load_parties(file).has_registrations
    file.write_text(entry('ka = "none.pem"'))
    with pytest.raises(ValueError, match=r"party 1: ka: .*none\.pem: No such file"):
        load_registry(file)


def test_without_a_registry_every_party_may_read_every_meter() -> None:
    registry = default_registry((*PARTIES, *OUR.parties))
    assert registry.roles(OWN) == {Role.IS}
    assert registry.check(OWN, OTHER, "4.8.1", Window(DAY, DAY), DAY + EPOCH_UNIX) is None
