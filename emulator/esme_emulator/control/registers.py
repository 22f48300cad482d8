"""The registers of a meter at an instant, as the control interface shows them.

Knows the nature of a meter; what flowed is what the meter's logs say.
"""

from esme_emulator.control.models import Registers
from esme_emulator.device.model import Meter
from esme_emulator.device.registers import by_tariff, grown
from esme_emulator.device.snapshots import primary_tou


def registers_of(meter: Meter, instant: int) -> dict[str, Registers]:
    """Return what the registers hold at `instant`, in seconds since 2000."""
    used = max(meter.tariff) + 1
    flowed = grown(meter.primary, meter.installed, instant)
    shown = {"active_import": _shown(flowed, primary_tou(meter, flowed, used))}
    if meter.secondary is not None:
        flowed = grown(meter.secondary, meter.installed, instant)
        tou = by_tariff(flowed, meter.tariff, used)
        shown["active_import_secondary"] = _shown(flowed, tou)
    for name in ("active_export", "reactive_import", "reactive_export"):
        shown[name] = _shown(grown(getattr(meter, name), meter.installed, instant))
    return shown


def _shown(flowed: list[int], tou: tuple[int, ...] | None = None) -> Registers:
    return Registers(total=sum(flowed), tou=None if tou is None else list(tou))
