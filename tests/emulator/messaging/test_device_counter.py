"""The device's own counter never repeats, for any mix of meter and cache and any clock."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from esme_emulator.messaging.transaction import CACHE, METER, DeviceCounter
from tests.support.estate import UNIX_NOW

clocks = st.lists(
    st.one_of(
        st.sampled_from([UNIX_NOW, UNIX_NOW - 3600, UNIX_NOW + 1]),
        st.floats(0, 4e9, allow_nan=False),
    ),
    max_size=40,
)


@given(clocks, st.sampled_from([METER, CACHE]), st.integers(0, 2**52))
@example([UNIX_NOW, UNIX_NOW, UNIX_NOW - 86400, UNIX_NOW], CACHE, 0)
@example([0.0, 0.0], METER, 1)
def test_counters_strictly_increase_with_any_clock(
    clock: list[float], minter: int, last: int
) -> None:
    counter = DeviceCounter(minter, last)
    taken = [last, *[counter.next(now) for now in clock]]
    assert all(before < after for before, after in pairwise(taken))
    assert counter.last == taken[-1]
    assert all(value < 2**64 for value in taken)


@given(clocks, clocks)
def test_meter_and_cache_never_take_the_same_counter(
    of_meter: list[float], of_cache: list[float]
) -> None:
    meter, cache = DeviceCounter(METER), DeviceCounter(CACHE)
    by_meter = {meter.next(now) for now in of_meter}
    by_cache = {cache.next(now) for now in of_cache}
    assert by_meter.isdisjoint(by_cache)


def test_a_restart_continues_above_earlier_counters_if_the_clock_advanced() -> None:
    before = DeviceCounter(METER).next(UNIX_NOW)
    assert DeviceCounter(METER).next(UNIX_NOW + 0.001) > before
