"""Building blocks of COSEM objects: references to attributes, and DLMS values."""

from collections.abc import Callable, Iterable

from esme_emulator.device.model import Meter
from gbcs.dlms.data import (
    BitString,
    Data,
    DataType,
    array,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from gbcs.instants import to_date_time
from gbcs.obis import parse_dotted

Reference = tuple[int, bytes, int]
"""Class, logical name and attribute."""

Value = Callable[[Meter, int], Data]
"""Returns the value of an attribute at a time, in seconds since 2000."""

WH, VARH, WATT, COUNT, CURRENCY = 30, 32, 27, 255, 254
"""Units of the DLMS Blue Book, 4.3.2, as the vectors use them; CURRENCY is theirs for a price."""

TRUE, FALSE = Data(DataType.BOOLEAN, 0xFF), Data(DataType.BOOLEAN, 0)
NO_COMMODITY = structure(long_unsigned(0), octet_string(bytes(6)), integer(0))
"""Reference of a charge that is not for energy."""

_GBP_EXPONENT = -5


def reference(class_id: int, dotted: str, index: int = 2) -> Reference:
    """Return the reference of an attribute of the object named `dotted`."""
    return class_id, parse_dotted(dotted), index


def always(value: Data) -> Value:
    """Return a function that returns `value` for any meter and time."""
    return lambda meter, now: value


def scaler_unit(unit: int, scaler: int = 0) -> Data:
    """Return scaler and unit of a register."""
    return structure(integer(scaler), enum(unit))


PRICE_UNIT = scaler_unit(CURRENCY, _GBP_EXPONENT)


def double_long(number: int) -> Data:
    """Return a double-long, 32 bits signed."""
    return Data(DataType.DOUBLE_LONG, number)


def unsigned(number: int) -> Data:
    """Return an unsigned, 8 bits."""
    return Data(DataType.UNSIGNED, number)


def bits(length: int, octets: bytes = b"") -> Data:
    """Return a bit-string of `length` bits."""
    return Data(DataType.BIT_STRING, BitString(length, octets))


def numbers(values: Iterable[int]) -> Data:
    """Return an array of double-long-unsigned."""
    return array(*map(double_long_unsigned, values))


def date_time(instant: int) -> Data:
    """Return the date-time of `instant`, in seconds since 2000, as an octet-string."""
    return octet_string(to_date_time(instant))


_MOST_LONG = 0x7FFF


def unit_charge(
    prices: Iterable[tuple[bytes, int]], commodity: Data = NO_COMMODITY, scale: int = 0
) -> Data:
    """Return the unit charge of a charge (class 113) in 10^-5 GBP, with a price for each index.

    `scale` is that of the commodity: 3 for kWh.
    """
    prices, exponent = list(prices), _GBP_EXPONENT
    if max((price for _, price in prices), default=0) > _MOST_LONG:
        # Such prices are whole hundredths of a penny: the fleet file is checked for it.
        prices, exponent = [(index, price // 10) for index, price in prices], exponent + 1
    return structure(
        structure(integer(scale), integer(exponent)),
        commodity,
        array(
            *[structure(octet_string(index), Data(DataType.LONG, price)) for index, price in prices]
        ),
    )
