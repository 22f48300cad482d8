"""EUIs of several ranges are the same sequence as a tuple of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.estate.euis import EuiRange, euis_of
from gbcs import EUI

RANGES = st.lists(st.integers(1, 5), min_size=1, max_size=5)
BOUND = st.none() | st.integers(-25, 25)


def made(sizes: list[int]) -> tuple[list[tuple[EUI, int]], tuple[EUI, ...]]:
    """Ranges of these sizes with gaps between them, and all their EUIs."""
    ranges = [(EUI.from_int(100 * place), size) for place, size in enumerate(sizes, 1)]
    return ranges, tuple(eui for each in ranges for eui in EuiRange(*each))


@given(RANGES, BOUND, BOUND, st.none() | st.integers(-4, 4).filter(bool))
def test_a_slice(sizes: list[int], start: int | None, stop: int | None, step: int | None) -> None:
    ranges, euis = made(sizes)
    part, wanted = euis_of(ranges)[start:stop:step], euis[start:stop:step]
    assert tuple(part) == wanted
    assert len(part) == len(wanted)
    assert [part.index(eui) for eui in wanted] == list(range(len(wanted)))


@given(RANGES, BOUND, BOUND)
def test_the_place_of_an_eui(sizes: list[int], start: int | None, stop: int | None) -> None:
    ranges, euis = made(sizes)
    bounds = (start or 0,) if stop is None else (start or 0, stop)
    for eui in (*euis, EUI.from_int(99)):
        try:
            wanted = euis.index(eui, *bounds)
        except ValueError:
            with pytest.raises(ValueError, match="not among the EUIs"):
                euis_of(ranges).index(eui, *bounds)
        else:
            assert euis_of(ranges).index(eui, *bounds) == wanted


def test_many_meters_cost_no_more() -> None:
    euis = euis_of([(EUI.from_int(1), 30_000_000), (EUI.from_int(1 << 40), 30_000_000)])
    assert euis.index(euis[59_999_999]) == 59_999_999
    assert len(euis[1::2]) == 30_000_000
