"""Configuration files: every mistake is one line with key and reason."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from esme_emulator.runtime.config import ConfigError, Mistake, Table, read_toml, validate


class Sun(Table):
    latitude: int | float = Field(ge=49, le=61)


class Load(Table):
    title: str = Field(description="a text")
    share: int = Field(ge=1, le=10**9)
    tariff: Literal["flat", "blocks"] = "flat"
    source: Annotated[list[str] | str, Field(alias="from", description="a name or a list")] = ""
    sun: Sun | None = None


GOOD = {"title": "A", "share": 1}


def test_a_valid_table_is_returned_as_a_form() -> None:
    form, mistakes = validate(Load, GOOD | {"from": ["a"], "sun": {"latitude": 50}})
    assert mistakes == []
    assert form == Load(**GOOD, **{"from": ["a"]}, sun=Sun(latitude=50))
    assert form is not None
    assert repr(form.sun) == "Sun(latitude=50)"  # an integer stays one


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        ({"share": True}, "share: True is not a whole number from 1 to 1,000,000,000"),
        ({"share": "1"}, "share: '1' is not a whole number from 1 to 1,000,000,000"),
        ({"share": 1.0}, "share: 1.0 is not a whole number from 1 to 1,000,000,000"),
        ({"title": 1}, "title: 1 is not a text"),
        ({"title": ["x" * 99]}, f"title: ['{'x' * 55}... is not a text"),
        ({"tariff": "block"}, "tariff: 'block' is not one of flat, blocks"),
        ({"from": [1, 2]}, "from: [1, 2] is not a name or a list"),
        ({"shares": 1}, "shares: unknown key; did you mean share?"),
        ({"sun": 3}, "sun: 3 is not a table of latitude"),
        ({"sun": {}}, "sun.latitude: is missing; give a number from 49 to 61"),
        ({"sun": {"latitude": 48.9}}, "sun.latitude: 48.9 is not a number from 49 to 61"),
        ({"sun": {"latitude": float("nan")}}, "sun.latitude: nan is not a number from 49 to 61"),
        ({"sun": {"latitude": 50, "latitud": 1}}, "sun.latitud: unknown key; did you mean lat*"),
        ({"zz": 1}, "zz: unknown key; known are title, share, tariff, from, sun"),
        ({"\x1b[31m": 1}, r"'\x1b[31m': unknown key; known are title, *"),
    ],
)
def test_a_mistake_names_key_value_and_reason(keys: dict[str, object], mistake: str) -> None:
    form, (found,) = validate(Load, GOOD | keys)
    assert form is None
    start, _, _ = mistake.partition("*")
    assert str(found).startswith(start)
    assert ("*" in mistake) or str(found) == mistake


def test_all_mistakes_are_returned() -> None:
    _, mistakes = validate(Load, {"title": 1, "colour": "red"})
    assert [mistake.key for mistake in mistakes] == ["title", "share", "colour"]
    assert all(isinstance(mistake, Mistake) for mistake in mistakes)


def test_a_file_is_read_without_its_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(b"\xef\xbb\xbftitle = 'A'")
    assert read_toml(file) == {"title": "A"}


def test_an_unreadable_file_is_one_line_with_its_label(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    with pytest.raises(ConfigError, match=r"a\.toml: there is no such file$"):
        read_toml(file)
    file.write_text("title = \n")
    with pytest.raises(ConfigError, match=r"^mine: is not TOML: ") as raised:
        read_toml(file, "mine")
    assert len(str(raised.value).splitlines()) == 1
