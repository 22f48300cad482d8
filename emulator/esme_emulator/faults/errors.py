"""What can be wrong with a rule."""


class FaultError(Exception):
    """A rule that cannot be used: its text is one line with rule, key and reason."""

    def __init__(self, reason: str, key: str = "", rule: str = "") -> None:
        self.reason = reason
        self.key = key
        """The key of the table that is wrong, empty where it is none of them."""
        self.rule = rule
        """Number or name of the rule, empty where the whole text is wrong."""
        super().__init__(": ".join(part for part in (rule, key, reason) if part))

    def of(self, rule: str) -> "FaultError":
        """Return the same error, said of a rule."""
        return FaultError(self.reason, self.key, rule)
