"""The largest loads that a profile may have: registers and balances do not overflow until 2100."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from esme_emulator.device.account import balances
from esme_emulator.device.energy import total
from esme_emulator.device.meter import Outcome, answer
from esme_emulator.device.model import INSTALLATION_DAYS, meter_of
from esme_emulator.estate.parties import SUPPLIER
from esme_emulator.profiles import HalfHours, LoadProfile, MeterProfile, Sun, meter_profile
from esme_emulator.profiles.schema import MOST_KWH, too_large
from gbcs.instants import DAY, EPOCH_UNIX, parse_iso
from gbcs.tables.reading_services import READING_SERVICES, TWIN
from gbcs.usecases.read_request import Window, reading_command
from tests.support.estate import KEYS, METER, SEED

END = parse_iso("2099-12-31T23:59:59Z")
U32, I32 = 1 << 32, 1 << 31

FLAT, ONE_SLOT = (1.0,) * 48, (1e9, *(0.0,) * 47)
NEXT_TO_NOTHING = (0.001, *(0.0,) * 47)
SHAPES = {
    "flat": HalfHours(FLAT, FLAT, FLAT, FLAT),
    "winter": HalfHours(ONE_SLOT, ONE_SLOT, NEXT_TO_NOTHING, NEXT_TO_NOTHING),
    "weekends of summer": HalfHours(NEXT_TO_NOTHING, NEXT_TO_NOTHING, NEXT_TO_NOTHING, ONE_SLOT),
    "sun": Sun(61.0, 2.0, 0.5),
}
SIZES = {
    "all alike": (MOST_KWH, 1.0, 0.3),
    "wide spread": (MOST_KWH / 100, 100.0, 1.0),
    "reactive": (MOST_KWH / 10, 1.0, 10.0),
}


def kinds() -> Iterator[object]:
    for shape_name, shape in SHAPES.items():
        for size_name, (annual, spread, reactive) in SIZES.items():
            assert not list(too_large(annual, spread, reactive))
            load = LoadProfile("most", "Most", annual, spread, reactive, 1.0, shape, 1.0, {})
            for payment in ("credit", "prepayment"):
                twin = replace(meter_profile("twin"), payment=payment, tariff="one-rate")
                kind = replace(twin, primary=load, secondary=load, export=load)
                yield pytest.param(kind, id=f"{shape_name}, {size_name}, {payment}")


@pytest.mark.parametrize("kind", list(kinds()))
def test_registers_and_counters_do_not_overflow_until_2100(kind: MeterProfile) -> None:
    drawn = meter_of(SEED, METER, (kind,))
    meter = replace(drawn, installed=min(first for first, _ in INSTALLATION_DAYS.values()))
    assert meter.secondary is not None
    for series in (
        *(meter.primary, meter.secondary, meter.active_export),
        *(meter.reactive_import, meter.reactive_export),
    ):
        assert total(series, meter.installed, END) < U32
    for weeks in range(53):
        now = balances(meter, END - weeks * 7 * DAY)
        assert min(now.meter_balance, 0) >= -I32
        assert max(now.meter_balance, now.accumulated_debt) < I32


@pytest.mark.parametrize("kind", list(kinds()))
def test_a_meter_answers_until_2100(kind: MeterProfile) -> None:
    for service in READING_SERVICES:
        if TWIN not in service.meters:
            continue
        window = Window(END - 3 * DAY, END) if service.windowed else None
        command = reading_command(
            service, device=METER, originator=SUPPLIER, counter=77, window=window
        )
        said = answer(SEED, command, KEYS, END + EPOCH_UNIX, lambda: 1, profiles=(kind,))
        assert said.outcome is Outcome.ANSWERED, (service.srv, said.reason)


def test_a_meter_that_cannot_encode_a_value_gives_the_reason() -> None:
    load = LoadProfile("more", "More", 1e9, 1.0, 0.3, 1.0, SHAPES["flat"], 1.0, {})
    command = reading_command(
        READING_SERVICES[0], device=METER, originator=SUPPLIER, counter=77, window=None
    )
    kind = replace(meter_profile("single"), primary=load)
    said = answer(SEED, command, KEYS, END + EPOCH_UNIX, lambda: 1, profiles=(kind,))
    assert (said.outcome, said.octets) == (Outcome.UNANSWERED, None)
    assert "does not fit its type" in said.reason
