"""The option tables of the documentation are those of the code."""

import re
from pathlib import Path

import pytest

from docs.make_options import CACHE, PROOF, RUNNING, commands, page
from esme_emulator.cache.policy.settings import SETTINGS

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
    named = re.findall(r"`(--[a-z-]+)", table.replace("--help", ""))
    assert sorted(named) == sorted(option.flag for option in COMMANDS[command])


def test_the_page_on_the_cache_has_every_setting() -> None:
    text = CACHE.read_text("utf-8")
    assert all(f"| `{name}` |" in text for name in SETTINGS)


def test_a_mark_of_an_unknown_command_is_an_error() -> None:
    with pytest.raises(ValueError, match="esme dance: there is no such command"):
        page("<!-- options of esme dance -->\n<!-- end -->")
