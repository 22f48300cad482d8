"""Result codes: the outcome of a get, a set or an action.

Knows numbers and standard names. Source: DLMS UA 1000-2 (Green Book), Data-Access-Result and
Action-Result of the COSEM PDU definitions; GBCS v4.1 uses these. Get, set and action share them,
except that an action calls 15 and 16 long-action-aborted and no-long-action-in-progress.
"""

from enum import IntEnum


class ResultCode(IntEnum):
    """A Data-Access-Result or Action-Result; its text is the standard name, as in other-reason."""

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
    """Return the standard name of a result code; an unknown code becomes `unknown-` and the number.

    >>> result_name(1), result_name(77)
    ('hardware-fault', 'unknown-77')
    """
    try:
        return str(ResultCode(code))
    except ValueError:
        return f"unknown-{code}"
