"""Commands of an ESME whose responses carry the time at which the device answered.

Reads have their own column in `gbcs.tables.reading_services`. Decoding needs neither table: the
header says whether the time is there.

Source: the responses of DCC's RTDS 4.5.0. The commands may be dated to the future, except the top
up (CS01a), which is not critical either.
"""

from gbcs.tables.use_cases import by_name

_NAMES = """
    CS01a
    ECS01a ECS01b ECS01c ECS01d
    ECS02 ECS03 ECS08 ECS08a
    ECS28a ECS46c ECS46d
"""

DATED = frozenset(found.code for name in _NAMES.split() if (found := by_name(name)))
"""Message codes."""
