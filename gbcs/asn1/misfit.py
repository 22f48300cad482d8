"""What is raised where a value is not of its kind; the doors turn it into a `GbcsError`."""


class Misfit(Exception):  # noqa: N818 - no error of its own: who raises it does not know whose fault
    """A value that is not of its kind.

    `path` leads to it from where it is caught, such as `.replacements[0]`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def at(self, step: str) -> "Misfit":
        """Put `step` before the path, and return itself."""
        self.path = step + self.path
        return self
