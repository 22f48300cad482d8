"""Prices, charges and terms of payment.

Money is in thousandths of a penny (10^-5 GBP), as in the vectors; prices are per kWh. Prices are
assumed to be constant for the life of a meter, so the cost of energy is a sum of registers.
"""

from dataclasses import dataclass

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
