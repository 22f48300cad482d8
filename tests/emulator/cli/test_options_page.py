"""The option tables of the documentation are those of the code."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from docs.make_options import CACHE, PROOF, RUNNING, commands, page
from esme_emulator.cache.policy.settings import SETTINGS
from esme_emulator.cli.main import main

COMMANDS = commands()


@pytest.mark.parametrize("path", [RUNNING, CACHE, PROOF], ids=lambda path: path.name)
def test_the_tables_are_current(path: Path) -> None:
    text = path.read_text("utf-8")
    assert page(text) == text, "run `python -m docs.make_options`"


def test_every_command_has_a_section_and_no_other_has_one() -> None:
    titles = re.findall(r"^### `(esme [^`]+)`$", RUNNING.read_text("utf-8"), re.M)
    assert sorted(titles) == sorted(COMMANDS)


@pytest.mark.parametrize("command", [name for name, options in COMMANDS.items() if options])
def test_a_section_names_every_option_of_its_command_once(command: str) -> None:
    text = RUNNING.read_text("utf-8")
    (table,) = re.findall(rf"<!-- options of {command} -->\n(.*?)<!-- end -->", text, re.S)
    named = re.findall(r"`(--[a-z0-9-]+)", table.replace("--help", ""))
    assert sorted(named) == sorted(option.flag for option in COMMANDS[command])


def arguments_of(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    """Yield the words of each command and how its arguments are written."""
    context = click.Context(command)
    named = [
        each.make_metavar(context) for each in command.params if each.param_type_name == "argument"
    ]
    yield path, " ".join(named)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from arguments_of(found, f"{path} {name}")


@pytest.mark.parametrize(("command", "written"), [*arguments_of(main, "esme")][1:])
def test_a_section_names_the_arguments_of_its_command(command: str, written: str) -> None:
    _, section = RUNNING.read_text("utf-8").split(f"### `{command}`\n")
    named = re.findall(r"^Arguments: `([^`]*)`", section.partition("\n### ")[0], re.M)
    assert named == ([written] if written else [])


def test_the_page_on_the_cache_has_every_setting() -> None:
    text = CACHE.read_text("utf-8")
    assert all(f"| `{name}` |" in text for name in SETTINGS)


def test_a_mark_of_an_unknown_command_is_an_error() -> None:
    with pytest.raises(ValueError, match="esme dance: there is no such command"):
        page("<!-- options of esme dance -->\n<!-- end -->")
