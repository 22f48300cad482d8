"""The account agrees with the registers, the logs and itself at every instant."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esme_emulator.device import tariff
from esme_emulator.device.account import (
    Balances,
    balances,
    bought_until,
    cost,
    last_payments,
    payment,
    payment_debt,
    payment_debt_recovered,
    prepays,
    time_debts,
    top_up_time,
    week_of,
)
from esme_emulator.device.logs import (
    billing_dates,
    billing_row,
    buffer,
    registers_row,
    tariff_changes,
)
from esme_emulator.device.meter import value_of
from esme_emulator.device.model import Meter, meter_of
from esme_emulator.device.tariff import month_start
from gbcs import EUI
from gbcs.dlms.data import Data
from gbcs.instants import DAY, MAX_INSTANT
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import OTHER_LOGS, PROFILE_LOGS, ProfileLog
from gbcs.tables.reading_services import FIELDS
from gbcs.usecases.read_request import Attribute, Window
from gbcs.usecases.rows import Row, rows_of
from gbcs.usecases.values import plain
from tests.emulator.device.meters import (
    KINDS,
    any_meters,
    in_credit_mode,
    instants,
    moments,
    prepaying,
)

PREPAYING = KINDS["single-prepayment"]
EVER = Window(0, MAX_INSTANT)
WEEK = tariff.TOP_UP_DAYS * DAY


def log_of(srv: str, number: int = 0) -> ProfileLog:
    return [log for log in (*PROFILE_LOGS, *OTHER_LOGS) if log.srv == srv][number]


def rows(meter: Meter, log: ProfileLog, now: int, window: Window = EVER) -> list[Row]:
    return rows_of(log, buffer(meter, log, window, now))


def truth(said: Balances) -> int:
    """Return the true balance; valid only while emergency credit is in use."""
    used = tariff.EMERGENCY_CREDIT - said.emergency_credit_balance
    return said.meter_balance - used - said.accumulated_debt


@given(any_meters, moments, st.one_of(st.integers(0, 2 * DAY), st.integers(0, 900 * DAY)))
def test_cost_only_grows_and_follows_from_the_registers(
    meter: Meter, instant: int, later: int
) -> None:
    assert cost(meter, instant) <= cost(meter, instant + later)
    row = registers_row(meter, instant)
    tou, blocks = row[-5 if meter.secondary is None else -6], row[-4:]
    thousandths = sum(a * b for a, b in zip(tou, tariff.TOU_PRICES, strict=False))
    thousandths += sum(
        block[0] * price for block, price in zip(blocks, tariff.BLOCK_PRICES, strict=True)
    )
    if meter.secondary is not None:
        thousandths += sum(a * b for a, b in zip(row[-5], tariff.TOU_PRICES, strict=False))
    days = max(instant // DAY - meter.installed, 0)
    assert cost(meter, instant) == thousandths // 1000 + days * tariff.STANDING_CHARGE


@given(prepaying, moments)
def test_balance_is_top_ups_less_cost_and_debts(meter: Meter, instant: int) -> None:
    instant = max(instant, meter.installed * DAY)
    said = balances(meter, instant)
    bought = bought_until(meter, week_of(meter, instant))
    paid = sum(time_debts(meter)) - sum(said.time_debts)
    recovered = payment_debt_recovered(bought)
    assert truth(said) == bought - recovered - paid - cost(meter, instant)
    assert (said.payment_debt + recovered) % payment_debt(meter) == 0
    assert 0 < said.payment_debt <= payment_debt(meter)
    assert said.meter_balance >= 0
    assert 0 <= said.emergency_credit_balance <= tariff.EMERGENCY_CREDIT
    assert said.accumulated_debt >= 0
    if said.meter_balance:
        assert said.emergency_credit_balance == tariff.EMERGENCY_CREDIT
    if said.accumulated_debt:
        assert said.emergency_credit_balance == 0


@given(prepaying, st.integers(0, 5000))
@example(PREPAYING, 0)
def test_top_ups_are_multiples_of_five_pounds_that_restore_the_usual_credit(
    meter: Meter, week: int
) -> None:
    bought = payment(meter, week)
    assert bought.amount % tariff.TOP_UP_STEP == 0
    assert 0 <= bought.amount <= tariff.MOST_TOP_UP
    assert 0 <= bought.debt <= bought.amount
    said = balances(meter, bought.time)
    assert tariff.LEAST_CREDIT <= said.meter_balance <= tariff.MOST_BALANCE
    if bought.amount:
        before = balances(meter, bought.time - 1)
        step = tariff.TOP_UP_STEP
        assert truth(said) - truth(before) <= bought.amount
        assert said.meter_balance < tariff.MOST_CREDIT + step


@given(prepaying, st.integers(0, 5000))
def test_top_ups_are_every_seven_days_at_opening_hours(meter: Meter, week: int) -> None:
    time = top_up_time(meter, week)
    assert time // DAY == meter.installed + 7 * week
    assert time % 60 == 0
    assert tariff.TOP_UP_OPENS <= time % DAY / 3600 < tariff.TOP_UP_CLOSES
    assert week_of(meter, time) == week
    assert week_of(meter, time - 1) == week - 1


@given(prepaying, moments, st.integers(0, 60 * DAY))
def test_debts_only_shrink_until_they_are_paid(meter: Meter, instant: int, later: int) -> None:
    """A payment debt that is almost paid is followed by one of the same size."""
    instant = max(instant, meter.installed * DAY)
    before, after = balances(meter, instant), balances(meter, instant + later)
    if after.payment_debt > before.payment_debt:
        paid = before.payment_debt + payment_debt(meter) - after.payment_debt
        assert before.payment_debt <= paid < payment_debt(meter)
    midnights = (instant + later) // DAY - instant // DAY
    for debt, one, other in zip(
        tariff.TIME_DEBTS, before.time_debts, after.time_debts, strict=True
    ):
        assert one - other == min(one, midnights * debt.recovery)


@given(prepaying, moments)
def test_logs_of_payments_explain_the_balances(meter: Meter, instant: int) -> None:
    instant = max(instant, meter.installed * DAY)
    credit, debts = log_of("4.4.5"), log_of("4.4.4")
    bought, served = rows(meter, credit, instant), rows(meter, debts, instant)
    assert len(bought) <= credit.depth == 5
    assert len(served) <= debts.depth == 10
    for row in (*bought, *served):
        assert meter.installed * DAY < row["time"] <= instant
        assert row["amount"] > 0
    if bought:
        since = bought[0]["time"]
        before, now = balances(meter, since - 1), balances(meter, instant)
        spent = cost(meter, instant) - cost(meter, since - 1)
        spent += sum(before.time_debts) - sum(now.time_debts)
        spent += sum(row["amount"] for row in served if row["time"] >= since)
        assert truth(now) == truth(before) + sum(row["amount"] for row in bought) - spent
    if served:
        before, now = balances(meter, served[0]["time"] - 1), balances(meter, instant)
        paid = sum(row["amount"] for row in served)
        added = payment_debt(meter) if paid >= before.payment_debt else 0
        assert before.payment_debt + added - now.payment_debt == paid
    else:
        assert balances(meter, instant).payment_debt == payment_debt(meter)


@settings(max_examples=25)
@given(prepaying, st.integers(0, 250 * WEEK))
def test_logs_of_payments_have_the_last_payments(meter: Meter, age: int) -> None:
    instant = meter.installed * DAY + age
    every = [payment(meter, week) for week in range(week_of(meter, instant) + 1)]
    assert last_payments(meter, instant, 5) == [item for item in every if item.amount][-5:]
    assert last_payments(meter, instant, 10) == [item for item in every if item.debt][-10:]


@given(any_meters, moments)
def test_the_collection_of_balances_has_the_order_of_its_fields(meter: Meter, now: int) -> None:
    collection = parse_dotted("0.0.94.44.34.30")
    value = value_of(meter, Attribute(1, collection, 2), now)
    assert isinstance(value, Data)
    said = balances(meter, now)
    assert dict(zip(FIELDS[1, collection, 2], plain(value), strict=True)) == {
        "meter_balance": said.meter_balance,
        "emergency_credit_balance": said.emergency_credit_balance,
        "accumulated_debt": said.accumulated_debt,
        "time_debt_1": said.time_debts[0],
        "time_debt_2": said.time_debts[1],
        "payment_debt": said.payment_debt,
    }


@given(prepaying, moments, st.integers(1, 30))
def test_debt_payments_are_a_part_of_credit(meter: Meter, instant: int, number: int) -> None:
    found = last_payments(meter, instant, number)
    assert len(found) <= number
    assert [item.time for item in found] == sorted({item.time for item in found})
    for item in found:
        assert item.debt == item.amount * tariff.PAYMENT_DEBT.recovery // 10_000 > 0


@given(prepaying, st.integers(0, 20 * 365 * DAY))
def test_a_prepayment_meter_paid_debt_in_the_last_month(meter: Meter, age: int) -> None:
    """Both logs of top-ups have entries in any month, and they agree."""
    now = (meter.installed + 31) * DAY + age
    month = Window(now - 31 * DAY, now)
    served = rows(meter, log_of("4.4.4"), now, month)
    bought = rows(meter, log_of("4.4.5"), now, month)
    assert served
    assert [row["time"] for row in served[-5:]] == [row["time"] for row in bought]
    for debt, credit in zip(served[-5:], bought, strict=True):
        assert debt["amount"] * 10_000 == credit["amount"] * tariff.PAYMENT_DEBT.recovery


@given(prepaying, st.integers(0, 20 * 365))
def test_the_debt_log_explains_the_daily_read_log(meter: Meter, day: int) -> None:
    """Between midnights the debt falls by the entries of the day, and rises by whole debts."""
    now = (meter.installed + 31 + day) * DAY
    served = rows(meter, log_of("4.4.4"), now)
    daily = rows(meter, log_of("4.14"), now)
    for before, after in pairwise(daily):
        paid = sum(row["amount"] for row in served if before["time"] < row["time"] <= after["time"])
        assert (before["payment_debt"] - after["payment_debt"] - paid) % payment_debt(meter) == 0


@given(any_meters, moments)
def test_the_prepayment_daily_read_log_has_the_balances_at_midnight(
    meter: Meter, instant: int
) -> None:
    found = rows(meter, log_of("4.14"), instant)
    assert len(found) <= 31
    for row in found:
        assert row == {
            "time": row["time"],
            **dict(zip(list(row)[1:], as_columns(balances(meter, row["time"])), strict=True)),
        }
        assert row["time"] % DAY == 0


def as_columns(said: Balances) -> tuple[int, ...]:
    return (
        said.emergency_credit_balance,
        said.meter_balance,
        said.payment_debt,
        *said.time_debts,
        said.accumulated_debt,
    )


@given(any_meters, moments)
def test_billing_logs_have_the_registers_and_balances_of_their_time(
    meter: Meter, instant: int
) -> None:
    registers, money = log_of("4.4.3"), log_of("4.4.3", 1)
    changes = log_of("4.4.2")
    assert registers.log != money.log
    read = rows(meter, registers, instant)
    assert [row["time"] for row in read] == billing_dates(meter, instant, 12)
    for row in read:
        assert tuple(flat(row, "blocks")) == registers_row(meter, row["time"])
        assert row["time"] == month_start(row["time"])
    for row in rows(meter, money, instant):
        assert tuple(row.values())[1:] == as_columns(balances(meter, row["time"]))
    changed = rows(meter, changes, instant)
    assert [row["time"] for row in changed] == tariff_changes(meter, instant, 12)
    for row in changed:
        assert tuple(flat(row, "blocks")) == billing_row(meter, row["time"])


def flat(row: Row, name: str) -> list[object]:
    """Return the columns of a row, with `name` expanded to its parts."""
    return [item for key, value in row.items() for item in (value if key == name else [value])]


@given(any_meters, moments)
def test_billing_and_tariff_dates_are_the_latest_before_now(meter: Meter, instant: int) -> None:
    for dates, most in (
        (billing_dates(meter, instant, 12), 12),
        (tariff_changes(meter, instant, 12), 12),
    ):
        assert len(dates) <= most
        assert dates == sorted(set(dates))
        assert all(meter.installed * DAY < date <= instant for date in dates)
        assert all(date % DAY == 0 for date in dates)
    if instant > (meter.installed + 366 * 14) * DAY:
        assert len(billing_dates(meter, instant, 12)) == 12
        assert len(tariff_changes(meter, instant, 12)) == 12
    for one, other in pairwise(tariff_changes(meter, instant, 12)):
        assert other - one < 731 * DAY


@given(any_meters, moments, st.integers(0, 40 * DAY))
def test_a_later_read_of_an_entry_gives_the_same(meter: Meter, instant: int, later: int) -> None:
    for log in OTHER_LOGS:
        if log.srv == "4.10" and log.log[2] != 32 and meter.phases == 1:
            continue
        window = Window(instant - 20 * DAY, instant)
        before = rows(meter, log, instant, window)
        after = rows(meter, log, instant + later, window)
        known = {row["time"]: row for row in before}
        assert all(known[row["time"]] == row for row in after)


@given(in_credit_mode, moments)
def test_in_credit_mode_the_balance_is_the_cost_of_the_month(meter: Meter, instant: int) -> None:
    assert not prepays(meter)
    instant = max(instant, meter.installed * DAY)
    start = max(month_start(instant), meter.installed * DAY)
    said = balances(meter, instant)
    assert said == Balances(cost(meter, start) - cost(meter, instant), 0, 0, (0, 0), 0)
    assert -(2**31) < said.meter_balance <= 0
    assert rows(meter, log_of("4.4.4"), instant) == rows(meter, log_of("4.4.5"), instant) == []


@given(any_meters, instants)
def test_balances_are_0_before_installation(meter: Meter, instant: int) -> None:
    instant = min(instant, meter.installed * DAY - 1)
    assert balances(meter, instant) == Balances(0, 0, 0, (0, 0), 0)
    assert cost(meter, instant) == 0
    assert [rows(meter, log, instant) for log in OTHER_LOGS] == [[]] * len(OTHER_LOGS)


@pytest.mark.parametrize("number", range(len(tariff.TIME_DEBTS)))
def test_only_some_meters_have_a_time_debt(number: int) -> None:
    debt = tariff.TIME_DEBTS[number]
    amounts = [time_debts(meter)[number] for meter in prepaying_fleet()]
    assert 0 in amounts
    assert all(debt.least <= amount <= debt.most for amount in amounts if amount)
    assert max(amounts) > 0


def test_every_prepayment_meter_has_a_payment_debt() -> None:
    amounts = [payment_debt(meter) for meter in prepaying_fleet()]
    assert all(
        tariff.PAYMENT_DEBT.least <= amount <= tariff.PAYMENT_DEBT.most for amount in amounts
    )
    assert len(set(amounts)) > 1


def prepaying_fleet() -> list[Meter]:
    return [meter_of("debts", EUI.from_int(number), (PREPAYING.profile,)) for number in range(60)]
