"""The classes of the commands: help with an example, and every failure as one line.

Exit codes: 0 is good, 1 a failed check or something that could not be done, 2 bad usage, 130
interrupted. Imports nothing heavy, so that `esme --help` is quick.

A standard stream may be closed (`<&-`), full (`> /dev/full`), without a reader (`| head`), or in an
encoding that lacks a character. It is an error if results cannot be written to stdout, but not if
notes cannot be written to stderr: that cannot be reported, and the exit code must not depend on it.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn, TextIO

import click

from esme_emulator.runtime.errors import MisuseError, NamedFileError, UserError, hint


class StreamError(UserError):
    """A standard stream that failed; the text is one line for the user."""


def _failed(name: str, error: OSError) -> StreamError:
    if error.errno == errno.EBADF:
        return StreamError(f"{name} is closed: connect it to a file or a pipe")
    return StreamError(f"{name}: {error.strerror}")


class _Input(io.FileIO):
    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "r", closefd=False)

    def readinto(self, buffer: Any, /) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise _failed("standard input", error) from None


class _Output(io.FileIO):
    """Fails once, so that the rest of its buffer is not written again when the process ends."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_lost = False

    def write(self, octets: Any, /) -> int:
        if self._is_lost:
            return len(octets)
        try:
            return super().write(octets)
        except BlockingIOError:
            raise
        except OSError as error:
            self._is_lost = True
            return self._lose(error, len(octets))

    def _lose(self, error: OSError, size: int) -> int:
        if error.errno == errno.EPIPE:
            raise error  # the reader is gone: click exits without a message
        raise _failed("standard output", error) from None


class _Notes(_Output):
    def _lose(self, _: OSError, size: int) -> int:
        return size


_STREAMS: tuple[tuple[str, type[_Input | _Output], int], ...] = (
    ("stdin", _Input, os.O_WRONLY),
    ("stdout", _Output, os.O_RDONLY),
    ("stderr", _Notes, os.O_WRONLY),
)
"""Name in `sys`, replacement, and the mode in which /dev/null replaces a closed stream.

/dev/null is opened in the opposite mode, so the stream fails when it is used and only then. Opening
it also keeps files and sockets from getting the stream's descriptor.
"""


def install() -> None:
    """Replace the standard streams of this process, unless a test has replaced them."""
    for name, kind, flags in _STREAMS:
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):
            continue
        encoding = "utf-8"
        if stream is None:
            descriptor = os.open(os.devnull, flags)
            os.set_inheritable(descriptor, True)
        else:
            descriptor, encoding = stream.fileno(), stream.encoding
        setattr(sys, name, _text(kind(descriptor), encoding))


def _text(raw: _Input | _Output, encoding: str) -> TextIO:
    """Return a text stream that replaces characters that its encoding lacks."""
    if isinstance(raw, _Input):
        return io.TextIOWrapper(io.BufferedReader(raw), encoding, "surrogateescape")
    errors = "backslashreplace" if isinstance(raw, _Notes) else "replace"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=raw.isatty())


CHECK_FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def fail(reason: object, code: int = CHECK_FAILED) -> NoReturn:
    """Print one line about what went wrong, and exit with `code`."""
    click.echo(f"esme: {'; '.join(str(reason).splitlines())}", err=True)
    sys.exit(code)


def _exit_code(error: Exception) -> int | None:
    """Return the exit code for an error of the user, None for an internal error."""
    # Imported only after a failure: both take a while, and --help needs neither.
    from esme_emulator.profiles import ProfileError
    from gbcs import GbcsError, KeystoreError
    from gbcs.sources import SourceError

    if isinstance(error, (MisuseError, NamedFileError, KeystoreError, ProfileError)):
        return MISUSED
    return CHECK_FAILED if isinstance(error, (UserError, GbcsError, SourceError)) else None


class Command(click.Command):
    """A command that has an example in its help, and whose failures are one line."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. An empty one is an error: a script has a variable without value."""
        for before, arg in pairwise(["", *args]):
            if not arg:
                named = before if before.startswith("--") else "an argument"
            elif arg.startswith("--") and arg.endswith("="):
                named = arg.removesuffix("=")
            else:
                continue
            raise click.UsageError(f"{named} is empty: give a value, or leave it out", ctx)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example as it is, without wrapping it."""
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Turn its errors into one line and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            fail("interrupted", INTERRUPTED)
        except ModuleNotFoundError:
            raise  # `LazyGroup.main` names the extra that is missing
        except Exception as error:
            if (code := _exit_code(error)) is not None:
                fail(error, code)
            if isinstance(error, ValueError):
                raise click.UsageError(str(error), ctx) from None
            raise


class Group(Command, click.Group):
    """A group of such commands, each listed with the whole first line of its help."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Those of a command of the group are checked by that command."""
        if set(args).isdisjoint(self.list_commands(ctx)):
            return super().parse_args(ctx, args)
        return click.Group.parse_args(self, ctx, args)

    def summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """Yield name and summary of each command."""
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            text = command.help if command else None
            yield name, (text or "").partition("\n")[0]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands; click's own list cuts summaries off."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries(ctx)))


class Lazy(NamedTuple):
    """A command that is imported when it is used."""

    target: str
    """Module and attribute, such as `esme_emulator.cli.keys:keys`."""
    summary: str
    """The first line of its help. A test holds them equal."""


class LazyGroup(Group):
    """The group of all commands, which imports a command only to run it or to show its help."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(self._lazy)

    def summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """Yield name and summary of each command, without importing it."""
        for name, command in self._lazy.items():
            yield name, command.summary

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or None if there is none."""
        if cmd_name not in self._lazy:
            return None
        module, _, name = self._lazy[cmd_name].target.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first arguments name: two words, or else one."""
        name = " ".join(args[:2])
        if name in self._lazy:
            return name, self.get_command(ctx, name), args[2:]
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command that the arguments name, and exit."""
        kwargs["standalone_mode"] = False
        install()
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
            fail(text)
        except UserError as error:  # from an option, or from a stream that click writes to
            fail(error)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            fail(f"{place}{error.strerror or error}")
        sys.exit(code if isinstance(code, int) else 0)
