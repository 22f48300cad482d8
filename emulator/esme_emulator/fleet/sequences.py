"""Numbers that a fleet keeps for each meter: call numbers and originator counters.

Keys are EUIs as numbers, which take less memory than their octets.
"""

from gbcs import EUI, Command

_BITS = 40
"""Width of one call number. All call numbers of a meter share one integer, to save memory."""
_MASK = (1 << _BITS) - 1


class CallNumbers:
    """Numbers the commands of each SRV to each meter, from 1.

    Draws and fault rules depend on these numbers, so nothing resets them, unlike `Counters`.
    """

    def __init__(self) -> None:
        self._shifts: dict[str, int] = {}
        """Position of the number of each SRV, in bits."""
        self._numbers: dict[int, int] = {}

    def next(self, meter: int, srv: str) -> int:
        """Return the number of the next command of `srv` to a meter."""
        shift = self._shifts.setdefault(srv, len(self._shifts) * _BITS)
        numbers = self._numbers[meter] = self._numbers.get(meter, 0) + (1 << shift)
        return numbers >> shift & _MASK


class AntiReplay:
    """Keeps the highest originator counter that each meter took from each remote party.

    A party's counter behind another, such as the Access Control Broker, is kept apart from the
    counter of its own commands (GBCS v4.1 clause 4.3.1.5).
    """

    def __init__(self) -> None:
        self._highest: dict[tuple[EUI, EUI], dict[int, int]] = {}
        """By originator and remote party, then by meter: there are many more meters."""

    def is_replayed(self, meter: int, command: Command) -> bool:
        """Return whether a meter took a command with this counter or a higher one before."""
        highest = self._highest.get((command.originator, command.remote_party), {})
        return command.originator_counter <= highest.get(meter, -1)

    def take(self, meter: int, command: Command) -> None:
        """Keep the counter of a command that a meter takes."""
        source = command.originator, command.remote_party
        self._highest.setdefault(source, {})[meter] = command.originator_counter
