"""Passwords and key files: read from files and the environment, guarded against other users.

Every user of the machine can see a password on the command line, in `ps`. So a URL may leave out
its password, and a secret file that others can read is warned of.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from esme_emulator.cli.output import warn
from esme_emulator.runtime.files import UnreadableError, is_exposed, read_text
from esme_emulator.runtime.urls import user_of, with_password

_ENOUGH = 1 << 20
"""Octets read from a file to find out what it holds; a store may be large."""


def warn_if_exposed(path: Path, what: str, is_it: Callable[[bytes], object]) -> None:
    """Warn if other users can read a file that holds `what`, as `is_it` decides from its octets.

    This is a warning and not an error: keys for tests are public, files in containers are often
    readable by all, and an error would not undo what others may have read.
    """
    try:
        found = is_exposed(path) and is_it(_beginning(path))
    except OSError:
        return  # the code that reads the file next reports the error
    if found:
        warn([f"{path}: others can read {what}: chmod 600 {path}"])


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_ENOUGH)


class SecretFile(click.Path):
    """The path of a file that may hold `what`, which other users should not read; see above."""

    def __init__(self, what: str, is_it: Callable[[bytes], object] = bool) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self._what = what
        self._is_it = is_it

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, and warn if other users can read the file."""
        path = super().convert(value, param, ctx)
        if isinstance(path, Path):
            warn_if_exposed(path, self._what, self._is_it)
        return path


class Password:
    """The password of the URL `--NAME`: from `--NAME-password-file` or an environment variable."""

    def __init__(self, name: str, *, needs_user: bool) -> None:
        self._flag = f"--{name}-password-file"
        self._variable = f"ESME_{name.upper()}_PASSWORD"
        self._needs_user = needs_user

    def option(self) -> Callable[[Any], Any]:
        """Return the option for the password file."""
        return click.option(
            self._flag,
            type=SecretFile("its password"),
            is_eager=True,  # so that it is read before the URL
            expose_value=False,
            callback=self._keep,
            show_default=f"the variable {self._variable}",
            help="File with the password, in place of one in the URL.",
        )

    def into_url(self, ctx: click.Context, param: click.Parameter, url: str | None) -> str | None:
        """Return the URL with the password. The callback of the option or argument for the URL."""
        given, source = self._find(ctx)
        if given is None:
            return url
        if url is None or "://" not in url:
            if source == self._flag:
                raise click.UsageError(f"{self._flag}: give the URL of a server too")
            return url
        if self._needs_user and not user_of(url):
            raise click.UsageError(f"{source}: name the user in the URL, as in scheme://USER@host")
        try:
            return with_password(url, given)
        except ValueError as error:
            if source == self._flag:
                raise click.UsageError(f"{self._flag}: {error}") from None
            return url  # the command line overrides the environment

    def _keep(self, ctx: click.Context, _: click.Parameter, file: Path | None) -> None:
        ctx.meta[self._flag] = None if file is None else self._read(file)

    def _find(self, ctx: click.Context) -> tuple[str | None, str]:
        """Return the password and its source."""
        if ctx.meta.get(self._flag) is not None:
            return ctx.meta[self._flag], self._flag
        return os.environ.get(self._variable) or None, self._variable

    def _read(self, file: Path) -> str:
        try:
            password = read_text(file).rstrip("\r\n")
        except UnreadableError as error:
            raise click.UsageError(f"{self._flag} {file}: {error}") from None
        if not password:
            raise click.UsageError(f"{self._flag} {file}: the file is empty")
        return password


BROKER_PASSWORD = Password("broker", needs_user=True)
"""The password of the broker. MQTT 3.1.1 has no password without a user."""
STORE_PASSWORD = Password("store", needs_user=False)
