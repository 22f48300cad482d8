"""The command `esme`, run in the process of the tests."""

from click.testing import CliRunner, Result

from esme_emulator.cli.main import main


def esme(*args: object, stdin: str | bytes = b"") -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], input=stdin)
