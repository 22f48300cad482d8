"""Energy registers at any instant, in closed form.

A register at an instant is what flowed from installation to the last full half hour, and of the
running one the part that has passed, rounded down. So registers only grow, and half hours sum
exactly to their differences.
"""

from esme_emulator.device.energy import Series
from esme_emulator.device.shapes import HALF_HOURS
from gbcs.instants import DAY, HALF_HOUR

TOU_REGISTERS, SECONDARY_TOU_REGISTERS = 48, 4


def grown(series: Series, installed: int, instant: int) -> list[int]:
    """Return what each half hour of the day has let through from installation to `instant`.

    `installed` is a day and `instant` in seconds, since 2000; energies in Wh or varh. Before
    installation it is nothing.
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
    """Return the whole register at `instant`, in Wh or varh."""
    return sum(grown(series, installed, instant))


def power(series: Series, installed: int, instant: int) -> int:
    """Return the mean power of the half hour that runs at `instant`, in W or var."""
    half_hour = instant // HALF_HOUR
    if half_hour < installed * HALF_HOURS:
        return 0
    return 2 * series.half_hours(half_hour, half_hour)[0]


def by_tariff(sums: list[int], tariff: tuple[int, ...], registers: int) -> tuple[int, ...]:
    """Return the tariff registers that the half hours of a day in `sums` add up to."""
    tou = [0] * registers
    for register, energy in zip(tariff, sums, strict=True):
        tou[register] += energy
    return tuple(tou)
