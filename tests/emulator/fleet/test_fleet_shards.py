"""Shards are a partition of a fleet's meters, and cost nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esme_emulator.estate.euis import EuiRange, shard
from gbcs import EUI

BASE = EUI.parse("00DBE50000000000")


@given(st.integers(1, 40), st.integers(1, 40))
def test_shards_are_a_partition(number: int, parts: int) -> None:
    meters = EuiRange(BASE, number)
    for whole in (meters, tuple(meters)):
        shards = [shard(whole, part, parts) for part in range(min(parts, number))]
        for part, some in enumerate(shards):
            assert list(some) == [meter for i, meter in enumerate(meters) if i % parts == part]
            assert len(some) == len(list(some))
            assert [meter in some for meter in meters] == [i % parts == part for i in range(number)]
        assert sum(map(len, shards)) == number


def test_a_shard_takes_no_time_for_any_number_of_meters() -> None:
    third = shard(EuiRange(BASE, 10**15), 2, 3)
    assert len(third) == 333_333_333_333_333
    assert third[0] == EUI.from_int(int(BASE) + 2)
    assert third[-1] in third
    assert BASE not in third
    assert isinstance(third, EuiRange)


@pytest.mark.parametrize(
    ("part", "parts", "says"),
    [
        (3, 3, "numbered from 0"),
        (-1, 3, "numbered from 0"),
        (0, 0, "shard 0 of 0"),
        (5, 9, "there are only 5 meters"),
    ],
)
def test_an_invalid_shard_is_refused(part: int, parts: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        shard(EuiRange(BASE, 5), part, parts)
