"""The entries of a log as rows with names, from the value of its buffer.

Knows compact-arrays and the columns of `gbcs.tables.profile_logs`. Knows no messages.
"""

from collections.abc import Mapping
from itertools import repeat
from typing import Any

from gbcs.dlms.compact_array import CompactArray
from gbcs.dlms.data import Data
from gbcs.errors import DecodeError
from gbcs.tables.profile_logs import BLOCKS, ProfileLog

_BLOCKS = 4  # columns of a row that the one column "blocks" stands for

Row = Mapping[str, Any]


def rows_of(log: ProfileLog, buffer: bytes | Data) -> list[Row]:
    """Return the rows of a log's buffer: `time` in seconds since 2000, and the log's columns.

    `buffer` is the value, typed or as A-XDR. Energies are in Wh or varh; units of other columns are
    in `gbcs.tables.profile_logs`. Raises `DecodeError` if it is not the buffer of this log.
    """
    table, columns = table_and_columns(
        buffer if isinstance(buffer, Data) else Data.parse(buffer), log
    )
    names = ("time", *columns)
    if BLOCKS not in columns:
        return list(map(dict, map(zip, repeat(names), table.rows())))
    at = names.index(BLOCKS)
    behind = at + _BLOCKS
    return [
        dict(zip(names, (*row[:at], row[at:behind], *row[behind:]), strict=True))
        for row in table.rows()
    ]


def table_and_columns(buffer: Data, log: ProfileLog) -> tuple[CompactArray, tuple[str, ...]]:
    """Return the compact-array in `buffer` and its columns after `time`. Raises `DecodeError`."""
    table = buffer.value
    if not isinstance(table, CompactArray):
        raise DecodeError(f"SRV {log.srv}: the log is not a compact-array", "message.payload")
    columns = log.rows.get(table.description)
    if columns is None:
        shape = table.description.hex()
        raise DecodeError(f"SRV {log.srv}: rows of an unknown shape {shape}", "message.payload")
    return table, columns
