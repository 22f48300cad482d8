"""The documents say what is so."""

import doctest
import re
from pathlib import Path

import pytest

from docs.make_coverage import PAGE, read_page
from tests.support.rtds import needs_rtds, vectors

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@needs_rtds
def test_coverage_is_what_registry_and_vectors_say() -> None:
    if f" {len(vectors())} vectors read" not in PAGE.read_text("utf-8"):
        pytest.skip("the page was made from another number of vectors")
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
