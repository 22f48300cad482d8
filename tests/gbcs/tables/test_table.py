"""The loader of the tables: each mistake in a file is an error with file, line and reason."""

from pathlib import Path

import pytest

from gbcs.tables import table
from gbcs.tables.table import TableError, flag, read_table

HEADER = ("code", "name")


def _row(code: str, name: str) -> tuple[int, str]:
    return int(code, 16), name


def _table(tmp_path: Path, text: str) -> str:
    path = tmp_path / "some.csv"
    path.write_text(text, "utf-8")
    return str(path)


def test_rows_follow_comments_and_header(tmp_path: Path) -> None:
    name = _table(tmp_path, '# Source: a document.\n#\ncode,name\n0F,"a, b"\n10,é\n')
    assert read_table(name, HEADER, _row) == ((15, "a, b"), (16, "é"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ":1: the header is not code,name"),
        ("# comment\nname,code\n", ":2: the header is not code,name"),
        ("# comment\ncode,name\n0F\n", ":3: 1 cells; the header has 2"),
        ("code,name\n0F,a\n10,b,c\n", ":3: 3 cells; the header has 2"),
        ("code,name\nnone,a\n", ":2: invalid literal for int"),
        ('code,name\n0F,"a\n', ":2: unexpected end of data"),
    ],
)
def test_a_mistake_is_an_error_with_file_line_and_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(TableError, match=reason):
        read_table(_table(tmp_path, text), HEADER, _row)


def test_an_unknown_value_is_named(tmp_path: Path) -> None:
    name = _table(tmp_path, "code,name\n0F,a\n")
    with pytest.raises(TableError, match=":2: 'a' is not one of the values of its column"):
        read_table(name, HEADER, lambda code, name: {"b": 1}[name])


def test_a_flag_is_yes_or_no() -> None:
    assert flag("yes")
    assert not flag("no")
    with pytest.raises(ValueError, match="'y' is not yes or no"):
        flag("y")


def test_every_table_cites_its_source() -> None:
    files = sorted(Path(table.__file__).parent.glob("*.csv"))
    assert len(files) == 5
    for file in files:
        comments = [line for line in file.read_text("utf-8").splitlines() if line[0] == "#"]
        assert any("Source" in line for line in comments), file.name
