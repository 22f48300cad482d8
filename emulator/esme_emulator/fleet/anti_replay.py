"""Protection against replay: which originator counters meters have taken.

Every meter keeps the highest counter of each remote party (GBCS v4.1 clause 4.3.1.5). A party that
commands through another, such as the ACB, is kept apart there from when it commands itself.
"""

from gbcs import EUI, Command


class AntiReplay:
    """The counters of all meters of a fleet."""

    def __init__(self) -> None:
        self._highest: dict[tuple[EUI, EUI], dict[int, int]] = {}
        """By originator and remote party, then by meter, which are many more."""

    def is_replayed(self, meter: int, command: Command) -> bool:
        """Return whether the counter of `command` is not above all that `meter` took before."""
        highest = self._highest.get((command.originator, command.remote_party), {})
        return command.originator_counter <= highest.get(meter, -1)

    def take(self, meter: int, command: Command) -> None:
        """Remember the counter of a command that `meter` takes."""
        source = command.originator, command.remote_party
        self._highest.setdefault(source, {})[meter] = command.originator_counter
