"""What can go wrong in the codec, split by who is at fault.

Every error of this package is a `GbcsError` whose text is one line that a user can act upon.
"""


class GbcsError(Exception):
    """Base of every error that `gbcs` raises."""


class DecodeError(GbcsError):
    """Octets that are not a message: the sender is at fault.

    `path` names the field that could not be read, outermost first, such as
    `"message.grouping_header.content"`; `reason` says what is wrong with it.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(f"{path}: {reason}" if path else reason)


class EncodeError(GbcsError):
    """A message that has no octets: the caller is at fault.

    `path` names the field that could not be written and `reason` says why.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(f"{path}: {reason}" if path else reason)


class AuthenticationError(GbcsError):
    """A MAC, an authentication tag or a signature that does not verify, or a missing key."""


class KeystoreError(GbcsError):
    """A keystore that cannot be read, or that holds something other than P-256 keys."""
