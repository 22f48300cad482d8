"""Units and scales of what a reading service reads.

A register of DLMS has them in its `scaler_unit`, beside the value; columns of logs and parts of
collections have those of `gbcs.tables`. Other values have no unit here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gbcs.dlms.data import Data
from gbcs.tables.cosem import UNITS
from gbcs.tables.profile_logs import COLUMN_UNITS
from gbcs.tables.reading_services import FIELD_UNITS, SCALER_UNIT
from gbcs.usecases.rows import table_and_columns
from gbcs.usecases.values import Reading, plain

_REGISTERS = (3, 4)
_VALUE, _SCALER_UNIT = 2, 3
"""Attributes of registers and extended registers."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number: `number` × 10^`scale` `symbol`."""

    scale: int
    symbol: str | None
    """None if it is known to have none, as a count, or if the unit is a currency not named."""


def unit_of(reading: Reading, others: Iterable[Reading]) -> Unit | None:
    """Return the unit of a register's value, from its `scaler_unit` among `others`.

    None if `reading` is not the value of a register, or if its `scaler_unit` was not read.
    """
    mine = reading.attribute
    if mine.class_id not in _REGISTERS or mine.index != _VALUE or reading.data is None:
        return None
    for other in others:
        its = other.attribute
        if (its.class_id, its.obis, its.index) == (mine.class_id, mine.obis, _SCALER_UNIT):
            return _from(other.data)
    return None


def units_in(reading: Reading) -> Mapping[str, Unit]:
    """Return the units of the columns of a log or of the parts of a collection, by name.

    Those without a known unit are left out. Raises `DecodeError` as
    `Reading.rows` and `Reading.fields` do.
    """
    if reading.log is not None:
        if reading.data is None:
            return {}
        _, columns = table_and_columns(reading.data, reading.log)
        return {name: Unit(*COLUMN_UNITS[name]) for name in columns if name in COLUMN_UNITS}
    fields = reading.fields
    if fields is None:
        return {}
    mine = reading.attribute
    known = FIELD_UNITS.get((mine.class_id, mine.obis, mine.index), {})
    units = {name: Unit(*known[name]) for name in fields if name in known}
    for name in fields:
        beside = _unit(fields.get(f"{name}_{SCALER_UNIT}"))
        if beside is not None:
            units[name] = beside
    return units


def _from(data: Data | None) -> Unit | None:
    return None if data is None else _unit(plain(data))


def _unit(scaler_unit: Any) -> Unit | None:
    """Return what a `scaler_unit` says, None if it is not a pair of numbers."""
    match scaler_unit:
        case (int(scale), int(code)):
            return Unit(scale, UNITS.get(code))
        case _:
            return None
