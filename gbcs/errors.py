"""The errors of the codec, split by who is at fault: the sender, the caller, or the keys.

Every error of this package is a `GbcsError` whose text is one line that a user can act upon.
"""


class GbcsError(Exception):
    """Base of every error that `gbcs` raises."""


class DecodeError(GbcsError):
    """Octets that are not a message: the sender is at fault.

    `path` names the unreadable field, outermost first, such as `"message.other_information"`;
    `reason` says what is wrong with it.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(f"{path}: {reason}" if path else reason)


class EncodeError(GbcsError):
    """A message that cannot be encoded: the caller is at fault.

    `path` names the field that does not fit its place; `reason` says what is wrong with it.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(f"{path}: {reason}" if path else reason)


class AuthenticationError(GbcsError):
    """A MAC, a tag or a signature that does not verify, or a key for it that is missing."""


class KeystoreError(GbcsError):
    """A keystore or certificate that cannot be read, or that holds no P-256 key."""
