"""Options and parameter types that several commands share, passwords and key files among them.

Every user of the machine can see a password on the command line, in `ps`. So a URL may leave out
its password, and a secret file that others can read is warned of.
"""

import os
import re
from collections.abc import Callable
from dataclasses import fields
from functools import reduce, wraps
from pathlib import Path
from typing import Any

import click

from esme_emulator.cli.render.screen import warn
from esme_emulator.estate.estate import DEFAULT_BASE, EstateSource
from esme_emulator.messaging.topics import PREFIXES
from esme_emulator.runtime.files import UnreadableError, is_exposed, read_text
from esme_emulator.runtime.urls import user_of, with_password
from gbcs import EUI

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


class Parameter(click.ParamType[Any]):
    """A type whose values `read` makes from text; its `ValueError` is the usage error."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value that the text stands for."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def file_name(text: str) -> Path:
    """Return the path of a file. Raises `ValueError` for a folder."""
    if os.path.isdir(text):
        raise ValueError(f"{text!r} is a folder: name a file")
    return Path(text)


class SecretFile(Parameter):
    """The path of a file that may hold `what`, which other users should not read; see above."""

    def __init__(self, what: str, is_it: Callable[[bytes], object] = bool) -> None:
        super().__init__("file", file_name)
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


CONTROL_TOKEN = "ESME_CONTROL_TOKEN"  # noqa: S105
"""Variable with the token of the control interface."""


def control_token_option(text: str) -> Callable[[Any], Any]:
    """Return the option for the file of the token, with the help `text`; see `control_token`."""
    return click.option(
        "--control-token-file",
        type=SecretFile("its token"),
        is_eager=True,  # so that it is read before the options that need it
        expose_value=False,
        callback=_keep_token,
        show_default=f"the variable {CONTROL_TOKEN}",
        help=text,
    )


def control_token(ctx: click.Context) -> str | None:
    """Return the token of the control interface, from the file or else the variable."""
    token: str | None = ctx.meta[CONTROL_TOKEN]
    return token


def _keep_token(ctx: click.Context, param: click.Parameter, file: Path | None) -> None:
    source, text = CONTROL_TOKEN, os.environ.get(CONTROL_TOKEN) or None
    if file is not None:
        source = f"{param.opts[0]} {file}"
        try:
            text = read_text(file).strip()
        except UnreadableError as error:
            raise click.UsageError(f"{source}: {error}") from None
    if text is not None and not re.fullmatch(r"[!-~]{16,}", text):
        raise click.UsageError(
            f"{source}: a token has 16 or more ASCII characters, none a space: "
            "make one with openssl rand -hex 16"
        )
    ctx.meta[CONTROL_TOKEN] = text


MAX_METERS = 1_000_000_000
"""Meters of one fleet, at most; Great Britain has some thirty million."""


class Whole(click.IntRange):
    """A whole number within bounds. Its errors say which numbers to give."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number that the text stands for."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            bounds = "" if self.min is None else f" from {self.min}"
            bounds += "" if self.max is None else f" to {self.max}"
            self.fail(f"{value}: give a whole number{bounds}", param, ctx)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None


def _folder_name(text: str) -> Path:
    if os.path.isfile(text):
        raise ValueError(f"{text!r} is a file: name a folder")
    return Path(text)


EUI_PARAMETER = Parameter("eui", EUI.parse)
NUMBER = Parameter("number", _number)
FILE = Parameter("file", file_name)
FOLDER = Parameter("directory", _folder_name)
KEYSTORE = SecretFile(
    "its private keys",
    lambda octets: b'"private"' in octets.replace(b"\0", b""),  # in UTF-16 too
)


def all_of(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that applies all of these, the last one first."""
    return lambda command: reduce(lambda made, option: option(made), reversed(decorators), command)


seed_option = click.option("--seed", default="1", help="Seed for keys, meters and readings.")
meters_option = click.option(
    "--meters",
    type=Whole(1, MAX_METERS),
    metavar="N",
    default=100,
    help="Number of meters.",
)
base_option = click.option(
    "--base",
    type=EUI_PARAMETER,
    default=str(DEFAULT_BASE),
    help="EUI-64 of the first meter; the others follow it.",
)
keystore_option = click.option(
    "--keystore",
    type=KEYSTORE,
    help="Keystore file. Its devices are the meters, in place of derived ones.",
)
expired_option = click.option(
    "--expired-certificates",
    "takes_expired",
    is_flag=True,
    help="Accept certificates in commands outside their dates, such as DCC's test data.",
)
parties_option = click.option(
    "--parties",
    type=FILE,
    show_default="the emulated parties, with keys drawn from --seed",
    help="Parties beside the emulated ones: TOML, or a keystore.json of npm's "
    "@smartdcc/dccboxed-keystore.",
)


def party_option(default: str, help_: str) -> Callable[[Any], Any]:
    """Return the option that names a party; `default` describes what happens without it."""
    return click.option("--party", metavar="NAME|EUI", show_default=default, help=help_)


def is_given(name: str) -> bool:
    """Return whether the user gave this parameter of the running command."""
    source = click.get_current_context().get_parameter_source(name)
    return source not in (None, click.core.ParameterSource.DEFAULT)


def _refuse_other_meters() -> None:
    for name in ("meters", "base"):
        if is_given(name):
            raise click.UsageError(f"--{name}: leave it out, since a fleet file names its meters")


def estate_from(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds these options, and passes their estate on as `source`."""
    names = [field.name for field in fields(EstateSource)]

    def decorate(command: Callable[..., Any]) -> Any:
        @wraps(command)
        def call(*args: Any, **given: Any) -> Any:
            named = {name: given.pop(name) for name in names if name in given}
            if given.get("fleet_file") is not None:
                _refuse_other_meters()
                named["ranges"] = tuple(given["fleet_file"].ranges)
            return command(*args, source=EstateSource(**named), **given)

        return all_of(*options)(call)

    return decorate


estate_options = estate_from(
    seed_option, meters_option, base_option, keystore_option, parties_option
)
service_estate_options = estate_from(
    seed_option, meters_option, base_option, keystore_option, parties_option, expired_option
)
via_option = click.option(
    "--via",
    type=click.Choice(list(PREFIXES)),
    default="cache",
    help="Send requests through the cache or direct to the meters.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")


def broker_url(help_: str, default: str | None = None, shown: str = "") -> Callable[[Any], Any]:
    """Return the options for the URL of a broker and for its password.

    `shown` describes the default if it is None.
    """
    url = click.option(
        "--broker",
        metavar="URL",
        default=default,
        show_default=shown or True,
        callback=BROKER_PASSWORD.into_url,
        help=help_,
    )
    return all_of(url, BROKER_PASSWORD.option())


_URL = "Broker to connect to, as mqtt://[user@]host:port, or mqtts:// for TLS."
broker_option = broker_url(_URL, shown="a broker of its own")
part_broker_option = broker_url(_URL, "mqtt://127.0.0.1:1883")
load_broker_option = broker_url(_URL, shown="meters and a cache in this process")
