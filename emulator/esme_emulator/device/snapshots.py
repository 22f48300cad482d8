"""Snapshots of registers and balances, as rows of the meter's logs.

A row holds the registers and balances at its time stamp, so all logs agree. Columns are those of
`gbcs.tables.profile_logs`.

Source: SMETS2 5.7.5 (billing data log, daily read logs). The billing calendar is that of vector
ECS30_6.8: midnight when a month begins. Tariffs are assumed to be renewed once in a calendar year,
at a drawn midnight and at the same prices.
"""

from typing import Any

from esme_emulator.device.account import balances
from esme_emulator.device.blocks import block_counters
from esme_emulator.device.calendar import months_until, year_of, year_start
from esme_emulator.device.model import Meter
from esme_emulator.device.registers import SECONDARY_TOU_REGISTERS, TOU_REGISTERS, by_tariff, grown
from gbcs.instants import DAY

Row = tuple[Any, ...]

BLOCKS, BLOCK_TOUS = 4, 8
_NO_BLOCKS = ((0,) * BLOCK_TOUS,) * BLOCKS
_DAYS_OF_ANY_YEAR = 365


def registers_row(meter: Meter, instant: int) -> Row:
    """Return time, import, TOU registers and blocks, for both elements of a twin element meter."""
    sums = grown(meter.primary, meter.installed, instant)
    tou = primary_tou(meter, sums, TOU_REGISTERS)
    blocks = _NO_BLOCKS
    if meter.block_thresholds:
        blocks = block_matrix(block_counters(meter, instant))
    if meter.secondary is None:
        return instant, sum(sums), tou, *blocks
    second = grown(meter.secondary, meter.installed, instant)
    second_tou = by_tariff(second, meter.tariff, SECONDARY_TOU_REGISTERS)
    return instant, sum(sums), sum(second), tou, second_tou, *blocks


def primary_tou(meter: Meter, sums: list[int], number: int) -> tuple[int, ...]:
    """Return the TOU registers of the first element for the `sums` of its half hours.

    On a block tariff they stay at 0; a second element has no blocks.
    """
    return (0,) * number if meter.block_thresholds else by_tariff(sums, meter.tariff, number)


def balances_row(meter: Meter, instant: int) -> Row:
    """Return time, emergency credit, meter balance and debts, in thousandths of a penny."""
    now = balances(meter, instant)
    return (
        instant,
        now.emergency_credit_balance,
        now.meter_balance,
        now.payment_debt,
        *now.time_debts,
        now.accumulated_debt,
    )


def billing_row(meter: Meter, instant: int) -> Row:
    """Return registers and balances at one time."""
    return *registers_row(meter, instant), *balances_row(meter, instant)[1:]


def block_matrix(counters: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return four blocks of eight TOU counters; only the first counter of a block is in use."""
    used = (*counters, *(0,) * (BLOCKS - len(counters)))
    return tuple((counter, *(0,) * (BLOCK_TOUS - 1)) for counter in used)


def billing_dates(meter: Meter, now: int, number: int) -> list[int]:
    """Return the last `number` billing times until `now`, oldest first."""
    return [time for time in months_until(now, number) if time > meter.installed * DAY]


def tariff_changes(meter: Meter, now: int, number: int) -> list[int]:
    """Return the last `number` renewals of the tariff until `now`, oldest first."""
    last = year_of(now)
    years = range(max(last - number, 2000), last + 1)
    times = [
        year_start(year) + meter.draw("tariff-change", year) % _DAYS_OF_ANY_YEAR * DAY
        for year in years
    ]
    return [time for time in times if meter.installed * DAY < time <= now][-number:]
