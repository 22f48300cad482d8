"""Waits between attempts to connect."""

from itertools import islice
from random import Random

import pytest

from esme_emulator.transport.mqtt import LONGEST, SHORTEST, backoff


@pytest.mark.parametrize("seed", range(5))
def test_waits_grow_within_their_bounds(seed: int) -> None:
    waits = list(islice(backoff(Random(seed)), 50))
    assert min(waits) >= SHORTEST
    assert max(waits) <= LONGEST
    assert waits[0] <= 2 * SHORTEST
    assert min(waits[6:]) >= LONGEST / 2
    assert len(set(waits)) == len(waits)


def test_waits_follow_the_generator() -> None:
    assert list(islice(backoff(Random(1)), 9)) == list(islice(backoff(Random(1)), 9))
    assert list(islice(backoff(Random(1)), 9)) != list(islice(backoff(Random(2)), 9))
