"""Write the option tables of running.md, cache.md and proof.md: `python -m docs.make_options`.

The commands and `SETTINGS` say what there is; prose around the tables is kept. An option that
several commands share stands once, in the table of shared options, and its commands name it. In
proof.md, the rows `cache.…` of the table of keys are written.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import click

from esme_emulator.cache.policy.settings import SETTINGS, Setting
from esme_emulator.cli.main import main
from esme_emulator.scenario.scenario import Caching

RUNNING = Path(__file__).parent / "running.md"
CACHE = Path(__file__).parent / "cache.md"
PROOF = Path(__file__).parent / "proof.md"

_HEAD = (("option", "default", ""), ("---",) * 3)
_CACHE_ROWS = re.compile(r"(?:^\| `cache\..*\n)+", re.M)
_HOLD_DOWN = {
    "hold_down_failures": "Timeouts in a row that start a cooldown; 0 means never.",
    "hold_down_seconds": "Seconds that the cooldown lasts.",
}
"""A scenario has two keys for the setting `hold_down`."""
_MARK = re.compile(r"<!-- (shared|options of [^>]*|settings) -->\n(.*?)<!-- end -->", re.S)


class Option(NamedTuple):
    """One option, as a row shows it."""

    flag: str
    takes: str
    default: str
    help: str

    def row(self) -> tuple[str, ...]:
        """Return the cells of its row."""
        written = f"{self.flag} {self.takes}".rstrip().replace("|", "\\|")
        return f"`{written}`", self.default, self.help


def page(text: str) -> str:
    """Return a page with its tables as the code has them. Raises `ValueError` for a wrong mark."""
    text = _CACHE_ROWS.sub(lambda _: "".join(map(_line, _cache_keys())), text)
    return _MARK.sub(lambda mark: f"<!-- {mark[1]} -->\n{_table(mark[1])}<!-- end -->", text)


def _table(mark: str) -> str:
    if mark == "settings":
        return "".join(map(_line, _settings()))
    if mark == "shared":
        return "".join(map(_line, (*_HEAD, *(option.row() for option in _shared()))))
    command = mark.removeprefix("options of ")
    options = commands()
    if command not in options:
        raise ValueError(f"{command}: there is no such command")
    shared = _shared()
    own = [option.row() for option in options[command] if option not in shared]
    table = "".join(map(_line, (*_HEAD, *own))) if own else ""
    names = [f"`{option.flag}`" for option in options[command] if option in shared]
    if names:
        table += f"\n[Shared options](#shared-options): {', '.join(names)}.\n"
    return table


def commands() -> dict[str, list[Option]]:
    """Return the options of every command, by the words that call it."""
    return dict(_walk(main, "esme", click.Context(main, show_default=True)))


def _walk(
    command: click.Command, path: str, context: click.Context
) -> Iterator[tuple[str, list[Option]]]:
    if command is not main:
        yield path, [_option(each, context) for each in _written(command)]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _walk(found, f"{path} {name}", context)


def _written(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


def _option(option: click.Option, context: click.Context) -> Option:
    takes = "" if option.is_flag else option.make_metavar(context).strip("[]")
    default = str(option.get_help_extra(context).get("default", ""))
    default = default[1:-1] if default.startswith("(") else default and f"`{default}`"
    return Option(option.opts[0], takes, default, (option.help or "").removesuffix("."))


def _shared() -> list[Option]:
    """Return the options that more than one command has, in the order of the commands."""
    every = [option for options in commands().values() for option in options]
    return [option for option in dict.fromkeys(every) if every.count(option) > 1]


def _settings() -> Iterator[tuple[str, ...]]:
    yield "setting", "default", "takes", ""
    yield ("---",) * 4
    for name, setting in SETTINGS.items():
        yield f"`{name}`", _default(setting), _takes(setting), setting.help.removesuffix(".")


def _cache_keys() -> Iterator[tuple[str, ...]]:
    """Yield the rows of the keys of a scenario's `[cache]`."""
    for item in fields(Caching):
        match item.default:
            case bool(is_on):
                default = "true" if is_on else "false"
            case tuple(values):
                default = ", ".join(values)
            case number:
                default = f"{number:g}"
        setting = SETTINGS.get(item.name)
        meaning = (setting.help if setting else _HOLD_DOWN[item.name]).removesuffix(".")
        bounds = f" ({setting.bounds})" if setting and setting.is_number else ""
        yield f"`cache.{item.name}`", default, f"{meaning}{bounds}"


def _default(setting: Setting) -> str:
    match setting.default:
        case bool(is_on):
            return "on" if is_on else "off"
        case tuple(values):
            return ", ".join(values)
        case None:
            return "never"
        case number:
            return f"{number:g}"


def _takes(setting: Setting) -> str:
    if not setting.is_number:
        return ""
    return f"{setting.unit or 'a number'}, {setting.bounds}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    for path in (RUNNING, CACHE, PROOF):
        path.write_text(page(path.read_text("utf-8")), "utf-8")
