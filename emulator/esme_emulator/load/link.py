"""The connection of a load to its broker: what a worker tells of it, and when it ends the load.

Pure. A broker that is back within `GONE` seconds is waited for, as users of it would have to; one
that is not ends the load, since what follows would be figures of nothing.
"""

from dataclasses import dataclass

GONE = 3
"""Seconds on end without a connection after which a load is broken off."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a worker knows of its connection at one moment."""

    is_up: bool = True
    reconnections: int = 0
    """How often it was lost and made again, so far."""
    carries_properties: bool = True
    """Whether a Cache-Status could come: not on MQTT 3.1.1."""


class Outage:
    """Seconds on end without a connection, told one by one."""

    def __init__(self) -> None:
        self._seconds = 0

    def exceeded(self, is_up: bool, elapsed: float) -> str | None:
        """Take note of a second, `elapsed` after the start; return what to say when it is enough.

        None while there is a connection, or it may come back yet.
        """
        self._seconds = 0 if is_up else self._seconds + 1
        if self._seconds < GONE:
            return None
        began = max(elapsed - self._seconds, 0.0)
        return (
            f"the connection to the broker was lost {began:.0f} s after the start, "
            f"and not back within {GONE} s"
        )
