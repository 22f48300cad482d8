"""Logging each kind of trouble once, since counters tell how often it happened."""

from logging import Logger


class Complaints:
    """Logs to `logger` what goes wrong, once for each kind; `name` says to whom it happens."""

    def __init__(self, logger: Logger, name: str = "") -> None:
        self._logger = logger
        self._name = f"{name}: " if name else ""
        self._known: set[str] = set()

    def warn(self, kind: str, text: str, *, error: BaseException | None = None) -> None:
        """Log `text` as a warning unless a trouble of this `kind` was logged before."""
        if kind not in self._known:
            self._known.add(kind)
            self._logger.warning("%s%s (logged once)", self._name, text, exc_info=error)
