"""The registers of a meter at an instant, as the control interface shows them.

Knows the nature of a meter; what flowed is what the meter's logs say.
"""

from emulator.control.models import Registers
from emulator.device.energy import Series
from emulator.device.physics import Nature
from emulator.device.registers import grown
from emulator.device.snapshots import tou_registers


def registers_of(nature: Nature, instant: int) -> dict[str, Registers]:
    """Return what the registers hold at `instant`, in seconds since 2000."""
    shown = {"active_import": _tou(nature, nature.primary, instant)}
    if nature.secondary is not None:
        shown["active_import_secondary"] = _tou(nature, nature.secondary, instant)
    for name in ("active_export", "reactive_import", "reactive_export"):
        flowed = grown(getattr(nature, name), nature.installed, instant)
        shown[name] = Registers(total=sum(flowed), tou=None)
    return shown


def _tou(nature: Nature, series: Series, instant: int) -> Registers:
    flowed = grown(series, nature.installed, instant)
    tou = tou_registers(nature, flowed, max(nature.tariff) + 1)
    return Registers(total=sum(flowed), tou=list(tou))
