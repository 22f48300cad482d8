"""Journals: lines of JSON, and disks that fill up."""

import json
import logging
from pathlib import Path

import pytest

from esme_emulator.runtime.files import JournalError, journal


def form(number: int) -> dict[str, int]:
    return {"number": number}


def test_each_event_is_written_at_once_as_a_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    for first in (1, 3):
        with journal(path, form) as write:
            assert write is not None
            for number in (first, first + 1):
                write(number)
                assert json.loads(path.read_text().splitlines()[-1]) == {"number": number}
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]


def test_without_a_path_there_is_nothing_to_write_to() -> None:
    with journal(None, form) as write:
        assert write is None


@pytest.mark.parametrize("path", ["", "none/journal"])
def test_an_unwritable_journal_is_one_line(path: str, tmp_path: Path) -> None:
    with (
        pytest.raises(JournalError, match=r"^journal .*: [A-Z][a-z ]+$"),
        journal(tmp_path / path, form),
    ):
        pass


def test_a_full_disk_ends_the_journal_alone(caplog: pytest.LogCaptureFixture) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full")
    with caplog.at_level(logging.WARNING), journal(full, form) as write:
        assert write is not None
        write(1)
        write(2)
    assert [record.getMessage() for record in caplog.records] == [
        "journal /dev/full: No space left on device; nothing more is written to it"
    ]
