"""Logging each outage of a broker once, and its end."""

import logging

from esme_emulator.runtime.complaints import Complaints

logger = logging.getLogger("esme_emulator.transport")


class Outages:
    """Logs the outages of `name`, one connection or several whose outages are one.

    An outage lasts from the first connection that is lost until the last is back. `now` is any
    time in seconds.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._away = 0
        self._since = 0.0
        self._complaints = Complaints(logger, name)

    def lost(self, reason: str, now: float) -> None:
        """Note that a connection is lost."""
        self._away += 1
        if self._away == 1:
            self._since = now
            logger.warning("%s: connection lost (%s), reconnecting", self._name, reason)

    def failed(self, reason: str) -> None:
        """Note that an attempt to reconnect failed; each reason is logged once an outage."""
        self._complaints.warn(reason, reason)

    def back(self, now: float) -> None:
        """Note that a connection is back."""
        self.given_up()
        if not self._away:
            away = now - self._since
            logger.warning("%s: connected again after %.1f s", self._name, away)
            self._complaints = Complaints(logger, self._name)

    def given_up(self) -> None:
        """Note that a connection is no longer wanted."""
        self._away -= 1
