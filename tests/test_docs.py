"""The documentation is true as far as a test can tell."""

import doctest
import io
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from docs.make_coverage import PAGE, read_page, without_numbers
from docs.make_coverage import page as coverage_page
from esme_emulator.cli.main import main
from esme_emulator.cli.render.proof import proof_table
from gbcs.tables.use_cases import USE_CASES
from tests.emulator.proof.proving import as_shipped
from tests.support.rtds import vectors

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
PACKAGE = ROOT / "emulator/esme_emulator"
ROOMS = "|".join(path.name for path in PACKAGE.iterdir() if path.is_dir())

ABBREVIATIONS = re.compile(r"\b(ACB|DCC|DLMS|DUIS|ESME|EUI|GBCS|MAC|MQTT|RTDS|SRV|UTC|WAN)s?\b")


def test_coverage_lists_every_use_case() -> None:
    """Compares without vectors, so any copy of the RTDS will do."""
    shown = without_numbers(PAGE.read_text("utf-8"))
    assert shown == without_numbers(coverage_page([])), "run `make coverage`"
    assert all(f"| {row.code:04X} | {row.name} | {row.title} |" in shown for row in USE_CASES)


def test_coverage_counts_the_vectors() -> None:
    if f"\n{len(vectors())} vectors read" not in PAGE.read_text("utf-8"):
        pytest.skip("docs/coverage.md was made from another copy of the RTDS")
    assert PAGE.read_text("utf-8") == read_page(), "run `make coverage`"


def blocks(page: Path) -> list[str]:
    """Return the blocks of code on a page, without their fences."""
    return re.findall(r"^```\w*\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_readme_shows_the_quickstart() -> None:
    printed = io.StringIO()
    proof_table(as_shipped("quickstart"), Console(file=printed, width=80, soft_wrap=True))
    [shown] = [block for block in blocks(ROOT / "README.md") if "PASSED" in block]
    *lines, report = shown.splitlines()
    assert lines == [line.rstrip() for line in printed.getvalue().splitlines()]
    assert report == "report: report/report.html"


def test_the_readme_shows_a_decoded_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [shown] = [block for block in blocks(ROOT / "README.md") if "--explain" in block]
    keys, private, decode, *lines = shown.splitlines()
    runner = CliRunner()
    keystore = runner.invoke(main, keys.removeprefix("$ esme ").split(" > ")[0].split())
    Path("keystore.json").write_text(keystore.stdout)
    assert private == "$ chmod 600 keystore.json"
    Path("keystore.json").chmod(0o600)
    printed = runner.invoke(main, decode.removeprefix("$ esme ").split())
    assert {line for line in lines if line != "…"} <= set(printed.stdout.splitlines())
    assert printed.stderr == "", "the page shows no warning"
    assert len(lines) > 5


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words of each `esme` command in a block, without redirections and output.

    What follows the image of `docker run` is such a command.
    """
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("docker run "):
            line = "esme" + line.partition("esme-emulator")[2]
        if not re.match(r"(\$ |do |.*\| )?esme ", line):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        while "esme" in words:
            words = words[words.index("esme") + 1 :]
            yield list(takewhile(lambda word: not set(word) <= set("|&;<>"), words))


def parse(words: list[str]) -> None:
    """Find the command, and parse its options and arguments without running it."""
    command: click.Command = main
    context = click.Context(main, info_name="esme")
    while isinstance(command, click.Group) and words and words[0] in command.list_commands(context):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, parent=context, info_name=name)
    values, left, _ = command.make_parser(context).parse_args(list(words))
    assert not left, f"esme {command.name} takes no {left}"
    for parameter in command.params:
        given = values.get(parameter.name or "")
        if isinstance(parameter.type, click.Choice) and isinstance(given, str):
            parameter.type.convert(given, parameter, context)
        if parameter.required:
            # click has an object of its own for an argument that is missing.
            assert isinstance(given, str | tuple), f"esme {command.name} needs {parameter.name}"
            assert given


SHOWN = [
    (path.name, words)
    for path in (*PAGES, *sorted((ROOT / "examples").rglob("*.*")))
    if path.suffix in (".md", ".sh")
    for text in ([path.read_text("utf-8")] if path.suffix == ".sh" else blocks(path))
    for words in commands_in(text)
]
"""File and words of every `esme` command that the documentation and the examples show."""


@pytest.mark.parametrize(
    "words", [words for _, words in SHOWN], ids=[f"{name}-{words[0]}" for name, words in SHOWN]
)
def test_a_command_that_is_shown_exists_with_its_options(words: list[str]) -> None:
    parse(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_within_a_sentence_exists(page: Path) -> None:
    for text in re.findall(r"`esme ((?:[a-z]+ ?)+)", page.read_text("utf-8")):
        command: click.Command = main
        for word in text.split():
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"esme {text}"
            command = found


def test_the_readme_and_most_pages_show_commands() -> None:
    names = {name for name, _ in SHOWN}
    assert names >= {"README.md", "running.md", "load.md", "proof.md", "ci.sh"}


@pytest.mark.parametrize(
    "line",
    ["esme prov", "esme prove --sed 2", "$ esme load --via meter", "esme read", "x | esme keys -x"],
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    [words] = commands_in(line)
    with pytest.raises((AssertionError, click.UsageError)):
        parse(words)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_have_targets(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", page.read_text("utf-8")):
        target = page.parent / link if link else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_modules_exist(page: Path) -> None:
    folders = rf"(?:gbcs|emulator|profiles|tests|docs|benchmarks|{ROOMS})"
    for name in re.findall(rf"`({folders}/[\w/.*]+)`", page.read_text("utf-8")):
        assert [*ROOT.glob(name), *PACKAGE.glob(name)], name


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_the_index_lists_every_page(page: Path) -> None:
    listed = (ROOT / "docs/index.md").read_text("utf-8")
    assert page.name == "index.md" or f"({page.name})" in listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_with_abbreviations_links_the_glossary(page: Path) -> None:
    text = page.read_text("utf-8")
    if ABBREVIATIONS.search(text) and page.name not in ("glossary.md", "coverage.md"):
        assert "glossary.md" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_print_what_the_page_shows(page: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False)
    assert failed == 0
