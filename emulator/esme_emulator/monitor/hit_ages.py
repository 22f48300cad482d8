"""How old readings were when the cache answered with them.

Counts decisions as they are made, in a bounded number of classes; knows no metrics format.
"""

from bisect import bisect_left

from esme_emulator.cache.policy.ledger import Decided, Ledger
from esme_emulator.monitor.telling import both

HOURS = (1, 6, 12, 24, 36, 48, 60, 72)
"""Upper limits of the classes of age, the longest retention last."""

_HOUR = 3600


class HitAges:
    """Hits by age, counted from when it listens."""

    def __init__(self) -> None:
        self.seconds = 0
        """Of all hits together."""
        self._numbers = [0] * (len(HOURS) + 1)

    def listen(self, ledger: Ledger) -> None:
        """Count the decisions of `ledger`; who was told of them before is told too."""
        ledger.on_decision = both(ledger.on_decision, self.count)

    def count(self, decided: Decided) -> None:
        """Count a decision, where it has an age."""
        if decided.age is not None:
            self.seconds += decided.age
            self._numbers[bisect_left(HOURS, decided.age / _HOUR)] += 1

    def numbers(self) -> dict[int | None, int]:
        """Return how many hits were above the limit before and up to each; None for what is older.

        Limits are in hours.
        """
        return dict(zip((*HOURS, None), self._numbers, strict=True))
