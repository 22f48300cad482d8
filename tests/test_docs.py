"""The documents say what is so."""

import doctest
import re
from pathlib import Path

import pytest

from docs.make_coverage import PAGE, read_page, without_numbers
from docs.make_coverage import page as coverage_page
from gbcs.tables.use_cases import USE_CASES
from tests.support.rtds import vectors

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_coverage_has_the_rows_of_the_registry() -> None:
    """Without a vector, and so with any copy of the RTDS."""
    said = without_numbers(PAGE.read_text("utf-8"))
    assert said == without_numbers(coverage_page([])), "run `make coverage`"
    assert all(f"| {row.code:04X} | {row.name} | {row.title} |" in said for row in USE_CASES)


def test_numbers_of_coverage_are_those_of_the_vectors() -> None:
    if f"\n{len(vectors())} vectors read" not in PAGE.read_text("utf-8"):
        pytest.skip("docs/coverage.md was made from another copy of the RTDS")
    assert PAGE.read_text("utf-8") == read_page(), "run `make coverage`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_are_named_exist(page: Path) -> None:
    names = re.findall(
        r"`((?:gbcs|emulator|profiles|tests|docs|benchmarks)/[\w/.]+)`", page.read_text()
    )
    for name in names:
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_print_what_the_page_says(page: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False)
    assert failed == 0
