"""The objects of a meter: which attributes it has, and their values at a time.

The modules `objects_*` compute the values by topic. Every ESME has the objects of prepayment, also
in credit mode. Only a twin element meter has those of a second element, and only a polyphase meter
those of phases 2 and 3.

Source: SMETS2, technical specifications of single element, twin element and polyphase ESME.
"""

from esme_emulator.device.cosem import Reference, Value
from esme_emulator.device.logs import HasEntry, entries
from esme_emulator.device.model import Meter
from esme_emulator.device.objects_energy import ENERGY, LOAD_LIMIT, OTHER_PHASES, VOLTAGE
from esme_emulator.device.objects_money import MONEY
from esme_emulator.device.objects_tariff import SECONDARY_TARIFF, TARIFF
from gbcs.dlms.data import Data
from gbcs.obis import parse_dotted
from gbcs.tables.profile_logs import BY_OBIS
from gbcs.tables.result_codes import ResultCode
from gbcs.usecases.read_request import Attribute

_EVERY: dict[Reference, Value] = ENERGY | TARIFF | MONEY | VOLTAGE | LOAD_LIMIT
_POLYPHASE_LOGS = frozenset(map(parse_dotted, ("1.0.52.24.0.255", "1.0.72.24.0.255")))


def value_of(
    meter: Meter, attribute: Attribute, now: int, has_entry: HasEntry | None = None
) -> Data | ResultCode:
    """Return the value of `attribute` at `now`, in seconds since 2000, or a result code.

    The code is object-undefined if the meter has no such object or attribute. `has_entry` tells
    which log entries exist; None for all.
    """
    if attribute.window is not None:
        log = BY_OBIS.get(attribute.obis)
        if log is None or (log.log in _POLYPHASE_LOGS and meter.phases == 1):
            return ResultCode.OBJECT_UNDEFINED
        return entries(meter, log, attribute.window, now, has_entry)
    reference = (attribute.class_id, attribute.obis, attribute.index)
    value = _EVERY.get(reference)
    if value is None and meter.secondary is not None:
        value = SECONDARY_TARIFF.get(reference)
    if value is None and meter.phases == 3:
        value = OTHER_PHASES.get(reference)
    return value(meter, now) if value else ResultCode.OBJECT_UNDEFINED
