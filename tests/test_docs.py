"""The documentation is true as far as a test can tell."""

import doctest
import io
import re
from pathlib import Path

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
    proof_table(as_shipped("quickstart"), Console(file=printed, width=100))
    [shown] = [block for block in blocks(ROOT / "README.md") if "PASSED" in block]
    for line in shown.splitlines():
        assert line.strip() in printed.getvalue() or line.startswith("report: ")


def test_the_readme_shows_a_decoded_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [shown] = [block for block in blocks(ROOT / "README.md") if "--explain" in block]
    keys, decode, *lines = shown.splitlines()
    runner = CliRunner()
    keystore = runner.invoke(main, keys.removeprefix("$ esme ").split(" > ")[0].split())
    Path("keystore.json").write_text(keystore.stdout)
    printed = runner.invoke(main, decode.removeprefix("$ esme ").split()).stdout.splitlines()
    assert {line for line in lines if line != "…"} <= set(printed)
    assert len(lines) > 5


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
