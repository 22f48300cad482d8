"""OBIS codes and their text."""

import pytest

from gbcs.obis import dotted, parse_dotted


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("0.0.99.1.0.255", "0000630100FF"),
        ("1.0.2.8.0.255", "0100020800FF"),
        ("0.0.0.0.0.0", "000000000000"),
        ("255.255.255.255.255.255", "FFFFFFFFFFFF"),
    ],
)
def test_text(text: str, octets: str) -> None:
    assert dotted(bytes.fromhex(octets)) == text
    assert parse_dotted(text) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    "text", ["", "1", "0.0.99.1.0", "0.0.99.1.0.255.0", "0.0.99.1.0.256", "0.0.99.1.0.-1", "a.b.c"]
)
def test_texts_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an OBIS code"):
        parse_dotted(text)
