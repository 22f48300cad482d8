"""The account of a meter: cost, top-ups, debts and balances, as functions of time.

In prepayment mode a household buys credit every seventh day: the least multiple of £5 that brings
its credit up to its usual amount. The sum of all top-ups until an instant follows from the cost
until then, so no history is replayed.

Debts exist from installation. Time debts shrink by a constant amount each midnight until they are
paid. The payment debt shrinks by a share of each top-up. Before a top-up that would clear it, the
supplier adds another debt of the same size, so that each top-up has an entry in the log of debt
payments. The true balance

    bought - payment debt recovered - cost - time debts recovered

is the meter balance while it is positive, then the emergency credit used, and beyond the limit of
emergency credit the accumulated debt. Supply never ends, since the non-disablement calendar covers
every hour.

In credit mode there are no debts and no credit. The meter balance is minus the cost since the month
began, when the supplier resets it.

Source: SMETS2 5.7.5 for the registers; the behaviour of households is assumed.
"""

from dataclasses import dataclass

from esme_emulator.device import tariff
from esme_emulator.device.energy import SECONDARY_TOU_REGISTERS, TOU_REGISTERS, by_tariff, grown
from esme_emulator.device.model import Meter
from esme_emulator.device.tariff import block_counters, month_start
from esme_emulator.profiles import ProfileError
from gbcs.instants import DAY

_HOUR, _MINUTE = 3600, 60
_ALL = 10_000  # hundredths of a percent
_MOST_BALANCE = 2**31 - 1
"""In thousandths of a penny: a message gives balances as 32 bits with a sign."""


@dataclass(frozen=True, slots=True)
class Balances:
    """The balances of a meter at one instant, in thousandths of a penny."""

    meter_balance: int
    emergency_credit_balance: int
    payment_debt: int
    time_debts: tuple[int, int]
    accumulated_debt: int


@dataclass(frozen=True, slots=True)
class Payment:
    """A top-up: time in seconds since 2000, amount, and the part that paid off debt."""

    time: int
    amount: int
    debt: int


def prepays(meter: Meter) -> bool:
    """Return whether a meter is in prepayment mode."""
    return meter.profile.payment == "prepayment"


def _tops_up(meter: Meter) -> bool:
    """Return whether a household tops up: in prepayment mode, unless the balance is data."""
    return prepays(meter) and meter.balance is None


def cost(meter: Meter, instant: int) -> int:
    """Return the cost of energy, rounded down, and standing charge from installation on."""
    days = instant // DAY - meter.installed
    if days < 0:
        return 0
    energy = _energy_cost(meter, instant)
    if meter.primary.start or (meter.secondary is not None and meter.secondary.start):
        energy -= _energy_cost(meter, meter.installed * DAY)  # registers begin above 0
    return energy // 1000 + days * tariff.standing_charge(meter)


def _energy_cost(meter: Meter, instant: int) -> int:
    """Return the cost of the energy in all tariff registers and blocks, in 10^-6 pence."""
    millionths = 0
    if meter.block_thresholds:
        blocks = block_counters(meter, instant)
        millionths += _priced(blocks, tariff.block_prices(meter))
    else:
        sums = grown(meter.primary, meter.installed, instant)
        millionths += _priced(
            by_tariff(sums, meter.tariff, TOU_REGISTERS), tariff.tou_prices(meter)
        )
    if meter.secondary is not None:
        sums = grown(meter.secondary, meter.installed, instant)
        tou = by_tariff(sums, meter.tariff, SECONDARY_TOU_REGISTERS)
        millionths += _priced(tou, tariff.tou_prices(meter))
    return millionths


def _priced(energies: tuple[int, ...], by_register: tuple[int, ...]) -> int:
    return sum(energy * price for energy, price in zip(energies, by_register, strict=False))


def balances(meter: Meter, instant: int) -> Balances:
    """Return the balances at `instant`; before installation they are 0."""
    if instant < meter.installed * DAY:
        return Balances(0, 0, 0, (0, 0), 0)
    if meter.balance is not None:
        return _own_balances(meter, meter.balance - cost(meter, instant))
    if not prepays(meter):
        before = cost(meter, month_start(instant))
        return Balances(before - cost(meter, instant), 0, 0, (0, 0), 0)
    bought = bought_until(meter, week_of(meter, instant))
    truth = (
        bought
        - payment_debt_recovered(bought)
        - cost(meter, instant)
        - _time_recovered(meter, instant)
    )
    days = instant // DAY - meter.installed
    first, second = time_debts(meter)
    return Balances(
        **_split(truth),
        payment_debt=payment_debt_left(meter, bought),
        time_debts=(first - _recovered(meter, 0, days), second - _recovered(meter, 1, days)),
    )


def _own_balances(meter: Meter, truth: int) -> Balances:
    """Return the balances of a meter whose balance is data: it has no debts.

    Raises `ProfileError` if the balance does not fit into a message.
    """
    if not -_MOST_BALANCE <= truth <= _MOST_BALANCE:
        raise ProfileError(
            f"balance: it is {truth / tariff.POUNDS:.2f} pounds by now, and a message holds "
            f"{_MOST_BALANCE / tariff.POUNDS:.2f} at most"
        )
    if prepays(meter):
        return Balances(**_split(truth), payment_debt=0, time_debts=(0, 0))
    return Balances(truth, 0, 0, (0, 0), 0)


def _split(truth: int) -> dict[str, int]:
    """Return the balances that make up the true balance."""
    used = min(max(-truth, 0), tariff.EMERGENCY_CREDIT)
    return {
        "meter_balance": max(truth, 0),
        "emergency_credit_balance": tariff.EMERGENCY_CREDIT - used,
        "accumulated_debt": max(-truth - tariff.EMERGENCY_CREDIT, 0),
    }


def payment_debt(meter: Meter) -> int:
    """Return the size of each payment debt; the first exists from installation."""
    return _debt(meter, tariff.PAYMENT_DEBT, "payment-debt")


def time_debts(meter: Meter) -> tuple[int, int]:
    """Return the time debts at installation."""
    first, second = tariff.TIME_DEBTS
    return _debt(meter, first, "time-debt-1"), _debt(meter, second, "time-debt-2")


def _debt(meter: Meter, debt: tariff.Debt, purpose: str) -> int:
    if not _tops_up(meter) or meter.draw(purpose) % debt.one_in:
        return 0
    return meter.draw_between(purpose, 1, debt.least, debt.most)


def _time_recovered(meter: Meter, instant: int) -> int:
    days = instant // DAY - meter.installed
    return _recovered(meter, 0, days) + _recovered(meter, 1, days)


def _recovered(meter: Meter, number: int, days: int) -> int:
    """Return the recovered part of a time debt after `days` midnights."""
    return min(time_debts(meter)[number], days * tariff.TIME_DEBTS[number].recovery)


def payment_debt_recovered(bought: int) -> int:
    """Return the recovered part of all payment debts after top-ups of `bought` in all."""
    return bought * tariff.PAYMENT_DEBT.recovery // _ALL


def payment_debt_left(meter: Meter, bought: int) -> int:
    """Return the payment debt after top-ups of `bought`; never 0 in prepayment mode."""
    size = payment_debt(meter)
    return size - payment_debt_recovered(bought) % size


def week_of(meter: Meter, instant: int) -> int:
    """Return the number of the last top-up until `instant`, from 0; -1 before the first."""
    week = (instant // DAY - meter.installed) // tariff.TOP_UP_DAYS
    return week if week < 0 or top_up_time(meter, week) <= instant else week - 1


def top_up_time(meter: Meter, week: int) -> int:
    """Return the time of the `week`-th top-up, a whole minute."""
    minutes = (tariff.TOP_UP_CLOSES - tariff.TOP_UP_OPENS) * 60
    day = meter.installed + week * tariff.TOP_UP_DAYS
    minute = meter.draw("top-up-time", week) % minutes
    return day * DAY + tariff.TOP_UP_OPENS * _HOUR + minute * _MINUTE


def bought_until(meter: Meter, week: int) -> int:
    """Return the sum of all top-ups up to the `week`-th: a multiple of £5.

    It is the least that leaves the household its usual credit after debts are paid.
    """
    if week < 0 or not _tops_up(meter):
        return 0
    instant = top_up_time(meter, week)
    usual = meter.draw_between("credit", 0, tariff.LEAST_CREDIT, tariff.MOST_CREDIT)
    needed = cost(meter, instant) + _time_recovered(meter, instant) + usual
    kept = _ALL - tariff.PAYMENT_DEBT.recovery
    gross = -(-needed * _ALL // kept)
    return -(-gross // tariff.TOP_UP_STEP) * tariff.TOP_UP_STEP


def payment(meter: Meter, week: int) -> Payment:
    """Return the `week`-th top-up; its amount is 0 if the household had enough credit."""
    before, after = bought_until(meter, week - 1), bought_until(meter, week)
    debt = payment_debt_recovered(after) - payment_debt_recovered(before)
    return Payment(top_up_time(meter, week), after - before, debt)


def last_payments(meter: Meter, instant: int, number: int) -> list[Payment]:
    """Return the last `number` top-ups until `instant`, oldest first."""
    # The standing charge alone needs a top-up every three weeks, so the loop is short.
    found: list[Payment] = []
    week = week_of(meter, instant)
    while _tops_up(meter) and week >= 0 and len(found) < number:
        item = payment(meter, week)
        if item.amount:
            found.append(item)
        week -= 1
    return found[::-1]
