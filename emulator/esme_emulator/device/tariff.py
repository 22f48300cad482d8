"""Prices, charges, terms of payment, the billing calendar, and block counters.

Instants are seconds since 2000.

Money is in thousandths of a penny (10^-5 GBP), as in the vectors; prices are per kWh. Prices are
assumed to be constant for the life of a meter, so the cost of energy is a sum of registers.

Each Wh is counted either in a time of use (TOU) register or in a block. A meter on a block tariff
has one TOU rate and counts each Wh in a block of that rate. The block depends on the consumption in
the calendar year (UTC), in the first year on that since installation. The counters themselves
continue from year to year, so TOU registers and blocks always sum to the import register.

Source: SMETS2 5.7.5 (blocks); thresholds per calendar year are assumed.
"""

from dataclasses import dataclass
from functools import lru_cache

from esme_emulator.device.energy import Register, cached_if_drawn, total
from esme_emulator.device.model import Meter
from gbcs.instants import DAY, EPOCH, to_datetime


def year_of(instant: int) -> int:
    """Return the calendar year of `instant`."""
    return to_datetime(instant).year


@lru_cache(maxsize=512)
def year_start(year: int) -> int:
    """Return the instant at which `year` begins."""
    return (EPOCH.replace(year=year) - EPOCH).days * DAY


def month_start(instant: int) -> int:
    """Return the instant at which the month of `instant` begins."""
    when = to_datetime(instant)
    return instant // DAY * DAY - (when.day - 1) * DAY


def months_until(instant: int, number: int) -> list[int]:
    """Return the beginnings of the `number` months up to `instant`, oldest first."""
    starts: list[int] = []
    while len(starts) < number and instant >= 0:
        start = month_start(instant)
        starts.append(start)
        instant = start - 1
    return starts[::-1]


PENCE = 1000
POUNDS = 100_000

TOU_PRICES = (
    24_500,  # 24.50p: Ofgem, price cap of October to December 2024, the only or the day rate
    14_000,  # 14p: the night rate of an Economy 7 tariff. Assumed.
)
"""Price of a kWh in the first TOU registers; the others are unused."""

BLOCK_PRICES = (24_500, 22_000, 20_000, 18_000)
"""Price of a kWh in each block: the price cap's in the first, then falling. Assumed."""

STANDING_CHARGE = 25 * PENCE
"""Per day. Assumed: the price cap's 60.99p exceeds 16 bits at the scale of the vectors."""

TOP_UP_STEP = 5 * POUNDS
"""Credit is bought in multiples of £5. Assumed."""
LEAST_CREDIT, MOST_CREDIT = 5 * POUNDS, 30 * POUNDS
"""Range of the usual credit of a household after a top-up. Assumed."""
TOP_UP_DAYS = 7
"""Days between top-ups. Assumed."""
TOP_UP_OPENS, TOP_UP_CLOSES = 8, 20
"""Hours of the day (UTC) between which households top up. Assumed."""

EMERGENCY_CREDIT = 10 * POUNDS
"""Limit of emergency credit. Assumed, as suppliers offer £5 to £15."""
EMERGENCY_THRESHOLD = 1 * POUNDS
"""Meter balance below which emergency credit is offered, as in ECS26a_4.13_SINGLE_SUCCESS."""
LOW_CREDIT = 5 * POUNDS
"""Meter balance below which the meter warns, as in ECS26a_4.13_SINGLE_SUCCESS."""
DISABLEMENT = 0
"""Meter balance at which supply would end without the non-disablement calendar."""
MOST_TOP_UP, MOST_BALANCE = 1_000 * POUNDS, 2_000 * POUNDS
"""Limits of one top-up and of the meter balance. Assumed, well above actual top-ups."""

RECOVERY_CAP, RECOVERY_CAP_PERIOD = 10_000, 604_800
"""Cap of payment based recovery and its period in seconds, as in ECS26a_4.13_SINGLE_SUCCESS.
Its unit is not known; it is assumed never to bind."""


@dataclass(frozen=True, slots=True)
class Debt:
    """A kind of debt: one in `one_in` prepayment meters has it. All assumed."""

    one_in: int
    least: int
    most: int
    recovery: int
    """Per day for a time debt; in hundredths of a percent of a top-up for a payment debt."""


TIME_DEBTS = (
    Debt(3, 20 * POUNDS, 300 * POUNDS, 5 * PENCE),
    Debt(5, 20 * POUNDS, 200 * POUNDS, 6 * PENCE),
)
"""Recovered by a constant amount each midnight; rates as in ECS26a_4.13_SINGLE_SUCCESS."""
PAYMENT_DEBT = Debt(1, 500 * POUNDS, 2_000 * POUNDS, 500)
"""Recovered by 5% of each top-up, so over many years: households with arrears owe such sums."""


def tou_prices(meter: Meter) -> tuple[int, ...]:
    """Return the price of a kWh in each TOU register in use, from the first."""
    return TOU_PRICES if meter.prices is None else meter.prices


def block_prices(meter: Meter) -> tuple[int, ...]:
    """Return the price of a kWh in each block."""
    return BLOCK_PRICES if meter.prices is None else meter.prices


def standing_charge(meter: Meter) -> int:
    """Return the standing charge of a day."""
    return STANDING_CHARGE if meter.standing_charge is None else meter.standing_charge


def block_counters(meter: Meter, instant: int) -> tuple[int, ...]:
    """Return the Wh in each block from installation to `instant`."""
    before = _before_year(meter, instant)
    this_year = total(meter.primary, meter.installed, instant) - sum(before)
    return _add(before, _divide(this_year, meter.block_thresholds))


def block_counters_of_year(meter: Meter, instant: int) -> tuple[int, ...]:
    """Return the Wh in each block since the calendar year of `instant` began."""
    this_year = total(meter.primary, meter.installed, instant) - sum(_before_year(meter, instant))
    return _divide(this_year, meter.block_thresholds)


def current_block(meter: Meter, instant: int) -> int:
    """Return the block, from 0, that a Wh at `instant` is counted in."""
    this_year = sum(block_counters_of_year(meter, instant))
    return sum(threshold <= this_year for threshold in meter.block_thresholds)


def _before_year(meter: Meter, instant: int) -> tuple[int, ...]:
    year = year_of(max(instant, meter.installed * DAY))
    return _closed_years(meter.primary, meter.installed, meter.block_thresholds, year)


@cached_if_drawn(65_536)
def _closed_years(
    series: Register, installed: int, thresholds: tuple[int, ...], year: int
) -> tuple[int, ...]:
    """Return the Wh in each block when `year` begins."""
    if year_start(year) <= installed * DAY:
        return (0,) * (len(thresholds) + 1)
    before = _closed_years(series, installed, thresholds, year - 1)
    last_year = total(series, installed, year_start(year)) - sum(before)
    return _add(before, _divide(last_year, thresholds))


def _divide(energy: int, thresholds: tuple[int, ...]) -> tuple[int, ...]:
    """Split the `energy` of a year into blocks."""
    edges = (0, *thresholds)
    return tuple(
        max(0, min(energy, upper) - lower)
        for lower, upper in zip(edges, (*thresholds, energy), strict=True)
    )


def _add(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(sum, zip(one, other, strict=True)))
