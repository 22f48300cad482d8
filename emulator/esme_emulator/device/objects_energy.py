"""Objects of energy, power and demand: SRVs 4.1.1 to 4.1.3, 4.2, 4.12.1, 4.12.2 and 4.16.

Collections have the parts of `gbcs.tables.reading_services`, in that order.

Source: vectors of ECS17b and ECS17c; the other use cases by analogy. In the collection of blocks,
registers are assumed to continue for ever and counters to begin anew with the calendar year.

Objects of supply: SRV 4.10, voltage of each phase, and SRV 4.15, load limiting.

The load limit is the rating of the meter, which no load of the profiles reaches. So limiting never
happened; it would leave supply on.

Source: vectors of ECS23 and ECS27; phases 2 and 3 by analogy.
"""

from collections.abc import Callable

from esme_emulator.device.cosem import (
    COUNT,
    FALSE,
    TRUE,
    VARH,
    WATT,
    WH,
    Reference,
    Value,
    always,
    bits,
    date_time,
    numbers,
    reference,
    scaler_unit,
)
from esme_emulator.device.demand import EVENING, Demand, export_demand, import_demand, last_reset
from esme_emulator.device.energy import power, total
from esme_emulator.device.logs import block_matrix, registers_row
from esme_emulator.device.model import Meter
from esme_emulator.device.tariff import block_counters, block_counters_of_year
from esme_emulator.device.voltage import PERIOD, Bound, times_beyond
from gbcs.dlms.data import Data, array, double_long_unsigned, long_unsigned, octet_string, structure

_SCRIPTS = bytes.fromhex("00000A8064FF")  # 0.0.10.128.100.255
_BEGINS, _ENDS = 1, 2
_EVERY_DAY = bits(7, b"\xfe")
_FROM_ANY_YEAR, _FOR_EVER = octet_string(b"\0\0\x01\xff\xff"), octet_string(b"\xff" * 5)
_NO_VALIDITY = long_unsigned(0xFFFF)


def _import(meter: Meter, now: int) -> Data:
    parts = [
        double_long_unsigned(total(meter.primary, meter.installed, now)),
        scaler_unit(WH),
        double_long_unsigned(total(meter.reactive_import, meter.installed, now)),
        scaler_unit(VARH),
    ]
    if meter.secondary is not None:
        parts.append(double_long_unsigned(total(meter.secondary, meter.installed, now)))
    return structure(*parts)


def _tou(meter: Meter, now: int) -> Data:
    if meter.secondary is None:
        return structure(numbers(registers_row(meter, now)[2]))
    return structure(*map(numbers, registers_row(meter, now)[3:5]))


def _blocks(meter: Meter, now: int) -> Data:
    registers = counters = block_matrix(())
    if meter.block_thresholds:
        registers = block_matrix(block_counters(meter, now))
        counters = block_matrix(block_counters_of_year(meter, now))
    pairs = zip(registers, counters, strict=True)
    return structure(numbers(value for pair in pairs for row in pair for value in row))


def _power(meter: Meter, now: int) -> Data:
    primary = power(meter.primary, meter.installed, now)
    second = power(meter.secondary, meter.installed, now) if meter.secondary else 0
    return structure(
        double_long_unsigned(primary + second), scaler_unit(WATT), double_long_unsigned(primary)
    )


def _evening(meter: Meter, now: int) -> Demand:
    return import_demand(meter, now, EVENING)


def _hours() -> Data:
    begin, end = EVENING
    return array(_hour(0, begin, _BEGINS), _hour(1, end, _ENDS))


def _hour(index: int, hour: int, script: int) -> Data:
    return structure(
        long_unsigned(index),
        TRUE,
        octet_string(_SCRIPTS),
        long_unsigned(script),
        octet_string(bytes((hour, 0, 0, 0))),
        _NO_VALIDITY,
        _EVERY_DAY,
        bits(0),
        _FROM_ANY_YEAR,
        _FOR_EVER,
    )


def _reset(meter: Meter, now: int) -> Data:
    return date_time(last_reset(meter, now))


def _register(dotted: str, demand: Callable[[Meter, int], Demand]) -> dict[Reference, Value]:
    """Return the attributes of a maximum demand register."""
    return {
        reference(4, dotted): lambda meter, now: double_long_unsigned(demand(meter, now).power),
        reference(4, dotted, 3): always(scaler_unit(WATT)),
        reference(4, dotted, 5): lambda meter, now: date_time(demand(meter, now).time),
    }


ENERGY: dict[Reference, Value] = {
    reference(1, "0.0.94.44.34.10"): _import,
    reference(1, "0.0.94.44.34.1"): _tou,
    reference(1, "0.0.94.44.34.2"): _blocks,
    reference(1, "0.0.94.44.34.20"): _power,
    reference(3, "1.0.2.8.0.255"): lambda meter, now: double_long_unsigned(
        total(meter.active_export, meter.installed, now)
    ),
    reference(3, "1.0.2.8.0.255", 3): always(scaler_unit(WH)),
    reference(3, "1.0.4.8.0.255"): lambda meter, now: double_long_unsigned(
        total(meter.reactive_export, meter.installed, now)
    ),
    reference(3, "1.0.4.8.0.255", 3): always(scaler_unit(VARH)),
    reference(1, "0.0.94.44.5.0"): _reset,
    reference(1, "0.0.94.44.5.1"): _reset,
    reference(1, "0.0.94.44.5.2"): _reset,
    reference(10, "0.0.12.0.0.255"): always(_hours()),
    **_register("1.0.1.6.0.255", import_demand),
    **_register("1.0.1.6.1.255", _evening),
    **_register("1.0.2.6.0.255", export_demand),
}


RATED_POWER = 23_000
"""Rating of a phase in W: 100 A at 230 V."""
_LIMIT_PERIOD, _RESTORATION_PERIOD = 300, 30
"""Seconds, as in vector ECS28a_6.4.1."""


def _beyond(phase: int, bound: Bound) -> Value:
    return lambda meter, now: double_long_unsigned(times_beyond(meter, phase, bound, now))


def _voltage(phase: int) -> dict[Reference, Value]:
    """Return the objects of a phase, from 0, without its log."""
    group = 32 + 20 * phase
    under, over, log = (f"1.0.{group}.{group_d}" for group_d in ("32.0.4", "36.0.4", "24.0.255"))
    return {
        reference(3, under): _beyond(phase, Bound.UNDER),
        reference(3, under, 3): always(scaler_unit(COUNT)),
        reference(3, over): _beyond(phase, Bound.OVER),
        reference(3, over, 3): always(scaler_unit(COUNT)),
        reference(7, log, 4): always(double_long_unsigned(PERIOD)),
    }


VOLTAGE = _voltage(0)
OTHER_PHASES = _voltage(1) | _voltage(2)
"""Objects of phases 2 and 3, which only a polyphase meter has."""

LOAD_LIMIT: dict[Reference, Value] = {
    reference(9000, "0.0.94.44.0.3"): always(FALSE),
    reference(3, "0.0.94.44.42.255"): always(double_long_unsigned(0)),
    reference(3, "0.0.94.44.42.255", 3): always(scaler_unit(COUNT)),
    reference(71, "0.0.17.0.0.255", 4): lambda meter, now: double_long_unsigned(
        RATED_POWER * meter.phases
    ),
    reference(71, "0.0.17.0.0.255", 6): always(double_long_unsigned(_LIMIT_PERIOD)),
    reference(71, "0.0.17.0.0.255", 7): always(double_long_unsigned(_RESTORATION_PERIOD)),
}
