"""The error of a value that is not of its kind; callers turn it into a `GbcsError`."""


class Misfit(Exception):  # noqa: N818 - not an error by itself: only the caller knows whose fault it is
    """A value that is not of its kind.

    `path` leads to the value from where the exception is caught, such as `.replacements[0]`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def at(self, step: str) -> "Misfit":
        """Prepend `step` to the path, and return the exception."""
        self.path = step + self.path
        return self
