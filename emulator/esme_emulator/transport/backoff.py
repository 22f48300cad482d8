"""How long to wait before the next attempt to connect: exponential, jittered, bounded.

Pure: the random generator is an argument, and nothing here waits.
"""

from collections.abc import Iterator
from random import Random

SHORTEST = 0.1
"""Seconds; no attempt follows sooner than this."""
LONGEST = 5.0
"""Seconds; no attempt waits longer than this."""


def backoff(random: Random) -> Iterator[float]:
    """Yield seconds to wait, without end.

    The bound doubles from `SHORTEST` to `LONGEST`; each wait is drawn from its upper half, so
    that many clients that lose one broker do not come back all at once.
    """
    bound = 2 * SHORTEST
    while True:
        yield random.uniform(bound / 2, bound)
        bound = min(2 * bound, LONGEST)
