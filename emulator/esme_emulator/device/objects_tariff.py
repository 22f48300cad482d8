"""Objects of the tariff: SRVs 4.11.1 and 4.11.2.

The switching table is the tariff of the registers: all days are alike, in all seasons. A script is
the number of the time of use (TOU) register that it selects, from 1, plus 100 on a block tariff, or
plus 200 for the secondary element.

Source: vectors of ECS24b and ECS01a.
"""

from esme_emulator.device import tariff
from esme_emulator.device.cosem import (
    PRICE_UNIT,
    TRUE,
    Reference,
    Value,
    always,
    numbers,
    reference,
    unit_charge,
    unsigned,
)
from esme_emulator.device.energy import SECONDARY_TOU_REGISTERS, TOU_REGISTERS
from esme_emulator.device.logs import BLOCK_TOUS, BLOCKS
from esme_emulator.device.model import Meter
from esme_emulator.device.tariff import current_block, year_of
from esme_emulator.profiles.model import HALF_HOURS
from gbcs.dlms.data import (
    Data,
    array,
    double_long_unsigned,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from gbcs.instants import DAY, HALF_HOUR
from gbcs.obis import parse_dotted

_TARIFF_SCRIPTS = octet_string(parse_dotted("0.0.10.0.100.255"))
_TOU_SCRIPT, _BLOCK_SCRIPT, _SECONDARY_SCRIPT = 1, 101, 201
_NO_THRESHOLD = 0xFFFFFFFF
_PER_KWH = 3
_ANY = 0xFF

_SEASONS = (
    (b"spring", 3, b"\1"),
    (b"summer", 6, b"\1"),
    (b"fall", 9, b"\2"),
    (b"winter", 12, b"\2"),
)
"""Name, first month, and week."""
_WEEKS = ((b"\1", (1, 1, 1, 1, 1, 2, 2)), (b"\2", (3, 3, 3, 3, 3, 4, 4)))
"""Name, and the day profiles from Monday to Sunday."""
_DAY_PROFILES = (1, 2, 3, 4)
_SPECIAL_DAYS = ((12, 25), (12, 26), (1, 1))
"""Month and day."""


def _seasons(meter: Meter, now: int) -> Data:
    """Return the seasons of the year of `now`."""
    year = year_of(now).to_bytes(2, "big")
    return array(
        *[
            structure(
                octet_string(name),
                octet_string(year + bytes((month, 1, _ANY, 0, 0, 0, 0)) + b"\x80\0\xff"),
                octet_string(week),
            )
            for name, month, week in _SEASONS
        ]
    )


def _weeks() -> Data:
    return array(*[structure(octet_string(name), *map(unsigned, days)) for name, days in _WEEKS])


def _special_days() -> Data:
    return array(
        *[
            structure(
                long_unsigned(index),
                octet_string(bytes((_ANY, _ANY, month, day, _ANY))),
                unsigned(_DAY_PROFILES[-1]),
            )
            for index, (month, day) in enumerate(_SPECIAL_DAYS)
        ]
    )


def _days(meter: Meter, first_script: int) -> Data:
    """Return the day profiles: the times of day at which each register is selected."""
    slots = meter.tariff
    switches = [slot for slot in range(HALF_HOURS) if slot == 0 or slots[slot] != slots[slot - 1]]
    actions = [
        structure(
            octet_string(bytes((slot // 2, slot % 2 * 30, 0, 0))),
            _TARIFF_SCRIPTS,
            long_unsigned(first_script + slots[slot]),
        )
        for slot in switches
    ]
    return array(*[structure(unsigned(number), array(*actions)) for number in _DAY_PROFILES])


def _primary_days(meter: Meter, now: int) -> Data:
    return _days(meter, _BLOCK_SCRIPT if meter.block_thresholds else _TOU_SCRIPT)


def _secondary_days(meter: Meter, now: int) -> Data:
    return _days(meter, _SECONDARY_SCRIPT)


def _tou_price(meter: Meter, now: int) -> int:
    return tariff.tou_prices(meter)[meter.tariff[now % DAY // HALF_HOUR]]


def _primary_price(meter: Meter, now: int) -> Data:
    """Return the price at `now`."""
    if meter.block_thresholds:
        return double_long_unsigned(tariff.block_prices(meter)[current_block(meter, now)])
    return double_long_unsigned(_tou_price(meter, now))


def _thresholds(tou: int) -> Value:
    def value(meter: Meter, now: int) -> Data:
        thresholds = meter.block_thresholds if tou == 0 else ()
        unused = BLOCKS - 1 - len(thresholds) if thresholds else 1
        return numbers((*thresholds, *(_NO_THRESHOLD,) * unused))

    return value


def _padded(used: tuple[int, ...], number: int) -> tuple[int, ...]:
    return (*used, *(0,) * (number - len(used)))


def _tou_prices(meter: Meter, registers: int) -> list[tuple[bytes, int]]:
    """Return index and price of each TOU register; the price of unused ones is 0."""
    used = tariff.tou_prices(meter)[: max(meter.tariff) + 1]
    return [(bytes((number,)), price) for number, price in enumerate(_padded(used, registers), 1)]


def _block_prices(meter: Meter) -> list[tuple[bytes, int]]:
    """Return index and price of each block and TOU: A1 to A8 for the first block, then B1 on."""
    used = tariff.block_prices(meter)[: len(meter.block_thresholds) + 1]
    return [
        (bytes((0xA0 + 0x10 * block + tou,)), price if tou == 1 else 0)
        for block, price in enumerate(_padded(used, BLOCKS))
        for tou in range(1, BLOCK_TOUS + 1)
    ]


def _price_matrix(meter: Meter, now: int) -> Data:
    if meter.block_thresholds:
        no_tou = [(bytes((number,)), 0) for number in range(1, TOU_REGISTERS + 1)]
        matrix = no_tou + _block_prices(meter)
    else:
        no_blocks = [(index, 0) for index, _ in _block_prices(meter)]
        matrix = _tou_prices(meter, TOU_REGISTERS) + no_blocks
    return unit_charge(matrix, _commodity("1.0.1.8.0.255"), _PER_KWH)


def _secondary_prices(meter: Meter, now: int) -> Data:
    used = _tou_prices(meter, SECONDARY_TOU_REGISTERS)
    return unit_charge(used, _commodity("1.20.1.8.0.255"), _PER_KWH)


def _standing_charge(meter: Meter, now: int) -> Data:
    return unit_charge([(b"", tariff.standing_charge(meter))])


def _commodity(register: str) -> Data:
    return structure(long_unsigned(3), octet_string(parse_dotted(register)), integer(2))


TARIFF: dict[Reference, Value] = {
    reference(3, "0.0.94.44.1.7"): _primary_price,
    reference(3, "0.0.94.44.1.7", 3): always(PRICE_UNIT),
    reference(20, "0.0.13.0.0.255", 3): _seasons,
    reference(20, "0.0.13.0.0.255", 4): always(_weeks()),
    reference(20, "0.0.13.0.0.255", 5): _primary_days,
    reference(11, "0.0.11.0.0.255"): always(_special_days()),
    **{reference(21, f"0.0.16.0.{11 + tou}.255"): _thresholds(tou) for tou in range(BLOCK_TOUS)},
    reference(9000, "0.0.94.44.2.0"): always(TRUE),
    reference(113, "0.0.19.20.4.255", 5): _standing_charge,
    reference(113, "0.0.19.20.0.255", 5): _price_matrix,
}

SECONDARY_TARIFF: dict[Reference, Value] = {
    reference(113, "0.0.19.20.5.255", 5): _secondary_prices,
    reference(3, "0.0.94.44.1.8"): lambda meter, now: double_long_unsigned(_tou_price(meter, now)),
    reference(3, "0.0.94.44.1.8", 3): always(PRICE_UNIT),
    reference(11, "0.0.11.0.1.255"): always(_special_days()),
    reference(20, "0.0.13.0.1.255", 3): _seasons,
    reference(20, "0.0.13.0.1.255", 4): always(_weeks()),
    reference(20, "0.0.13.0.1.255", 5): _secondary_days,
}
"""Objects of the second element, which only a twin element meter has."""
