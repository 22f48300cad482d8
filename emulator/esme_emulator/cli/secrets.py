"""Passwords and key files: taken from files and the environment, and warned of if others read them.

A password on the command line is seen by every user of the machine, in `ps` and in the history of
the shell. So a URL can leave it out.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from esme_emulator.cli.notes import warn
from esme_emulator.runtime.files import UnreadableError, read_text
from esme_emulator.runtime.private_file import is_exposed
from esme_emulator.transport.credentials import user_of, with_password

_ENOUGH = 1 << 20
"""Octets from the beginning of a file that tell what it is; a store may be large."""


def warn_if_exposed(path: Path, what: str, is_it: Callable[[bytes], object]) -> None:
    """Warn if others can read a file and `is_it` says, of its octets, that it holds `what`.

    It is a warning and no refusal: keys for tests are public, files of containers are often
    readable by all, and a refusal would not take back what others may have read.
    """
    try:
        found = is_exposed(path) and is_it(_beginning(path))
    except OSError:
        return  # whoever reads it next says why it cannot be
    if found:
        warn([f"{path}: others can read {what}: chmod 600 {path}"])


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_ENOUGH)


class SecretFile(click.Path):
    """The path of a file that others should not read if `is_it` says that it holds `what`."""

    def __init__(self, what: str, is_it: Callable[[bytes], object] = bool) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self._what = what
        self._is_it = is_it

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, and warn if others can read it."""
        path = super().convert(value, param, ctx)
        if isinstance(path, Path):
            warn_if_exposed(path, self._what, self._is_it)
        return path


class Password:
    """The password of `--NAME`, a URL: from `--NAME-password-file`, or from a variable."""

    def __init__(self, name: str, *, needs_user: bool) -> None:
        self._flag = f"--{name}-password-file"
        self._variable = f"ESME_{name.upper()}_PASSWORD"
        self._needs_user = needs_user

    def option(self) -> Callable[[Any], Any]:
        """Return the decorator that adds the option for the file."""
        return click.option(
            self._flag,
            type=SecretFile("its password"),
            is_eager=True,  # before the URL, which takes the password in
            expose_value=False,
            callback=self._keep,
            help=f"File with the password, in place of one in the URL; or set {self._variable}.",
        )

    def into_url(self, ctx: click.Context, param: click.Parameter, url: str | None) -> str | None:
        """Return the URL with the password: the callback of the option or argument for it."""
        given, source = self._find(ctx)
        if given is None:
            return url
        if url is None or "://" not in url:
            if source == self._flag:
                raise click.UsageError(f"{self._flag}: there is no URL that it could be for")
            return url
        if self._needs_user and not user_of(url):
            raise click.UsageError(f"{source} needs a user: write it into the URL, scheme://USER@…")
        try:
            return with_password(url, given)
        except ValueError as error:
            if source == self._flag:
                raise click.UsageError(f"{self._flag}: {error}") from None
            return url  # what is on the command line counts for more than the environment

    def _keep(self, ctx: click.Context, _: click.Parameter, file: Path | None) -> None:
        ctx.meta[self._flag] = None if file is None else self._read(file)

    def _find(self, ctx: click.Context) -> tuple[str | None, str]:
        """Return the password and where it is from."""
        if ctx.meta.get(self._flag) is not None:
            return ctx.meta[self._flag], self._flag
        return os.environ.get(self._variable) or None, self._variable

    def _read(self, file: Path) -> str:
        try:
            password = read_text(file).rstrip("\r\n")
        except UnreadableError as error:
            raise click.UsageError(f"{self._flag} {file}: {error}") from None
        if not password:
            raise click.UsageError(f"{self._flag} {file}: it is empty")
        return password


BROKER_PASSWORD = Password("broker", needs_user=True)
"""MQTT 3.1.1 has no password without a user."""
STORE_PASSWORD = Password("store", needs_user=False)
