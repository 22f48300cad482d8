"""Maximum demand: the highest half hour since the month began."""

from operator import add

from hypothesis import given

from esme_emulator.device.demand import EVENING, Demand, export_demand, import_demand, last_reset
from esme_emulator.device.model import Meter
from esme_emulator.device.objects_energy import RATED_POWER
from esme_emulator.device.tariff import month_start
from gbcs.instants import DAY, HALF_HOUR, MAX_INSTANT
from tests.emulator.device.meters import KINDS, any_meters, moments


def half_hours_of(meter: Meter, start: int, now: int) -> list[tuple[int, int]]:
    """Return end and import in Wh of each half hour from `start` that has ended at `now`."""
    first, last = start // HALF_HOUR, now // HALF_HOUR - 1
    energies = meter.primary.half_hours(first, last) if last >= first else []
    if meter.secondary is not None and energies:
        energies = list(map(add, energies, meter.secondary.half_hours(first, last)))
    return [((first + number + 1) * HALF_HOUR, energy) for number, energy in enumerate(energies)]


@given(any_meters, moments)
def test_demand_is_the_first_of_the_highest_half_hours_since_the_reset(
    meter: Meter, now: int
) -> None:
    now = max(now, meter.installed * DAY)
    reset = last_reset(meter, now)
    assert reset == max(month_start(now), meter.installed * DAY)
    every = half_hours_of(meter, reset, now)
    for hours, demand in (
        ((0, 24), import_demand(meter, now)),
        (EVENING, import_demand(meter, now, EVENING)),
    ):
        within = [
            (end, energy)
            for end, energy in every
            if hours[0] * 3600 <= (end - HALF_HOUR) % DAY < hours[1] * 3600
        ]
        most = max((energy for _, energy in within), default=0)
        assert demand.power == 2 * most
        expected = next((end for end, energy in within if energy == most and most), reset)
        assert demand.time == expected


@given(any_meters, moments)
def test_export_has_a_demand_of_its_own(meter: Meter, now: int) -> None:
    now = max(now, meter.installed * DAY)
    demand = export_demand(meter, now)
    first, last = last_reset(meter, now) // HALF_HOUR, now // HALF_HOUR - 1
    energies = meter.active_export.half_hours(first, last) if last >= first else []
    assert demand.power == 2 * max(energies, default=0)
    assert last_reset(meter, now) <= demand.time <= now


def test_a_meter_that_exports_has_a_demand_of_export() -> None:
    noon = 842_000_000
    assert export_demand(KINDS["single-solar"], noon).power > 0
    assert export_demand(KINDS["single-blocks"], noon).power == 0


@given(any_meters, moments)
def test_no_load_reaches_the_rating(meter: Meter, now: int) -> None:
    assert import_demand(meter, now).power < RATED_POWER * meter.phases


def test_demand_is_0_before_installation() -> None:
    for meter in KINDS.values():
        for now in (0, meter.installed * DAY - 1):
            assert import_demand(meter, now) == Demand(0, now)
    assert last_reset(KINDS["twin"], MAX_INSTANT) <= MAX_INSTANT
