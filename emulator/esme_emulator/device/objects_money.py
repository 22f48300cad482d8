"""Objects of the account: SRVs 4.3, 4.13 and 4.18.

Supply never ends for lack of credit: the non-disablement calendar begins every day and never ends.

Source: vectors of ECS02, ECS03, ECS26a and ECS82; ECS19 by analogy, its parts as in
`gbcs.tables.reading_services`.
"""

from esme_emulator.device import tariff
from esme_emulator.device.account import balances, time_debts
from esme_emulator.device.cosem import (
    TRUE,
    Reference,
    Value,
    always,
    bits,
    double_long,
    reference,
    unit_charge,
    unsigned,
)
from esme_emulator.device.model import Meter
from gbcs.dlms.data import (
    Data,
    array,
    double_long_unsigned,
    long_unsigned,
    octet_string,
    structure,
)
from gbcs.instants import DAY
from gbcs.obis import parse_dotted

_SCRIPTS = octet_string(parse_dotted("0.0.10.0.106.255"))
_BEGINS, _ENDS = 32, 33
_MIDNIGHT = octet_string(bytes(4))
_NO_VALIDITY = long_unsigned(0xFFFF)
_NO_DAY, _WEEKDAYS, _WEEKEND = b"\x00", b"\xf8", b"\x06"
_SPECIAL, _NOT_SPECIAL = bits(4, b"\xf0"), bits(4, b"\x00")
_HALVES = ((b"\1\1", b"\6\x1e"), (b"\7\1", b"\x0c\x1f"))
"""Month and day of the first and the last day of each half of the year."""
_CALENDAR = ((_BEGINS, _WEEKEND, _SPECIAL), (_BEGINS, _WEEKDAYS, _NOT_SPECIAL),
             (_ENDS, _NO_DAY, _NOT_SPECIAL))  # fmt: skip
_SPECIAL_DAYS = (b"\x0c\x19", b"\x0c\x1a", b"\1\1", b"\x0c\x1f")
_ANY_YEAR, _ANY_DAY = b"\xff\xff", b"\xff"

_METER_BALANCE, _EMERGENCY_CREDIT, _ACCUMULATED_DEBT = "0.0.19.10.0", "0.0.19.10.1", "0.0.19.10.2"
_TARIFF, _STANDING, _SECONDARY_TARIFF = "0.0.19.20.0", "0.0.19.20.4", "0.0.19.20.5"
_TIME_DEBT_1, _TIME_DEBT_2, _PAYMENT_DEBT = "0.0.19.20.1", "0.0.19.20.2", "0.0.19.20.3"
_EVERY_CHARGE = (_TARIFF, _STANDING, _TIME_DEBT_1, _TIME_DEBT_2, _PAYMENT_DEBT)
_PAID_FROM = {
    "credit": ((_METER_BALANCE, (_TARIFF, _STANDING)),),
    "prepayment": (
        (_METER_BALANCE, _EVERY_CHARGE),
        (_EMERGENCY_CREDIT, (_PAYMENT_DEBT, *_EVERY_CHARGE[:-1])),
        (_ACCUMULATED_DEBT, (_STANDING, _TIME_DEBT_1, _TIME_DEBT_2)),
    ),
}
"""Credits by payment mode, each with the charges collected from it, in order of priority.

Source: ECS02_1.6 and ECS03_1.6, which set them, and ECS26a_4.13, which reads them.
"""
_SECOND_ELEMENT_PAID_FROM = {
    "credit": (_METER_BALANCE,),
    "prepayment": (_METER_BALANCE, _EMERGENCY_CREDIT),
}
"""Credits from which the tariff of a second element is collected; these entries come last."""
# The vectors leave time debts out of non-disablement periods, or collect them then too
# (ECS03_1.6_CANCELLATION). Ours are collected, as the non-disablement calendar covers every hour.
_ALWAYS_COLLECTED = bits(3, b"\xe0")
"""While disconnected, while load is limited, and in non-disablement periods."""


def _registers(meter: Meter, now: int) -> Data:
    now_due = balances(meter, now)
    return structure(
        *map(
            double_long,
            (
                now_due.meter_balance,
                now_due.emergency_credit_balance,
                now_due.accumulated_debt,
                *now_due.time_debts,
                now_due.payment_debt,
            ),
        )
    )


def _time_debt(number: int) -> Value:
    """Return a function for the daily recovery of a time debt; it gives 0 without a debt."""

    def value(meter: Meter, now: int) -> Data:
        rate = tariff.TIME_DEBTS[number].recovery if time_debts(meter)[number] else 0
        return unit_charge([(b"", rate)])

    return value


def _calendar() -> Data:
    entries = [(*rule, *half) for half in _HALVES for rule in _CALENDAR]
    return array(
        *[
            structure(
                long_unsigned(index),
                TRUE,
                _SCRIPTS,
                long_unsigned(script),
                _MIDNIGHT,
                _NO_VALIDITY,
                bits(7, weekdays),
                special_days,
                octet_string(_ANY_YEAR + begin + _ANY_DAY),
                octet_string(_ANY_YEAR + end + _ANY_DAY),
            )
            for index, (script, weekdays, special_days, begin, end) in enumerate(entries, 1)
        ]
    )


def _special_days() -> Data:
    return array(
        *[
            structure(
                long_unsigned(index), octet_string(_ANY_YEAR + day + _ANY_DAY), unsigned(index)
            )
            for index, day in enumerate(_SPECIAL_DAYS, 1)
        ]
    )


def _paid_from(meter: Meter, now: int) -> Data:
    payment = meter.profile.payment
    pairs = [(credit, charge) for credit, charges in _PAID_FROM[payment] for charge in charges]
    if meter.secondary is not None:
        pairs += [(credit, _SECONDARY_TARIFF) for credit in _SECOND_ELEMENT_PAID_FROM[payment]]
    return array(
        *[structure(_named(credit), _named(charge), _ALWAYS_COLLECTED) for credit, charge in pairs]
    )


def _named(dotted: str) -> Data:
    return octet_string(parse_dotted(f"{dotted}.255"))


MONEY: dict[Reference, Value] = {
    reference(1, "0.0.94.44.34.30"): _registers,
    reference(112, "0.0.19.10.0.255"): lambda meter, now: double_long(
        balances(meter, now).meter_balance
    ),
    reference(113, "0.0.19.20.1.255", 5): _time_debt(0),
    reference(113, "0.0.19.20.1.255", 8): always(double_long_unsigned(DAY)),
    reference(113, "0.0.19.20.2.255", 5): _time_debt(1),
    reference(113, "0.0.19.20.2.255", 8): always(double_long_unsigned(DAY)),
    reference(113, "0.0.19.20.3.255", 13): always(long_unsigned(tariff.PAYMENT_DEBT.recovery)),
    reference(9000, "0.0.94.44.2.10"): always(double_long(tariff.MOST_TOP_UP)),
    reference(9000, "0.0.94.44.2.20"): always(double_long(tariff.MOST_BALANCE)),
    reference(21, "0.0.16.0.1.255"): always(array(double_long(tariff.DISABLEMENT))),
    reference(111, "0.0.19.0.0.255", 11): _paid_from,
    reference(111, "0.0.19.0.0.255", 16): always(double_long(tariff.LOW_CREDIT)),
    reference(111, "0.0.19.0.0.255", 18): always(long_unsigned(tariff.RECOVERY_CAP)),
    reference(111, "0.0.19.0.0.255", 19): always(double_long(tariff.RECOVERY_CAP_PERIOD)),
    reference(112, "0.0.19.10.1.255", 9): always(double_long(tariff.EMERGENCY_CREDIT)),
    reference(112, "0.0.19.10.1.255", 10): always(double_long(tariff.EMERGENCY_THRESHOLD)),
    reference(11, "0.0.11.0.2.255"): always(_special_days()),
    reference(10, "0.0.12.0.1.255"): always(_calendar()),
}
