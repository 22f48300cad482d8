"""Objects of supply: SRV 4.10, voltage of each phase, and SRV 4.15, load limiting.

The load limit is the rating of the meter, which no load of the profiles reaches. So limiting never
happened; it would leave supply on.

Source: vectors of ECS23 and ECS27; phases 2 and 3 by analogy.
"""

from esme_emulator.device.cosem import (
    COUNT,
    FALSE,
    Reference,
    Value,
    always,
    reference,
    scaler_unit,
)
from esme_emulator.device.voltage import PERIOD, Bound, times_beyond
from gbcs.dlms.data import double_long_unsigned

RATED_POWER = 23_000
"""Rating of a phase in W: 100 A at 230 V."""
_LIMIT_PERIOD, _RESTORATION_PERIOD = 300, 30
"""Seconds, as in vector ECS28a_6.4.1."""


def _beyond(phase: int, bound: Bound) -> Value:
    return lambda meter, now: double_long_unsigned(times_beyond(meter, phase, bound, now))


def _voltage(phase: int) -> dict[Reference, Value]:
    """Return the objects of a phase, from 0, without its log."""
    group = 32 + 20 * phase
    under, over, log = (f"1.0.{group}.{group_d}" for group_d in ("32.0.4", "36.0.4", "24.0.255"))
    return {
        reference(3, under): _beyond(phase, Bound.UNDER),
        reference(3, under, 3): always(scaler_unit(COUNT)),
        reference(3, over): _beyond(phase, Bound.OVER),
        reference(3, over, 3): always(scaler_unit(COUNT)),
        reference(7, log, 4): always(double_long_unsigned(PERIOD)),
    }


VOLTAGE = _voltage(0)
OTHER_PHASES = _voltage(1) | _voltage(2)
"""Objects of phases 2 and 3, which only a polyphase meter has."""

LOAD_LIMIT: dict[Reference, Value] = {
    reference(9000, "0.0.94.44.0.3"): always(FALSE),
    reference(3, "0.0.94.44.42.255"): always(double_long_unsigned(0)),
    reference(3, "0.0.94.44.42.255", 3): always(scaler_unit(COUNT)),
    reference(71, "0.0.17.0.0.255", 4): lambda meter, now: double_long_unsigned(
        RATED_POWER * meter.phases
    ),
    reference(71, "0.0.17.0.0.255", 6): always(double_long_unsigned(_LIMIT_PERIOD)),
    reference(71, "0.0.17.0.0.255", 7): always(double_long_unsigned(_RESTORATION_PERIOD)),
}
