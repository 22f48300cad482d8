"""Meters of a fleet file, read by messages: every value follows from the CSV that the test writes.

A half hour is counted from the beginning of the data. The expected values are sums of the energies
below, computed here, and never by the meter.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esme_emulator.estate.parties import RemoteParty
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.profiles import built, read_fleet
from esme_emulator.profiles.latency import NONE
from gbcs import EUI, Message, authenticate, decode
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR, parse_iso, to_iso
from gbcs.tables.reading_services import service_of
from gbcs.tables.roles import Role, entitled
from gbcs.usecases.profile_read import Row, Window
from gbcs.usecases.values import Reading, plain, values_of
from tests.support.estate import ESTATE, KEYS, SEED, party

BEGIN = parse_iso("2026-01-01")
DAYS, SLOTS = 6, 48
DAY_3 = BEGIN + 3 * DAY
"""Installation: everything before it is in the CSV, and nowhere else."""
FIRST, LAST = 3 * SLOTS, DAYS * SLOTS
NOW = BEGIN + 5 * DAY + 20 * HALF_HOUR + HALF_HOUR // 2
"""A quarter of an hour into half hour 20 of the last day."""
RUNNING = (NOW - BEGIN) // HALF_HOUR
AGO = Window(BEGIN - 9 * DAY, BEGIN + 9 * DAY)

GAPS = {
    "import": range(FIRST + 60, FIRST + 64),
    "secondary": range(FIRST + 62, FIRST + 70),
    "export": range(FIRST + 7, FIRST + 9),
    "reactive_import": range(FIRST + 11, FIRST + 13),
    "reactive_export": range(FIRST + 8, FIRST + 12),
}
"""Half hours without data."""

Energies = dict[int, int]


def energies(channel: str) -> Energies:
    """Return Wh or varh by half hour, other ones for each channel, without the gaps."""
    salt = 37 * [*GAPS].index(channel)
    found = {n: (131 * n + 17 * n * n + salt) % 997 for n in range(LAST)}
    return {n: energy for n, energy in found.items() if n not in GAPS[channel]}


def night(n: int) -> bool:
    return n % SLOTS < 14


def day(n: int) -> bool:
    return not night(n)


def always(_: int) -> bool:
    return True


def register(channel: str, until: int = LAST, when: Callable[[int], bool] = always) -> int:
    """Return the energy from installation to half hour `until`."""
    return sum(e for n, e in energies(channel).items() if FIRST <= n < until and when(n))


def current(channel: str, when: Callable[[int], bool] = always) -> int:
    """Return the register at `NOW`, with half of the running half hour."""
    half = energies(channel)[RUNNING] // 2 if when(RUNNING) else 0
    return register(channel, RUNNING, when) + half


METERS = dict(zip(("twin", "solar", "prepayment", "credit"), ESTATE.meters, strict=False))

FLEET = f"""
[[meter]]
eui = "{METERS["twin"]}"
profile = "twin"
csv = {{ import = "import.csv", secondary = "secondary.csv" }}
installed = 2026-01-04
switching = {{ "00:00" = 2, "07:00" = 1 }}
prices = [30.125, 12.5]
standing_charge = 60.99
registers = {{ import = [1001, 2003], secondary = [10, 20] }}
balance = 3

[[meter]]
eui = "{METERS["solar"]}"
profile = "single-solar"
csv = "all.csv"
installed = 2026-01-04
registers = {{ export = [5000], reactive_import = [70], reactive_export = [9] }}

[[meter]]
eui = "{METERS["prepayment"]}"
profile = "single-prepayment"
csv = "import.csv"
installed = 2026-01-04
prices = [30.125]
standing_charge = 60.99
balance = BALANCE

[[meter]]
eui = "{METERS["credit"]}"
csv = "import.csv"
installed = 2026-01-04
prices = [30.125]
standing_charge = 60.99
registers = {{ import = [3] }}
balance = -12.34
"""


def at(n: int) -> str:
    return to_iso(BEGIN + n * HALF_HOUR)


def fleet_of(folder: Path, balance: float = 50) -> Fleet:
    """Write the fleet file with its CSV files, and return its meters."""
    for name in ("import", "secondary"):
        rows = "".join(f"{at(n)},{energy}\n" for n, energy in energies(name).items())
        (folder / f"{name}.csv").write_text("start,energy_wh\n" + rows)
    names = ("import", "export", "reactive_import", "reactive_export")
    columns = [energies(name) for name in names]
    rows = "".join(
        f"{at(n)},{','.join(str(each.get(n, '')) for each in columns)}\n" for n in range(LAST)
    )
    header = "start,import_wh,export_wh,reactive_import_varh,reactive_export_varh\n"
    (folder / "all.csv").write_text(header + rows)
    (folder / "fleet.toml").write_text(FLEET.replace("BALANCE", str(balance)))
    return Fleet(ESTATE.meters, KEYS, SEED, NONE, profiles=read_fleet(folder / "fleet.toml"))


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return fleet_of(tmp_path)


def read(
    fleet: Fleet, kind: str, srv: str, now: int = NOW, window: Window = AGO
) -> tuple[Reading, ...]:
    """Send the command of a party that may send it, and return the values of the reply."""
    service = service_of(srv, "twin" if kind == "twin" else "single")
    role = next(role for role in (Role.IS, Role.ES) if role in entitled(srv))
    reader: RemoteParty = party(role)
    meter: EUI = METERS[kind]
    _, octets = reader.ask(meter, service, window if service.windowed else None)
    reply = fleet.receive(meter, octets, float(now + EPOCH_UNIX)).reply
    assert reply is not None
    response = decode(reply, KEYS)
    assert isinstance(response, Message)
    authenticate(response)
    values = values_of(response)
    assert not any(value.code for value in values)
    return values


def rows(*args: Any, **options: Any) -> list[Row]:
    [reading] = read(*args, **options)
    assert reading.rows is not None
    return reading.rows


def fields(*args: Any, **options: Any) -> dict[str, Any]:
    [reading] = read(*args, **options)
    assert reading.fields is not None
    return {name: value for name, value in reading.fields.items() if not name.endswith("unit")}


def named(*args: Any, **options: Any) -> dict[str, Any]:
    found = {item.name: plain(item.data) for item in read(*args, **options) if item.data}
    return {name: value for name, value in found.items() if "scaler" not in name}


def half_hours(*channels: str, until: int) -> list[tuple[int, ...]]:
    """Return the end and the energies of each half hour that has all of them."""
    columns = [energies(channel) for channel in channels]
    return [
        (BEGIN + (n + 1) * HALF_HOUR, *(each[n] for each in columns))
        for n in range(FIRST, until)
        if all(n in each for each in columns)
    ]


@pytest.mark.parametrize(
    ("kind", "srv", "columns", "channels"),
    [
        ("twin", "4.8.1", ("primary", "secondary"), ("import", "secondary")),
        ("solar", "4.8.1", ("primary",), ("import",)),
        ("solar", "4.8.2", ("reactive_import",), ("reactive_import",)),
        ("solar", "4.8.3", ("active_export", "reactive_export"), ("export", "reactive_export")),
    ],
)
def test_half_hours_are_those_of_the_file_from_installation_on_without_its_gaps(
    kind: str, srv: str, columns: tuple[str, ...], channels: tuple[str, ...], fleet: Fleet
) -> None:
    found = [tuple(row[name] for name in ("time", *columns)) for row in rows(fleet, kind, srv)]
    assert found == half_hours(*channels, until=RUNNING)
    assert len(found) < RUNNING - FIRST, "the data has gaps"
    assert rows(fleet, kind, srv, now=BEGIN + 30 * DAY) == rows(
        fleet, kind, srv, now=BEGIN + DAYS * DAY
    ), "nothing exists after the data"


def test_registers_of_both_elements_are_sums_of_the_file(fleet: Fleet) -> None:
    found = fields(fleet, "twin", "4.1.1")
    assert found["import"] == 1001 + 2003 + current("import")
    assert found["secondary_import"] == 10 + 20 + current("secondary")
    assert found["reactive_import"] == 0
    found = fields(fleet, "twin", "4.1.2")
    assert found["tou"][:3] == (1001 + current("import", day), 2003 + current("import", night), 0)
    assert found["secondary_tou"] == (
        *(10 + current("secondary", day), 20 + current("secondary", night)),
        *(0, 0),
    )


def test_registers_of_export_and_reactive_energy_are_sums_of_the_file(fleet: Fleet) -> None:
    found = named(fleet, "solar", "4.2")
    assert [*found.values()] == [5000 + current("export"), 9 + current("reactive_export")]
    assert fields(fleet, "solar", "4.1.1") == {
        "import": current("import"),
        "reactive_import": 70 + current("reactive_import"),
    }


def test_daily_reads_are_registers_of_the_file(fleet: Fleet) -> None:
    midnights = [(BEGIN + d * DAY, d * SLOTS) for d in (4, 5)]
    assert [(row["time"], row["export"]) for row in rows(fleet, "solar", "4.6.2")] == [
        (time, 5000 + register("export", n)) for time, n in midnights
    ]
    found = rows(fleet, "twin", "4.6.1")
    assert [row["time"] for row in found] == [time for time, _ in midnights]
    for row, (_, n) in zip(found, midnights, strict=True):
        assert row["import"] == 3004 + register("import", n)
        assert row["secondary_import"] == 30 + register("secondary", n)
        assert row["tou"][:2] == (
            1001 + register("import", n, day),
            2003 + register("import", n, night),
        )
        assert row["secondary_tou"][1] == 20 + register("secondary", n, night)
    consumed = [row["consumption"] for row in rows(fleet, "twin", "4.17")]
    sums = [register("import", d * SLOTS) + register("secondary", d * SLOTS) for d in (3, 4, 5)]
    assert consumed == [sums[1] - sums[0], sums[2] - sums[1]]


def test_the_maximum_demand_of_export_is_the_highest_half_hour_of_the_file(fleet: Fleet) -> None:
    found = [*named(fleet, "solar", "4.12.2").values()]
    most = max(e for n, e in energies("export").items() if FIRST <= n < RUNNING)
    assert 2 * most in found


def cost(energy: int, until: int = NOW, price: int = 30_125) -> int:
    """Return the cost of Wh at one price and of the days, in thousandths of a penny."""
    return energy * price // 1000 + (until - DAY_3) // DAY * 60_990


@pytest.mark.parametrize("balance", [50, 10.07, 0, -9.5])
def test_a_prepayment_balance_is_that_of_the_file_less_all_cost(
    balance: float, tmp_path: Path
) -> None:
    fleet = fleet_of(tmp_path, balance)

    def expected(energy: int, until: int) -> dict[str, int]:
        truth = round(balance * 100_000) - cost(energy, until)
        return {
            "meter_balance": max(truth, 0),
            "emergency_credit_balance": 1_000_000 - min(max(-truth, 0), 1_000_000),
            "accumulated_debt": max(-truth - 1_000_000, 0),
            **dict.fromkeys(("time_debt_1", "time_debt_2", "payment_debt"), 0),
        }

    now = expected(current("import"), NOW)
    assert fields(fleet, "prepayment", "4.3") == now
    assert [*named(fleet, "prepayment", "4.18").values()] == [now["meter_balance"]]
    assert rows(fleet, "prepayment", "4.14") == [
        {"time": time, **expected(register("import", d * SLOTS), time)}
        for d, time in ((4, BEGIN + 4 * DAY), (5, BEGIN + 5 * DAY))
    ]
    for srv in ("4.4.4", "4.4.5"):
        assert rows(fleet, "prepayment", srv) == [], "a balance of the file has no top-ups"


def test_a_credit_balance_is_that_of_the_file_less_all_cost(fleet: Fleet) -> None:
    """The energy at installation costs nothing, however it rounds."""
    for n in range(FIRST, FIRST + 40):
        [found] = named(fleet, "credit", "4.18", now=BEGIN + n * HALF_HOUR).values()
        assert found == -1_234_000 - cost(register("import", n), DAY_3)


def test_a_balance_that_no_message_holds_is_named() -> None:
    curve = {"start": "2026-01-04", "values": {"import": [10**9]}}
    own = {"half_hours": curve, "installed": "2026-01-04", "balance": 0}
    meters = built({str(METERS["credit"]): own})
    fleet = Fleet(ESTATE.meters, KEYS, SEED, NONE, profiles=meters)
    _, octets = party(Role.IS).ask(METERS["credit"], service_of("4.18", "single"), None)
    receipt = fleet.receive(METERS["credit"], octets, float(NOW + EPOCH_UNIX))
    assert receipt.reply is None
    assert receipt.reason == (
        "balance: it is -245000.50 pounds by now, and a message holds 21474.84 at most"
    )


def test_each_element_is_billed_by_its_tariff_registers(fleet: Fleet) -> None:
    both = {
        price: current("import", when) + current("secondary", when)
        for price, when in ((30_125, day), (12_500, night))
    }
    energy = sum(price * energy for price, energy in both.items()) // 1000
    [found] = named(fleet, "twin", "4.18").values()
    assert found == 300_000 - energy - 2 * 60_990
    # at the end of the month: registers and balances of the billing calendar
    registers, balances = read(
        fleet, "twin", "4.4.3", BEGIN + 32 * DAY, Window(BEGIN, BEGIN + 40 * DAY)
    )
    assert registers.rows is not None
    assert balances.rows is not None
    [(row, account)] = zip(registers.rows, balances.rows, strict=True)
    assert row["time"] == account["time"] == parse_iso("2026-02-01")
    assert row["import"] == 3004 + register("import")
    assert row["secondary_import"] == 30 + register("secondary")
    sums = {
        price: register("import", when=when) + register("secondary", when=when)
        for price, when in ((30_125, day), (12_500, night))
    }
    energy = sum(price * energy for price, energy in sums.items()) // 1000
    assert account["meter_balance"] == 300_000 - energy - 28 * 60_990


@pytest.mark.parametrize("kind", [*METERS])
def test_nothing_exists_before_installation(kind: str, fleet: Fleet) -> None:
    """Although the files begin three days before."""
    before = DAY_3 - 1
    logs = ("4.4.2", "4.4.4", "4.4.5", "4.6.1", "4.6.2", "4.8.1", "4.8.2", "4.8.3", "4.14", "4.17")
    for srv in logs:
        assert rows(fleet, kind, srv, now=before) == [], srv
    assert all(value == 0 for value in fields(fleet, kind, "4.1.1", now=before).values())
    assert all(value == 0 for value in fields(fleet, kind, "4.3", now=before).values())
    for srv in ("4.2", "4.18"):
        assert all(value == 0 for value in named(fleet, kind, srv, now=before).values())
