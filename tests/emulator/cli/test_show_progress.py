"""Progress in lines, if a bar cannot be shown."""

import io

import pytest
from rich.console import Console

from esme_emulator.cli.render.screen import progress_lines


@pytest.mark.parametrize(
    ("total", "told"),
    [
        (0, []),
        (18, ["direct: 18 of 18"]),
        (900, ["direct: 500 of 900", "direct: 900 of 900"]),
        (20_000, [f"direct: {tenth * 2000:,} of 20,000" for tenth in range(1, 11)]),
    ],
)
def test_there_is_a_line_for_each_tenth_and_not_too_many(total: int, told: list[str]) -> None:
    text = io.StringIO()
    step = progress_lines(Console(file=text))("direct", total)
    for _ in range(total):
        step()
    assert text.getvalue().splitlines() == told
