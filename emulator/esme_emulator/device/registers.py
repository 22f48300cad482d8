"""Energy registers at any instant, in closed form.

A register is the energy from installation to the last full half hour, plus the elapsed part of the
current one, rounded down. So registers only grow, and half hours sum exactly to their differences.
"""

from esme_emulator.device.energy import Series
from esme_emulator.device.shapes import HALF_HOURS
from gbcs.instants import DAY, HALF_HOUR

TOU_REGISTERS, SECONDARY_TOU_REGISTERS = 48, 4


def grown(series: Series, installed: int, instant: int) -> list[int]:
    """Return the energy of each half hour of the day, summed from installation to `instant`.

    `installed` is in days and `instant` in seconds since 2000. The result is 48 energies in Wh or
    varh, all 0 before installation.
    """
    day, second = divmod(instant, DAY)
    if day < installed:
        return [0] * HALF_HOURS
    start, before = series.registers(installed), series.registers(day)
    sums = [now - then for now, then in zip(before, start, strict=True)]
    if second:
        slot, part = divmod(second, HALF_HOUR)
        after = series.registers(day + 1)
        for passed in range(slot):
            sums[passed] += after[passed] - before[passed]
        sums[slot] += (after[slot] - before[slot]) * part // HALF_HOUR
    return sums


def total(series: Series, installed: int, instant: int) -> int:
    """Return the register at `instant`, in Wh or varh."""
    return sum(grown(series, installed, instant))


def power(series: Series, installed: int, instant: int) -> int:
    """Return the mean power of the half hour of `instant`, in W or var."""
    half_hour = instant // HALF_HOUR
    if half_hour < installed * HALF_HOURS:
        return 0
    return 2 * series.half_hours(half_hour, half_hour)[0]


def by_tariff(sums: list[int], tariff: tuple[int, ...], registers: int) -> tuple[int, ...]:
    """Add up the half hours of a day in `sums` to tariff registers."""
    tou = [0] * registers
    for register, energy in zip(tariff, sums, strict=True):
        tou[register] += energy
    return tuple(tou)
