"""Call numbers: which of the commands of an SRV to a meter one is, counted from 1.

Knows numbers alone. Draws and fault rules go by them, so nothing sets them back, whatever becomes
of the counters that are shown.
"""

_BITS = 40
"""Of the number of one SRV; all SRVs of a meter share one integer, which takes the least memory."""
_MASK = (1 << _BITS) - 1


class CallNumbers:
    """The call numbers of all meters of a fleet."""

    def __init__(self) -> None:
        self._shifts: dict[str, int] = {}
        """Where the number of an SRV is, in bits."""
        self._numbers: dict[int, int] = {}

    def next(self, meter: int, srv: str) -> int:
        """Return the number of the next command of `srv` to the meter with this EUI."""
        shift = self._shifts.setdefault(srv, len(self._shifts) * _BITS)
        numbers = self._numbers[meter] = self._numbers.get(meter, 0) + (1 << shift)
        return numbers >> shift & _MASK
