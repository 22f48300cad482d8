"""What the commands share: parameters, output, and failures as one line.

Results go to stdout, progress and what accompanies them to stderr. Exit 0 is good, 1 a check that
failed or something that could not be done, 2 bad usage.
"""

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial, reduce, wraps
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import click

from esme_emulator.cache.entry import MIN_RETENTION_HOURS, retention_seconds
from esme_emulator.cli import streams
from esme_emulator.cli.notes import aside as aside  # most commands need them
from esme_emulator.cli.notes import out as out
from esme_emulator.cli.notes import warn as warn
from esme_emulator.cli.secrets import BROKER_PASSWORD, SecretFile
from esme_emulator.estate.estate import DEFAULT_BASE, Estate, EstateSource
from esme_emulator.fleet.latency import parse_latency
from esme_emulator.profiles import ProfileError
from esme_emulator.runtime.errors import MisuseError, NamedFileError, UserError
from esme_emulator.runtime.extras import hint
from esme_emulator.runtime.files import read_text
from gbcs import EUI, GbcsError, KeystoreError
from gbcs.instants import parse_iso
from gbcs.sources import SourceError

P = ParamSpec("P")

CHECK_FAILED, MISUSED, INTERRUPTED = 1, 2, 130
MAX_METERS = 1_000_000_000
"""Of one fleet; Great Britain has some thirty million."""
_FAILURES = (UserError, GbcsError, ProfileError, SourceError)
_MISUSES = (MisuseError, NamedFileError, KeystoreError, ProfileError)


class Parameter(click.ParamType[Any]):
    """A parameter that a function reads from text, and whose `ValueError` is the usage error."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the text stands for."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        raise ValueError(f"retention {text!r}: give a number of hours") from None
    return retention_seconds(hours)


EUI_PARAMETER = Parameter("eui", EUI.parse)
INSTANT = Parameter("time", parse_iso)
LATENCY = Parameter("latency", partial(parse_latency, read=read_text))
HOURS = Parameter("hours", _hours)
FILE = click.Path(dir_okay=False, path_type=Path)

seed_option = click.option(
    "--seed", default="1", show_default=True, help="What everything follows from."
)
meters_option = click.option(
    "--meters",
    type=click.IntRange(1, MAX_METERS),
    default=100,
    show_default=True,
    help="How many meters.",
)
base_option = click.option(
    "--base",
    type=EUI_PARAMETER,
    default=str(DEFAULT_BASE),
    show_default=True,
    help="EUI of the first.",
)
KEYSTORE = SecretFile(
    "its private keys",
    lambda octets: b'"private"' in octets.replace(b"\0", b""),  # in UTF-16 too
)
keystore_option = click.option(
    "--keystore", type=KEYSTORE, help="Keystore file; its devices in place of derived meters."
)
expired_option = click.option(
    "--expired-certificates",
    "takes_expired",
    is_flag=True,
    help="Take certificates in commands outside their dates, such as those of DCC's test data.",
)
latency_option = click.option(
    "--latency",
    type=LATENCY,
    default="none",
    show_default=True,
    help="Of meters: none, 150ms, uniform:, normal:, lognormal:MEDIAN,P99 or empirical:FILE.",
)
retention_option = click.option(
    "--retention",
    type=HOURS,
    default=str(MIN_RETENTION_HOURS),
    show_default=True,
    help="Hours that readings are kept, 25 to 72.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")


def all_of(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that does what all of these do, from the last to the first."""
    return lambda command: reduce(lambda made, option: option(made), reversed(decorators), command)


def broker_url(help_: str, default: str | None = None) -> Callable[[Any], Any]:
    """Return the options for the URL of a broker and for its password."""
    url = click.option(
        "--broker",
        metavar="URL",
        default=default,
        show_default=default is not None,
        callback=BROKER_PASSWORD.into_url,
        help=help_,
    )
    return all_of(url, BROKER_PASSWORD.option())


broker_option = broker_url("mqtt://[user@]host:port; default: our own.")
part_broker_option = broker_url("mqtt://[user@]host:port.", "mqtt://127.0.0.1:1883")


def fail(reason: object, code: int = CHECK_FAILED) -> NoReturn:
    """Say in one line what went wrong, and exit with `code`."""
    click.echo(f"esme: {'; '.join(str(reason).splitlines())}", err=True)
    sys.exit(code)


def one_line(command: Callable[P, None]) -> Callable[P, None]:
    """Turn every failure of `command` into one line and an exit code."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except _FAILURES as error:
            fail(error, MISUSED if isinstance(error, _MISUSES) else CHECK_FAILED)
        except KeyboardInterrupt:
            fail("interrupted", INTERRUPTED)
        except ValueError as error:
            raise click.UsageError(str(error)) from None

    return run


def estate_of(
    keystore: Path | None, seed: str, meters: int, base: EUI, takes_expired: bool = False
) -> Estate:
    """Return the estate of a keystore file, or the one that is drawn from `seed`."""
    return EstateSource(seed, meters, base, keystore, takes_expired).estate()


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, and whose usage errors are one line.

    `lazy` has module and attribute of each command, as `esme_emulator.cli.keys:keys`.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, None where there is none."""
        if cmd_name not in self._lazy:
            return None
        module, _, name = self._lazy[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command that the arguments name, and exit."""
        kwargs["standalone_mode"] = False
        streams.install()
        try:
            code = super().main(*args, **kwargs)
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else "esme"
            fail(f"{error.format_message()} ({path} --help says more)", error.exit_code)
        except click.ClickException as error:
            fail(error.format_message(), error.exit_code)
        except click.Abort:
            fail("interrupted", INTERRUPTED)
        except ModuleNotFoundError as error:
            if (text := hint(error)) is None:
                raise
            fail(text, 1)
        except UserError as error:  # of a stream, by the texts of click itself
            fail(error)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            fail(f"{place}{error.strerror or error}")
        sys.exit(code if isinstance(code, int) else 0)


def announce(form: dict[str, Any], as_json: bool) -> None:
    """Say what was started or counted: one line of JSON on stdout, or lines on stderr.

    What is None is said in JSON alone.
    """
    if as_json:
        click.echo(json.dumps(form))
        return
    for name, value in form.items():
        title = name.replace("_", " ")
        match value:
            case None:
                lines = []
            case dict():
                lines = [f"{title}, {part}: {number}" for part, number in value.items()]
            case list():
                lines = [f"{title}: {', '.join(value)}"]
            case _:
                lines = [f"{title}: {value}"]
        for line in lines:
            aside.print(line, highlight=False, markup=False)
