"""Voltage: the average RMS voltage of each phase per hour, and the number of hours out of bounds.

The voltage of a phase starts from that of its substation. It falls with the imported power of the
hour and rises with the exported power, of which phases carry equal parts, and has some noise. It
stays within the statutory bounds except in drawn hours: each cycle of days has one hour above and
one below. So a counter is the number of past cycles, plus one if this cycle's hour has passed. It
agrees with the log, only grows, and costs the same at any time.

Source: the Electricity Safety, Quality and Continuity Regulations 2002, regulation 27 (230 V +10 %
-6 %); the period of an hour is that of vector ECS23_4.10_SUCCESS; all else is assumed.
"""

from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b

from esme_emulator.device.model import Meter
from gbcs.instants import DAY, HALF_HOUR

PERIOD = 3600
"""Averaging period of an entry, in seconds; its time stamp marks the end."""
HIGHEST, LOWEST = 253, 216
"""Thresholds in V: 230 V +10 %, and -6 % rounded down."""

_HOURS = DAY // PERIOD
_SUBSTATION_MV = (238_000, 246_000)
"""Range of the voltage without load, in mV, drawn for each phase."""
_MV_PER_W = 1
"""Change of voltage with the power of a phase: a quarter of an ohm at 240 V."""
_NOISE_MV = 12
"""Size of each of 256 steps of noise, so 3 V in all."""
_CYCLE_DAYS = (20, 90)
_BEYOND = 8
"""Most V by which a drawn hour is out of bounds."""


class Bound(StrEnum):
    """A side on which voltage can be out of bounds."""

    OVER = "over"
    UNDER = "under"


def voltages(meter: Meter, phase: int, stamps: range) -> list[int]:
    """Return the averages in V of the hours that end at `stamps`, which are `PERIOD` apart.

    `phase` counts from 0. All stamps must be after installation.
    """
    if not stamps:
        return []
    first, last = (stamps[0] - PERIOD) // HALF_HOUR, stamps[-1] // HALF_HOUR - 1
    flow = _net_import(meter, first, last)
    base = meter.draw_between("substation", phase, *_SUBSTATION_MV)
    fitted = meter.installed * _HOURS
    hours = range(stamps[0] // PERIOD - 1, stamps[-1] // PERIOD)
    beyond = _drawn_voltages(meter, phase, hours[0] - fitted, hours[-1] - fitted)
    found = []
    for index, hour in enumerate(hours):
        power = (flow[2 * index] + flow[2 * index + 1]) // meter.phases
        noise = _noise(meter.secret, phase, hour // _HOURS)[hour % _HOURS] - 128
        volts = (base - _MV_PER_W * power + _NOISE_MV * noise) // 1000
        found.append(beyond.get(hour - fitted) or min(max(volts, LOWEST), HIGHEST))
    return found


def times_beyond(meter: Meter, phase: int, bound: Bound, now: int) -> int:
    """Return how many hours from installation to `now` were out of bounds on that side."""
    hours = now // PERIOD - meter.installed * _HOURS
    if hours <= 0:
        return 0
    cycle, hour = divmod(hours - 1, _cycle(meter, phase, bound))
    return cycle + (_hour_beyond(meter, phase, bound, cycle) <= hour)


def _net_import(meter: Meter, first: int, last: int) -> list[int]:
    """Return the net import in Wh of half hours, which count from 2000-01-01."""
    net = meter.primary.half_hours(first, last)
    if meter.secondary is not None:
        second = meter.secondary.half_hours(first, last)
        net = [one + other for one, other in zip(net, second, strict=True)]
    export = meter.active_export.half_hours(first, last)
    return [one - other for one, other in zip(net, export, strict=True)]


def _drawn_voltages(meter: Meter, phase: int, first: int, last: int) -> dict[int, int]:
    """Return the voltages out of bounds, by hour, of all cycles between two hours.

    Hours count from installation.
    """
    found = {}
    for bound in Bound:
        length = _cycle(meter, phase, bound)
        for cycle in range(first // length, last // length + 1):
            hour = cycle * length + _hour_beyond(meter, phase, bound, cycle)
            beyond = 1 + meter.draw(f"beyond-{bound}-{phase}", cycle) % _BEYOND
            found[hour] = HIGHEST + beyond if bound is Bound.OVER else LOWEST - beyond
    return found


def _cycle(meter: Meter, phase: int, bound: Bound) -> int:
    """Return the length of a cycle in hours; one hour of each is out of bounds."""
    return meter.draw_between(f"cycle-{bound}", phase, *_CYCLE_DAYS) * _HOURS


def _hour_beyond(meter: Meter, phase: int, bound: Bound, cycle: int) -> int:
    """Return the hour of a cycle that is out of bounds."""
    # Even if over and odd if under, so no hour is both: cycles have an even number of hours.
    pairs = _cycle(meter, phase, bound) // 2
    pair = meter.draw(f"hour-{bound}-{phase}", cycle) % pairs
    return 2 * pair + (bound is Bound.UNDER)


@lru_cache(maxsize=4096)
def _noise(secret: bytes, phase: int, day: int) -> bytes:
    return blake2b(
        secret, digest_size=_HOURS, salt=day.to_bytes(8, "big"), person=b"volts%d" % phase
    ).digest()
