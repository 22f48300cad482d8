"""Commands of an ESME that change something and whose responses say when the device answered.

Source: the vectors of these use cases; they are those whose command may be dated to the future.
What is read has the same in `gbcs.tables.reading_services`.
"""

from gbcs.tables.use_cases import by_name

_NAMES = "ECS01a ECS01b ECS01d ECS02 ECS03 ECS08 ECS08a ECS28a ECS46c ECS46d"

DATED = frozenset(found.code for name in _NAMES.split() if (found := by_name(name)))
"""Message codes."""
