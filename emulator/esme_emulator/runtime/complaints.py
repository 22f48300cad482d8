"""Logs each kind of trouble once; counters say how often it happened."""

from logging import Logger, getLogger

_log = getLogger(__name__)


class Complaints:
    """Logs one warning for each kind of trouble; `name` says what has the trouble."""

    def __init__(self, logger: Logger, name: str = "") -> None:
        self._logger = logger
        self._name = f"{name}: " if name else ""
        self._known: set[str] = set()

    def warn(self, kind: str, text: str, *, error: BaseException | None = None) -> None:
        """Log `text` as a warning, unless this `kind` was logged before."""
        if kind not in self._known:
            self._known.add(kind)
            self._logger.warning("%s%s (logged once)", self._name, text, exc_info=error)


class Outages:
    """Logs each outage of `name` and its end; several connections may share one outage.

    An outage lasts from the first lost connection until the last is back. `now` is any time in
    seconds.
    """

    def __init__(self, name: str, logger: Logger = _log) -> None:
        self._logger = logger
        self._name = name
        self._away = 0
        self._since = 0.0
        self._complaints = Complaints(logger, name)

    def lost(self, reason: str, now: float) -> None:
        """Record that a connection was lost."""
        self._away += 1
        if self._away == 1:
            self._since = now
            self._logger.warning("%s: connection lost (%s), reconnecting", self._name, reason)

    def failed(self, reason: str) -> None:
        """Record a failed attempt to reconnect; each reason is logged once per outage."""
        self._complaints.warn(reason, reason)

    def back(self, now: float) -> None:
        """Record that a connection is back."""
        self.given_up()
        if not self._away:
            away = now - self._since
            self._logger.warning("%s: connected again after %.1f s", self._name, away)
            self._complaints = Complaints(self._logger, self._name)

    def given_up(self) -> None:
        """Record that a lost connection is no longer wanted."""
        self._away -= 1
