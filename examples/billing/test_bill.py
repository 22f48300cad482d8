"""A customer's CSV, billed to the penny: from messages of the meter, and from the file alone."""

import csv
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gbcs.tables.reading_services import service_of
from gbcs.usecases.values import plain, values_of

FIRST, DAYS = date(2026, 1, 1), 31
MONTH = ("2026-01-01", "2026-02-01")
START = {1: 104_250, 2: 88_000}

pytestmark = pytest.mark.esme(fleet="customer.toml", now="2026-02-01T12:00:00Z")


def energies():
    """Return the Wh of each half hour in the file, by its beginning."""
    with (Path(__file__).parent / "customer.csv").open() as file:
        return {
            datetime.fromisoformat(row["start"].replace("Z", "+00:00")): int(
                1000 * Decimal(row["import_kwh"])
            )
            for row in csv.DictReader(file)
        }


def by_register():
    """Return the Wh of each tariff register in the file: night is before 07:00."""
    sums = defaultdict(int)
    for begin, energy in energies().items():
        sums[2 if begin.hour < 7 else 1] += energy
    return sums


def pounds_of(wh, prices, days):
    """Return a bill from Wh and pence, in pounds and whole pence."""
    pence = sum(Decimal(wh[register]) / 1000 * prices[register] for register in wh)
    return round((pence + days * prices["standing"]) / 100, 2)


async def read_prices(party, meter):
    """Return the prices that the meter gives in reply to SRV 4.11.1, in pence."""
    command, octets = party.remote.ask(meter.eui, service_of("4.11.1", "single"), None)
    reply = await party.request(command, octets, via="direct")
    found = {item.name: plain(item.data) for item in values_of(reply.response)}
    (_, exponent), _, charges = found["Standing charge: unit_charge_active"]
    standing = Decimal(charges[0][1]).scaleb(exponent + 2)  # pounds to pence
    (_, exponent), _, charges = found["Tariff block and TOU price matrix: unit_charge_active"]
    prices = {n: Decimal(charges[n - 1][1]).scaleb(exponent + 2) for n in (1, 2)}
    return {**prices, "standing": standing}


async def test_half_hours_are_those_of_the_file(esme_party, esme_meter):
    reading = await esme_party.supplier.read(esme_meter, "4.8.1", MONTH, via="direct")
    assert [row["primary"] for row in reading.rows] == list(energies().values())


async def test_a_bill_to_the_penny(esme_party, esme_meter):
    supplier = esme_party.supplier
    daily = await supplier.read(esme_meter, "4.6.1", ("2026-01-02", "2026-02-01"), via="direct")
    last = daily.rows[-1]
    used = {register: last["tou"][register - 1] - START[register] for register in (1, 2)}
    prices = await read_prices(supplier, esme_meter)
    assert prices == {1: Decimal("30.25"), 2: Decimal("12.5"), "standing": Decimal("60.99")}
    assert used == by_register()
    assert last["import"] == sum(START.values()) + sum(energies().values())

    independent = pounds_of(by_register(), {1: Decimal("30.25"), 2: Decimal("12.5"),
                                            "standing": Decimal("60.99")}, DAYS)  # fmt: skip
    assert pounds_of(used, prices, DAYS) == independent


async def test_nothing_exists_before_installation(esme_party, esme_meter):
    before = (str(FIRST - timedelta(20)), str(FIRST))
    reading = await esme_party.supplier.read(esme_meter, "4.8.1", before, via="direct")
    assert reading.rows == []
