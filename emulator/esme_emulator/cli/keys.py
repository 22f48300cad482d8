"""`esme keys` and `esme keys import`: keystore files of emulated parties and of your own."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from esme_emulator.cli.commands import Command
from esme_emulator.cli.options import (
    EUI_PARAMETER,
    KEYSTORE,
    SecretFile,
    base_option,
    estate_from,
    meters_option,
    parties_option,
    seed_option,
)
from esme_emulator.cli.render.screen import warn
from esme_emulator.estate.estate import EstateSource
from esme_emulator.estate.key_files import (
    FORMS,
    PASSWORD_VARIABLE,
    PartyKey,
    PasswordNeededError,
    holds_private_key,
    read_key,
)
from esme_emulator.estate.keys import exported, keystore_text
from esme_emulator.estate.parties_file import read_key_file
from esme_emulator.runtime.errors import NamedFileError
from esme_emulator.runtime.files import UnreadableError, read_text
from gbcs import EUI, FileKeystore, KeystoreError, KeyUsage

_PRIVATE_FILE = SecretFile("its private key", holds_private_key)


@click.command(cls=Command, example="esme keys --meters 2 > keys.json")
@click.argument("euis", metavar="[EUI]...", type=EUI_PARAMETER, nargs=-1)
@estate_from(seed_option, meters_option, base_option, parties_option)
@click.option(
    "--format",
    "form",
    type=click.Choice(["esme", "dccboxed"]),
    default="esme",
    show_default=True,
    help="Form of the file. dccboxed: certificates of parties alone, for clients of DUIS.",
)
def keys(euis: tuple[EUI, ...], source: EstateSource, form: str) -> None:
    """Print the keys of meters and parties as a keystore file.

    The meters are those of each EUI, or else the first --meters from --base. The keys of the
    parties and of the Access Control Broker come with them.
    """
    estate = source.estate()
    warn(list(estate.notes))
    if form == "dccboxed":
        if euis:
            raise click.UsageError("--format dccboxed has no meters: leave each EUI out")
        # Deferred: needs the extra duis.
        from esme_emulator.gateway.keys import derived_keys, export_dccboxed

        found = derived_keys(estate.seed, estate.keystore, estate.known_parties)
        click.echo(export_dccboxed(found))
        return
    parties = [party.eui for party in estate.known_parties]
    devices = euis or estate.meters
    everyone = [estate.keystore.access_control_broker, *parties, *devices]
    click.echo(exported(estate.keystore, everyone))


def _key_option(name: str, what: str) -> Callable[[Any], Any]:
    return click.option(
        f"--{name}",
        type=_PRIVATE_FILE,
        multiple=True,
        help=f"File of its {what} key or certificate. May be repeated, with one of each.",
    )


@click.command(
    "import",
    cls=Command,
    example="esme keys import 90B3D51F30060000 --ka ka.pem --ds ds.pem > own.json",
)
@click.argument("eui", type=EUI_PARAMETER, required=False)
@_key_option("ka", "key-agreement")
@_key_option("ds", "digital-signature")
@click.option(
    "--password-file",
    type=SecretFile("its password"),
    show_default=f"the variable {PASSWORD_VARIABLE}, or a prompt",
    help="File with the password of encrypted key files.",
)
@click.option(
    "--keystore", type=KEYSTORE, help="Keystore file whose entries are printed too, before the new."
)
def import_keys(
    eui: EUI | None,
    ka: tuple[Path, ...],
    ds: tuple[Path, ...],
    password_file: Path | None,
    keystore: Path | None,
) -> None:
    """Turn the key files of a party into a keystore file.

    The files may be PEM, DER, PKCS#12, base64 or hexadecimal digits. Curve, key usage and EUI are
    checked. Without an EUI, it is that of the certificate.
    """
    if not (ka or ds):
        raise click.UsageError("give --ka, --ds or both")
    password = _Password(password_file)
    found = [
        (usage, _read(files, usage, eui, password))
        for usage, files in ((KeyUsage.KEY_AGREEMENT, ka), (KeyUsage.DIGITAL_SIGNATURE, ds))
        if files
    ]
    named = {eui or key.eui() for _, key in found}
    if len(named) > 1:
        raise NamedFileError("the files have certificates of different EUIs, or one has none")
    [owner] = named
    if owner is None:
        raise click.UsageError("no certificate names the EUI: give it as an argument")
    entries = {} if keystore is None else _entries(keystore)
    entries.pop(str(owner), None)
    new = json.loads(keystore_text({(owner, usage): key for usage, key in found}))
    click.echo(json.dumps(entries | new, indent=1))


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


class _Password:
    """The password of encrypted files: from a file, the environment, or the terminal, once."""

    def __init__(self, file: Path | None) -> None:
        self._text = os.environ.get(PASSWORD_VARIABLE)
        if file is not None:
            try:
                self._text = read_text(file).rstrip("\r\n")
            except UnreadableError as error:
                raise NamedFileError(f"--password-file {file}: {error}") from None

    @property
    def octets(self) -> bytes | None:
        return self._text.encode() if self._text else None

    def ask(self, files: str) -> bool:
        """Prompt for an unknown password on a terminal; return whether it was typed."""
        if self._text or not _is_terminal():
            return False
        self._text = click.prompt(f"Password of {files}", hide_input=True, err=True)
        return True


def _read(
    files: tuple[Path, ...], usage: KeyUsage, eui: EUI | None, password: _Password
) -> PartyKey:
    names = ", ".join(map(str, files))
    try:
        octets = [read_key_file(file) for file in files]
        try:
            return read_key(octets, usage, eui, password.octets)
        except PasswordNeededError:
            if not password.ask(names):
                raise
            return read_key(octets, usage, eui, password.octets)
    except PasswordNeededError as error:
        how = f"give --password-file, or set {PASSWORD_VARIABLE}"
        raise NamedFileError(f"--{usage} {names}: {error}: {how}") from None
    except KeystoreError as error:
        raise NamedFileError(f"--{usage} {names}: {error}") from None
    except OSError as error:
        raise NamedFileError(
            f"--{usage} {error.filename}: {error.strerror}: give {FORMS}"
        ) from None


def _entries(path: Path) -> dict[str, object]:
    """Return the entries of a keystore file, by EUI as `str` writes it. Raises `KeystoreError`."""
    FileKeystore.load(path)  # says what is wrong with it
    entries: dict[str, object] = json.loads(read_text(path))
    return {str(EUI.parse(name)): value for name, value in entries.items()}
