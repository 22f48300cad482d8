"""Configuration files: every mistake is one line with key and reason."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import Field, Strict

from esme_emulator.runtime.config import (
    AS_TABLE,
    Instant,
    Mistake,
    Table,
    Takes,
    parse_toml,
    validate,
)


class Sun(Table):
    latitude: int | float = Field(ge=49, le=61)


class Load(Table):
    title: str
    share: int = Field(ge=1, le=10**9)
    tariff: Literal["flat", "blocks"] = "flat"
    source: Annotated[list[str] | str, Field(alias="from"), Takes("a name or a list")] = ""
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
        ({"share": True}, "share: true should be a valid integer"),
        ({"share": "1"}, "share: '1' should be a valid integer"),
        ({"share": 1.0}, "share: 1.0 should be a valid integer"),
        ({"title": 1}, "title: 1 should be a valid string"),
        ({"title": ["x" * 99]}, f"title: ['{'x' * 55}... should be a valid string"),
        ({"tariff": "block"}, "tariff: 'block' should be 'flat' or 'blocks'"),
        ({"from": [1, 2]}, "from: [1, 2] is not a name or a list"),
        ({"shares": 1}, "shares: unknown key; did you mean share?"),
        ({"sun": 3}, "sun: 3 is not a table"),
        ({"sun": {}}, "sun.latitude: is missing"),
        ({"sun": {"latitude": 48.9}}, "sun.latitude: 48.9 should be greater than or equal to 49"),
        ({"sun": {"latitude": float("nan")}}, "sun.latitude: nan should be a finite number"),
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


def test_text_that_is_not_toml_is_one_line() -> None:
    assert parse_toml("title = 'A'") == {"title": "A"}
    for text, reason in (
        ("title = \n", "it is not TOML: Invalid value"),
        ("a = " + "[" * 5000, "it is not TOML: "),
        (".".join("a" * 20_000) + " = 1", "it is not TOML: it is nested too deep"),
        ("a = " + "9" * 5000, "value has 5000 digits$"),
        ("#" * 10_000_001, "it is longer than 10000000 characters"),
    ):
        with pytest.raises(ValueError, match=reason) as raised:
            parse_toml(text)
        assert len(str(raised.value).splitlines()) == 1


@dataclass(frozen=True)
class Size:
    metres: Annotated[float, Field(gt=0, le=3)]
    day: Annotated[int, Takes("a day of the week", read=["mo", "tu"].index)] = 0


class Shelf(Table):
    sizes: Annotated[list[Annotated[Size, AS_TABLE]], Field(min_length=1)]
    colours: Annotated[tuple[str, ...], Strict(False)] = ()
    seen: Instant | None = None


def test_a_dataclass_is_a_form() -> None:
    assert validate(Size, {"metres": 2, "day": "tu"}) == (Size(2.0, 1), [])
    form, mistakes = validate(Shelf, {"sizes": [{"metres": 1}], "colours": ["red"]})
    assert mistakes == []
    assert form is not None
    assert (form.sizes, form.colours, form.seen) == ([Size(1.0)], ("red",), None)


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        ({"sizes": []}, "sizes: give at least 1"),
        ({"sizes": {"metres": 1}}, "sizes: write it as [[sizes]], once for each"),
        ({"sizes": [{"metres": 1}, {}]}, "sizes 2: metres: is missing"),
        ({"sizes": [{"metres": "1"}]}, "sizes 1: metres: '1' should be a valid number"),
        ({"sizes": [{"metres": 1, "day": "we"}]}, "sizes 1: day: 'we' is not in list"),
        ({"sizes": [{"metres": 1, "dai": "we"}]}, "sizes 1: dai: unknown key; did you mean day?"),
        ({"sizes": [3]}, "sizes 1: 3 is not a table"),
        ({"colours": ["red", 3]}, "colours 2: 3 should be a valid string"),
        ({"colours": "red"}, "colours: 'red' is not a list"),
        ({"seen": 3}, "seen: 3 is not an ISO 8601 date or time, UTC without a zone"),
        ({"seen": "soon"}, "seen: 'soon' is not a date or time: write 2026-01-31 or *"),
    ],
)
def test_a_mistake_in_a_list_names_the_number_of_its_item(
    keys: dict[str, object], mistake: str
) -> None:
    form, (found,) = validate(Shelf, {"sizes": [{"metres": 1}]} | keys)
    assert form is None
    start, star, _ = mistake.partition("*")
    assert str(found).startswith(start)
    assert star or str(found) == mistake
