"""The logs of an ESME that the reading service reads by window.

Source: GBCS v4.1 use cases ECS21a, ECS21c, ECS22a, ECS22b and ECS22c. Single element rows are
those of the vectors; twin element rows follow SMETS 5.7.5: the secondary element is its own
register, with four tariff registers of its own.
"""

from dataclasses import dataclass

from gbcs.obis import parse_dotted

_U32 = "06"


def _array(count: int) -> str:
    return f"01{count:04x}{_U32}"


def _row(*columns: str) -> bytes:
    return bytes.fromhex(f"02{len(columns):02x}" + "".join(columns))


_TIME = _U32
_TOU, _SECONDARY_TOU, _BLOCK = _array(48), _array(4), _array(8)

TWO, THREE = _row(_TIME, _U32), _row(_TIME, _U32, _U32)
DAILY_SINGLE = _row(_TIME, _U32, _TOU, *[_BLOCK] * 4)
DAILY_TWIN = _row(_TIME, _U32, _U32, _TOU, _SECONDARY_TOU, *[_BLOCK] * 4)

BLOCKS = "blocks"
"""The one column that stands for several of a row: the four blocks of eight registers."""


@dataclass(frozen=True, slots=True)
class ProfileLog:
    """One log, and how it is asked for and answered."""

    srv: str
    use_case: str
    message_code: int
    log: bytes
    """OBIS of the profile generic (class 7) whose buffer, attribute 2, is read."""
    protection: bytes | None
    """OBIS of the data protection object (class 30) it is read through, None where in clear."""
    period: int
    """Seconds between entries."""
    depth: int
    """Entries that a meter keeps."""
    rows: dict[bytes, tuple[str, ...]]
    """Columns after `time`, in order, by the type description of the compact-array."""


_HALF_HOUR, _DAY = 1800, 86400

PROFILE_LOGS = (
    ProfileLog(
        "4.6.1", "ECS21a", 0x0033, parse_dotted("0.0.98.1.9.255"),
        parse_dotted("0.0.43.2.5.255"), _DAY, 31,
        {
            DAILY_SINGLE: ("import", "tou", BLOCKS),
            DAILY_TWIN: ("import", "secondary_import", "tou", "secondary_tou", BLOCKS),
        },
    ),
    ProfileLog(
        "4.6.2", "ECS21c", 0x0035, parse_dotted("0.0.98.1.10.255"), None, _DAY, 31,
        {TWO: ("export",)},
    ),
    ProfileLog(
        "4.8.1", "ECS22b", 0x0037, parse_dotted("0.0.99.1.0.255"), parse_dotted("0.0.43.2.7.255"),
        _HALF_HOUR, 19_056, {TWO: ("primary",), THREE: ("primary", "secondary")},
    ),
    ProfileLog(
        "4.8.2", "ECS22c", 0x0038, parse_dotted("0.0.99.1.2.255"), None, _HALF_HOUR, 4_464,
        {TWO: ("reactive_import",)},
    ),
    ProfileLog(
        "4.8.3", "ECS22a", 0x0036, parse_dotted("0.0.99.1.1.255"), None, _HALF_HOUR, 4_464,
        {THREE: ("active_export", "reactive_export")},
    ),
)  # fmt: skip

BY_SRV = {log.srv: log for log in PROFILE_LOGS}
BY_CODE = {log.message_code: log for log in PROFILE_LOGS}
