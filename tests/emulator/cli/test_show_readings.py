"""What a person sees of readings, on terminals of every width and in a pipe."""

import csv
from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from esme_emulator.cli.render.readings import reading_chart, reading_table, reading_values
from esme_emulator.cli.render.readings_csv import readings_csv
from esme_emulator.cli.render.screen import plain_table
from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data, octet_string, structure
from gbcs.dlms.data import DataType as T
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import BY_OBIS
from gbcs.tables.reading_services import READING_SERVICES, ReadAttribute
from gbcs.usecases.values import Reading

ROW = {
    "time": 0,
    "import": 12345,
    "tou": (0, 7, *[0] * 46),
    "blocks": ((0,) * 8,) * 4,
    "meter_balance": -123456,
    "emergency_credit_balance": 0,
}


def printed(show: object, *given: object, width: int = 200, terminal: bool = True) -> list[str]:
    console = Console(
        file=StringIO(),
        width=width,
        force_terminal=terminal,
        color_system=None,
        soft_wrap=True,
        markup=False,
    )
    show(*given, console)  # type: ignore[operator]
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def attributes() -> Iterator[ReadAttribute]:
    """Yield the attributes of all reading services."""
    for service in READING_SERVICES:
        for access in service.accesses:
            yield from access.attributes


def attribute(name: str) -> ReadAttribute:
    """The attribute of a reading service that has this name."""
    return next(item for item in attributes() if Reading(item, 0).name == name)


def reading(name: str, data: Data) -> Reading:
    return Reading(attribute(name), 0, data)


def test_a_value_and_its_scaler_and_unit_are_one_quantity() -> None:
    name = "Active export register"
    lines = printed(
        reading_values,
        [
            reading(f"{name}: value", Data(T.DOUBLE_LONG_UNSIGNED, 1234567)),
            reading(f"{name}: scaler_unit", structure(Data(T.INTEGER, -3), Data(T.ENUM, 30))),
        ],
    )
    assert lines == [f"{name}: value: 1,234.567 Wh"]


@pytest.mark.parametrize(
    ("scaler", "unit", "said"),
    [(0, 32, "5 varh"), (2, 27, "500 W"), (-5, 254, "0.00005"), (0, 255, "5"), (0, 99, "5")],
)
def test_units_and_scalers(scaler: int, unit: int, said: str) -> None:
    name = "Active export register"
    values = [
        reading(f"{name}: value", Data(T.DOUBLE_LONG_UNSIGNED, 5)),
        reading(f"{name}: scaler_unit", structure(Data(T.INTEGER, scaler), Data(T.ENUM, unit))),
    ]
    assert printed(reading_values, values) == [f"{name}: value: {said}"]


def test_a_unit_without_a_value_is_shown() -> None:
    unit = structure(Data(T.INTEGER, 0), Data(T.ENUM, 30))
    lines = printed(reading_values, [reading("Active export register: scaler_unit", unit)])
    assert lines == ["Active export register: scaler unit: [0, 30]"]


def test_repeated_values_are_shown_twice() -> None:
    one = reading("Active export register: value", Data(T.DOUBLE_LONG_UNSIGNED, 5))
    assert printed(reading_values, [one, one]) == ["Active export register: value: 5"] * 2


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"winter", "winter"),
        (b"[/, 0]", "[/, 0]"),
        (b"", ""),
        (bytes.fromhex("00000A0064FF"), "0.0.10.0.100.255"),
        (bytes.fromhex("0F1E00FF"), "15:30:00"),
        (bytes.fromhex("FFFFFFFF"), "*:*:*"),
        (bytes.fromhex("FFFF0C19FF"), "*-12-25"),
        (bytes.fromhex("07EA0C19FF"), "2026-12-25"),
        (bytes.fromhex("07EA0B19FF120000008000FF"), "2026-11-25T18:00:00Z"),
        (bytes.fromhex("FFFF0301FF000000008000FF"), "*-03-01 00:00:00"),
        (bytes.fromhex("01"), "01"),
        (bytes(12), "0000-00-00 00:00:00"),
    ],
)
def test_octets_are_shown_by_their_meaning(octets: bytes, said: str) -> None:
    name = "Maximum demand active power import, last reset: value"
    assert printed(reading_values, [reading(name, octet_string(octets))]) == [f"{name}: {said}"]


def test_parts_of_a_collection_are_shown_with_units_and_money_in_whole() -> None:
    registers = Reading(
        ReadAttribute(1, parse_dotted("0.0.94.44.34.10"), 2, False),
        0,
        structure(
            Data(T.DOUBLE_LONG_UNSIGNED, 4000),
            structure(Data(T.INTEGER, 0), Data(T.ENUM, 30)),
        ),
    )
    balances = Reading(
        ReadAttribute(1, parse_dotted("0.0.94.44.34.30"), 2, False),
        0,
        structure(Data(T.DOUBLE_LONG, -1234567)),
    )
    assert printed(reading_values, [registers, balances]) == [
        "import: 4,000 Wh",
        "meter balance: -12.34567",
    ]


def test_a_table_that_fits_cuts_no_cell() -> None:
    lines = printed(reading_table, [ROW])
    assert "2000-01-01T00:00:00Z" in lines[3]
    assert [cell.strip() for cell in lines[3].split("│")[2:6]] == [
        "12,345",
        "2: 7",
        "all 0",
        "-1.23456",
    ]


def test_a_table_too_wide_for_the_terminal_becomes_lines() -> None:
    assert (
        printed(reading_table, [ROW, ROW], width=80)
        == [
            "2000-01-01T00:00:00Z",
            "  import: 12,345",
            "  tou: 2: 7",
            "  blocks: all 0",
            "  meter balance: -1.23456",
            "  emergency credit balance: 0.00000",
        ]
        * 2
    )


def test_no_table_is_too_wide_for_a_pipe() -> None:
    assert printed(reading_table, [ROW], width=80, terminal=False) == printed(reading_table, [ROW])
    assert not any("…" in line for line in printed(reading_table, [ROW], width=20, terminal=False))


def test_other_tables_are_whole_too() -> None:
    rows = [{"device": "00DBE50000000000", "cache_status": "s1sp; fwd=miss; stored", "hits": 3}]
    assert printed(plain_table, rows, width=20) == [
        "00DBE50000000000",
        "  cache status: s1sp; fwd=miss; stored",
        "  hits: 3",
    ]
    assert printed(plain_table, []) == []


def test_negative_values_have_no_bars() -> None:
    rows = [{"time": 0, "balance": -5}, {"time": 1800, "balance": 5}]
    assert printed(reading_chart, rows)[:2] == ["balance, 0 to 5", " █"]


def test_no_entries() -> None:
    assert printed(reading_table, []) == printed(reading_chart, []) == ["no entries in this window"]


def csv_of(readings: list[Reading]) -> list[list[str]]:
    return list(csv.reader(StringIO(readings_csv(readings))))


def test_csv_applies_scales_and_names_units() -> None:
    name = "Active export register"
    table = csv_of(
        [
            reading(f"{name}: value", Data(T.DOUBLE_LONG_UNSIGNED, 12345)),
            reading(f"{name}: scaler_unit", structure(Data(T.INTEGER, -2), Data(T.ENUM, 30))),
            reading("Meter balance: current_credit_amount", Data(T.DOUBLE_LONG, -5)),
        ]
    )
    assert table == [
        ["name", "time", "value", "unit"],
        [f"{name}: value", "", "123.45", "Wh"],
        ["Meter balance: current_credit_amount", "", "-5", ""],
    ]


def test_csv_of_a_log_has_a_row_for_each_entry_and_spreads_lists() -> None:
    log = BY_OBIS[parse_dotted("0.0.98.1.9.255")]
    shape = next(iter(log.rows))
    entries = [(0, 7, (1,) * 48, *[(2,) * 8] * 4), (86400, 8, (3,) * 48, *[(4,) * 8] * 4)]
    item = next(one for one in attributes() if one.obis == log.log)
    array = Data(T.COMPACT_ARRAY, CompactArray.of(shape, entries))
    title, first, second = csv_of([Reading(item, 0, array)])
    assert title[:3] == ["time", "import (Wh)", "tou 1 (Wh)"]
    assert title[-1] == "blocks 4 8 (Wh)"
    assert len(title) == len(first) == len(second) == 2 + 48 + 32
    assert first[:3] == ["2000-01-01T00:00:00Z", "7", "1"]
    assert second[-1] == "4"
    nothing = Data(T.COMPACT_ARRAY, CompactArray.of(shape, []))
    assert csv_of([Reading(item, 0, nothing)]) == [["time"]]
