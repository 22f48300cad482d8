"""The tables in docs/faults.md match the registry."""

import pytest

from docs.make_faults import PAGE, page
from esme_emulator.faults.base import FaultError
from esme_emulator.faults.kind import FAULTS
from esme_emulator.faults.loading import parse_rules


def test_the_tables_match_the_registry() -> None:
    text = PAGE.read_text("utf-8")
    assert page(text) == text, "run `python -m docs.make_faults`"
    assert all(f"| **`{kind}`** |" in text for kind in FAULTS)


def test_a_page_without_markers_for_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="no one place for selectors"):
        page("# Faults")


def test_the_first_example_behaves_as_documented() -> None:
    text = PAGE.read_text("utf-8")
    example = text.partition("```toml\n")[2].partition("```")[0]
    names = [rule.name for rule in parse_rules(example)]
    assert names == ["asleep-1", "noisy-street", "fail-first-1"]
    with pytest.raises(FaultError) as caught:
        parse_rules(example.replace("probability", 'calls = "3-1"\nprobability'))
    assert f"`{caught.value}`" in text
