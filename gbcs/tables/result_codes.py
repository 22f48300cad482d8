"""Result codes: how a meter says that a get, a set or an action succeeded or why it did not.

Knows numbers and standard names. Source: DLMS Green Book, Data-Access-Result and Action-Result of
the COSEM PDU definitions, of which GBCS v4.1 uses these; a get or set and an action share them,
save that an action calls 15 and 16 long-action-aborted and no-long-action-in-progress.
"""

from enum import IntEnum


class ResultCode(IntEnum):
    """A Data-Access-Result or Action-Result; its text is the standard name, like other-reason."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


def result_name(code: int) -> str:
    """Return the standard name of result `code`; for a number without one, `unknown-` and it.

    >>> result_name(1), result_name(77)
    ('hardware-fault', 'unknown-77')
    """
    try:
        return str(ResultCode(code))
    except ValueError:
        return f"unknown-{code}"
