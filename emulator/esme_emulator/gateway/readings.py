"""Decoded readings as XML: the `…Rsp` elements of DCC's Message Mapping Catalogue (MMC).

One element for each reading SRV. Its parts are in the order of the schema. An attribute that the
meter did not return is left out, since all parts are optional; `MessageSuccess` tells that some are
missing. Values are those of the meter's reply, as `gbcs.usecases.values` decodes them: energy in Wh
or varh, money in 10⁻⁵ pounds, instants in UTC.

Left out: PaymentMode, SuspendDebtDisabled and SuspendDebtEmergency of SRV 4.13. Nothing published
says how the MMC derives them from the charges that the meter returns.

Source: MMC XML schema 5.4 (SEC Appendix AF).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from lxml import etree

from esme_emulator.gateway.requests import Element
from gbcs.dlms.data import BitString
from gbcs.instants import from_date_time, to_iso
from gbcs.tables.cosem import UNITS
from gbcs.usecases.rows import Row
from gbcs.usecases.values import Reading, plain

NAMESPACE = "http://www.dccinterface.co.uk/ResponseAndAlert"
"""Namespace of the MMC; DCC writes it with the prefix `ra`."""

_IN = f"{{{NAMESPACE}}}"

Content: TypeAlias = Any
"""Text, a number, a list of parts, or None for no element."""
Part: TypeAlias = tuple[str, Content] | tuple[str, Content, int]
"""Name, content and index of an element."""

_Values: TypeAlias = Mapping[str, Any]
_Rows: TypeAlias = Mapping[str, Sequence[Row]]

_UNITS = {code: UNITS[code] for code in (27, 30, 32)} | {255: "count"}
"""Units of the DLMS Blue Book, 4.3.2."""


def response_element(name: str, srv: str, readings: Sequence[Reading]) -> Element:
    """Return the element `name` + `Rsp` with what was read by `srv`.

    `name` is that of the request's element, such as ReadMeterBalance.
    """
    root = etree.Element(f"{_IN}{name}Rsp", nsmap={"ra": NAMESPACE})
    root.set("MessageSuccess", "false" if any(each.code for each in readings) else "true")
    values: dict[str, Any] = {}
    rows: dict[str, Sequence[Row]] = {}
    for each in readings:
        if each.data is None:
            continue
        log, fields = each.rows, each.fields
        if log is not None:
            rows[each.name] = log
        elif fields is not None:
            values |= fields
        else:
            values[each.name] = plain(each.data)
    append(root, _PARTS[srv](values, rows))
    return root


def append(parent: Element, parts: Iterable[Part]) -> None:
    """Add elements of the MMC to `parent`."""
    for name, content, *index in parts:
        if content is None:
            continue
        child = etree.SubElement(parent, f"{_IN}{name}")
        if index:
            child.set("index", str(index[0]))
        if isinstance(content, list):
            append(child, content)
        else:
            child.text = str(content)


def _group(*parts: Part) -> list[Part] | None:
    """Return an element's parts, None if all of them are missing."""
    found = [part for part in parts if part[1] is not None]
    return found or None


def _indexed(name: str, numbers: Iterable[Any] | None) -> list[Part]:
    """Return an element for each number, with its index from 1."""
    return [(name, number, index) for index, number in enumerate(numbers or (), 1)]


# Registers


def _unit(scaler_unit: Sequence[int] | None) -> str | None:
    return None if scaler_unit is None else _UNITS.get(scaler_unit[1])


def _register(value: int | None, kind: str, scaler_unit: Sequence[int] | None) -> Content:
    if value is None:
        return None
    return _group(("Value", value), (f"{kind}EnergyUnit", _unit(scaler_unit)))


def _import_registers(values: _Values, rows: _Rows) -> list[Part]:
    get = values.get
    active, reactive = get("import_scaler_unit"), get("reactive_import_scaler_unit")
    second = _register(get("secondary_import"), "Active", active)
    return [
        (
            "Electricity",
            [
                ("ActiveImportRegister", _register(get("import"), "Active", active)),
                ("ReactiveImportRegister", _register(get("reactive_import"), "Reactive", reactive)),
                ("SecondaryActiveImportRegister", second),
            ],
        )
    ]


def _export_registers(values: _Values, rows: _Rows) -> list[Part]:
    return [
        (
            f"{kind}ExportRegister",
            _register(
                values.get(f"{kind} export register: value"),
                kind,
                values.get(f"{kind} export register: scaler_unit"),
            ),
        )
        for kind in ("Active", "Reactive")
    ]


def _tou_matrices(values: _Values, rows: _Rows) -> list[Part]:
    registers = [
        *_indexed("TOUPrimaryRegisterValue", values.get("tou")),
        *_indexed("TOUSecondRegisterValue", values.get("secondary_tou")),
    ]
    return [("Electricity", [("TariffTOURegisterCollection", registers or None)])]


_BLOCKS, _BLOCK_TOUS = 4, 8


def _block_matrices(values: _Values, rows: _Rows) -> list[Part]:
    registers = values.get("blocks")
    if registers is None:
        return []
    # For each block eight registers and then eight counters: see `gbcs.tables.reading_services`.
    width = 2 * _BLOCK_TOUS
    of_block = [registers[at : at + width] for at in range(0, len(registers), width)]
    blocks: list[Part] = [
        (
            "TariffBlock",
            [
                *_indexed("RegisterMatrixTOUValue", block[:_BLOCK_TOUS]),
                *_indexed("CounterMatrixTOUValue", block[_BLOCK_TOUS:]),
            ],
            number,
        )
        for number, block in enumerate(of_block, 1)
    ]
    return [("TariffBlockTOURegisterCollection", blocks)]


def _balances(values: _Values, rows: _Rows) -> list[Part]:
    return _columns(_NOW_BALANCES, values)


def _meter_balance(values: _Values, rows: _Rows) -> list[Part]:
    return [("MeterBalance", values.get("Meter balance: current_credit_amount"))]


def _power(values: _Values, rows: _Rows) -> list[Part]:
    power = _group(
        ("Value", values.get("import")), ("Unit", _unit(values.get("import_scaler_unit")))
    )
    return [("ActivePowerImport", power), ("PrimaryActivePowerImportValue", values.get("primary"))]


# Logs

_Columns: TypeAlias = tuple[tuple[str, str], ...]
"""Columns of a log in the order of the schema, each with the name of its element."""

_BALANCES: _Columns = (
    ("accumulated_debt", "AccumulatedDebtRegister"),
    ("emergency_credit_balance", "EmergencyCreditBalance"),
    ("meter_balance", "MeterBalance"),
    ("payment_debt", "PaymentDebtRegister"),
    ("time_debt_1", "TimeDebtRegisters1"),
    ("time_debt_2", "TimeDebtRegisters2"),
    ("time", "Timestamp"),
)
_NOW_BALANCES: _Columns = (
    ("emergency_credit_balance", "EmergencyCreditBalance"),
    ("accumulated_debt", "AccumulatedDebtRegister"),
    ("payment_debt", "PaymentDebtRegister"),
    ("time_debt_1", "TimeDebtRegister1"),
    ("time_debt_2", "TimeDebtRegister2"),
    ("meter_balance", "MeterBalance"),
)
_TOU, _SECONDARY_TOU, _BLOCK = (
    ("tou", "TariffTOURegisterMatrixValue"),
    ("secondary_tou", "SecondaryTariffTOURegisterMatrixValue"),
    ("blocks", "TariffTOUBlock{}RegisterMatrixValue"),
)
_AT_EVENTS: _Columns = (
    ("import", "ActiveImportRegisterConsumption"),
    _TOU,
    _BLOCK,
    ("secondary_import", "SecondaryActiveImportRegisterConsumption"),
    _SECONDARY_TOU,
    ("time", "Timestamp"),
)
_AT_BILLING: _Columns = (
    ("time", "Timestamp"),
    ("import", "ActiveImportRegisterValueConsumption"),
    ("secondary_import", "SecondaryActiveImportRegisterValueConsumption"),
    _TOU,
    _SECONDARY_TOU,
    _BLOCK,
)
_AT_MIDNIGHT: _Columns = (
    ("import", "ElecActiveImportRegisterConsumption"),
    ("secondary_import", "SecondaryActiveImportRegisterConsumption"),
    _SECONDARY_TOU,
    _TOU,
    _BLOCK,
)
_AMOUNTS: _Columns = (("amount", "Amount"), ("time", "Timestamp"))


def _columns(columns: _Columns, row: Row) -> list[Part]:
    """Return the elements of one entry of a log. Columns that it lacks are left out."""
    parts: list[Part] = []
    for column, name in columns:
        value = row.get(column)
        if column == "time":
            parts.append((name, to_iso(row["time"])))
        elif column == "blocks" and value is not None:
            for number, block in enumerate(value, 1):
                parts += _indexed(name.format(number), block)
        elif isinstance(value, tuple):
            parts += _indexed(name, value)
        else:
            parts.append((name, value))
    return parts


def _only_log(rows: _Rows) -> Sequence[Row]:
    """Return the entries of the log that was read, none if it was not."""
    return next(iter(rows.values()), ())


def _log(*columns: tuple[str, str]) -> Callable[[_Values, _Rows], list[Part]]:
    """Return a function that returns a LogEntry for each entry of the only log."""

    def parts(values: _Values, rows: _Rows) -> list[Part]:
        return [("LogEntry", _columns(columns, row)) for row in _only_log(rows)]

    return parts


def _electricity_log(*columns: tuple[str, str]) -> Callable[[_Values, _Rows], list[Part]]:
    """Return a function that returns these entries inside one element Electricity."""
    entries = _log(*columns)
    return lambda values, rows: [("Electricity", entries(values, rows))]


def _timed_log(*columns: tuple[str, str]) -> Callable[[_Values, _Rows], list[Part]]:
    """Return a function that returns entries with an element Electricity in each."""

    def parts(values: _Values, rows: _Rows) -> list[Part]:
        return [
            (
                "LogEntry",
                [("Timestamp", to_iso(row["time"])), ("Electricity", _columns(columns, row))],
            )
            for row in _only_log(rows)
        ]

    return parts


def _amounts(name: str) -> Callable[[_Values, _Rows], list[Part]]:
    entries = _log(*_AMOUNTS)
    return lambda values, rows: [(name, entries(values, rows))]


def _event_log(values: _Values, rows: _Rows) -> list[Part]:
    log = _only_log(rows)
    registers: list[Part] = [
        ("LogEntryConsumptionAndTariffRegistersData", _columns(_AT_EVENTS, row)) for row in log
    ]
    balances: list[Part] = [("LogEntryPrepaymentData", _columns(_BALANCES, row)) for row in log]
    return [("Electricity", registers + balances)]


_BILLING = "Billing data log, billing calendar: {}: buffer"


def _billing_log(values: _Values, rows: _Rows) -> list[Part]:
    registers: list[Part] = [
        ("ESMEBillingDataLogEntry", _columns(_AT_BILLING, row))
        for row in rows.get(_BILLING.format("registers"), ())
    ]
    balances: list[Part] = [
        ("ESMEBillingPrepaymentDataLogEntry", _columns(_BALANCES, row))
        for row in rows.get(_BILLING.format("prepayment"), ())
    ]
    return [("Electricity", registers + balances)]


# Network


def _phase(values: _Values, rows: _Rows, phase: int) -> list[Part] | None:
    def counter(which: str) -> Content:
        name = f"Average RMS {which} voltage counter, phase {phase}"
        unit = _unit(values.get(f"{name}: scaler_unit"))
        return _group(("Value", values.get(f"{name}: value")), ("Unit", unit))

    log = f"Average RMS voltage profile data log, phase {phase}"
    columns = (("average_rms_voltage", "Value"), ("time", "Timestamp"))
    entries: list[Part] = [
        ("LogEntry", _columns(columns, row)) for row in rows.get(f"{log}: buffer", ())
    ]
    period = values.get(f"{log}: capture_period")
    return _group(
        ("AvgRMSOverVoltageCounter", counter("over")),
        ("AvgRMSUnderVoltageCounter", counter("under")),
        ("AvgRMSVoltageProfileDataLog", _group(*entries, ("MeasurementPeriod", period))),
    )


def _network(values: _Values, rows: _Rows) -> list[Part]:
    phases = [(phase, _phase(values, rows, phase)) for phase in (1, 2, 3)]
    if all(data is None for _, data in phases[1:]):
        return [("Electricity", [("SinglePhaseESME", phases[0][1])])]
    each: list[Part] = [
        (
            "PhaseVoltageOperationalData",
            [("VoltageOperationalData", data), ("Phase", phase)],
        )
        for phase, data in phases
    ]
    return [("Electricity", [("PolyPhaseESME", each)])]


# Dates and times

_ANY, _LAST_DAY, _SECOND_LAST_DAY = 0xFF, 0xFE, 0xFD
_ANY_YEAR = 0xFFFF


def _date_time(octets: bytes | None) -> str | None:
    """Return a DLMS date-time in ISO 8601; None if it is not fully specified."""
    if octets is None:
        return None
    try:
        return to_iso(from_date_time(octets))
    except ValueError:
        return None


def _time(octets: bytes) -> str:
    """Return the time of day in a DLMS time of 4 octets."""
    return f"{octets[0]:02}:{octets[1]:02}:{octets[2]:02}Z"


def _date(octets: bytes) -> list[Part]:
    """Return the parts of a Date, from the 5 octets of a DLMS date, with its wildcards."""
    year, (month, day, weekday) = int.from_bytes(octets[:2], "big"), octets[2:5]
    days = {_LAST_DAY: "LastDayOfMonth", _SECOND_LAST_DAY: "SecondLastDayOfMonth"}

    def one(name: str, number: int, any_number: int = _ANY) -> Part:
        specified = number != any_number
        return name, [(f"{'' if specified else 'Non'}Specified{name}", number if specified else "")]

    of_month: Part = ("DayOfMonth", [(days[day], "")]) if day in days else one("DayOfMonth", day)
    return [
        one("Year", year, _ANY_YEAR),
        one("Month", month),
        of_month,
        one("DayOfWeek", weekday),
    ]


def _full_date(octets: bytes) -> str | None:
    """Return a DLMS date in ISO 8601; None if it has wildcards."""
    year, month, day = int.from_bytes(octets[:2], "big"), octets[2], octets[3]
    full = year != _ANY_YEAR and month <= 12 and day <= 31
    return f"{year:04}-{month:02}-{day:02}" if full else None


# Tariff

_BLOCK_SCRIPTS, _SECONDARY_SCRIPTS = 100, 200
"""Scripts above these select blocks and registers of the second element; below, TOU registers."""
_FIRST_BLOCK_INDEX = 0xA1
"""Index of a price: 1 to 48 for TOU registers, A1 to D8 for the TOUs of the four blocks."""


def _prices(charge: Sequence[Any] | None) -> dict[int, int]:
    """Return the prices of a charge by index; that of a charge with one price is 0."""
    table = () if charge is None else charge[2]
    return {int.from_bytes(index, "big"): price for index, price in table}


def _scale(charge: Sequence[Any] | None) -> int | None:
    return None if charge is None else int(charge[0][1])


def _charge(values: _Values, name: str) -> Any:
    return values.get(f"{name}: unit_charge_active")


def _tou_prices(prices: Mapping[int, int]) -> list[Part] | None:
    found: list[Part] = [
        ("TariffTOUPrice", price, index)
        for index, price in prices.items()
        if index < _FIRST_BLOCK_INDEX
    ]
    return found or None


def _block_prices(prices: Mapping[int, int]) -> list[Part] | None:
    """Return the prices of the blocks, by TOU."""
    found: list[Part] = []
    for tou in range(1, _BLOCK_TOUS + 1):
        indexes = [_FIRST_BLOCK_INDEX - 1 + 0x10 * block + tou for block in range(_BLOCKS)]
        of_tou: list[Part] = [
            ("BlockPrice", prices[index], block)
            for block, index in enumerate(indexes, 1)
            if index in prices
        ]
        if of_tou:
            found.append(("TariffBlockPrices", of_tou, tou))
    return found or None


def _action(script: int) -> Part:
    if script > _SECONDARY_SCRIPTS:
        return "TOUTariffAction", script - _SECONDARY_SCRIPTS
    if script > _BLOCK_SCRIPTS:
        return "BlockTariffAction", script - _BLOCK_SCRIPTS
    return "TOUTariffAction", script


def _switching(values: _Values, prefix: str) -> list[Part] | None:
    def table(name: str) -> Any:
        return values.get(f"{prefix}: {name}", ())

    days: list[Part] = [
        (
            "DayProfile",
            [
                ("Day", day),
                *[
                    ("ProfileSchedule", [("StartTime", _time(start)), _action(script)])
                    for start, _, script in actions
                ],
            ],
        )
        for day, actions in table("day_profile_table_active")
    ]
    weeks: list[Part] = [
        ("WeekProfile", [("WeekName", _number(name)), *_indexed("ReferencedElecDay", of_week)])
        for name, *of_week in table("week_profile_table_active")
    ]
    seasons: list[Part] = [
        (
            "Season",
            [
                ("SeasonName", name.decode("ascii", "replace")),
                ("SeasonStartDate", _date(start)),
                ("ReferencedWeekName", _number(week)),
            ],
        )
        for name, start, week in table("season_profile_active")
    ]
    return _group(
        ("DayProfiles", days or None),
        ("WeekProfiles", weeks or None),
        ("Seasons", seasons or None),
    )


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def _special_days(values: _Values, prefix: str) -> list[Part] | None:
    entries = values.get(f"{prefix}: entries")
    if entries is None:
        return None
    return [
        ("SpecialDay", [("Date", _date(date)), ("ReferencedDay", day)]) for _, date, day in entries
    ]


def _thresholds(values: _Values) -> list[Part] | None:
    found: list[Part] = []
    for tou in range(1, _BLOCK_TOUS + 1):
        thresholds = values.get(f"Tariff threshold matrix, blocks, TOU {tou}: thresholds")
        if thresholds is not None:
            found.append(("ElecTariffThresholds", _indexed("BlockThreshold", thresholds), tou))
    return found or None


def _primary_tariff(values: _Values, rows: _Rows) -> list[Part]:
    pounds = values.get("Currency unit: value_active")
    label = None if pounds is None else "GBP" if pounds else "ECB"
    name = None if pounds is None else "Millipence" if pounds else "Millicent"
    standing = _charge(values, "Standing charge")
    charge = _charge(values, "Tariff block and TOU price matrix")
    prices = _prices(charge)
    table = "Tariff switching table"
    return [
        (
            "Electricity",
            [
                ("PrimaryActiveTariffPrice", values.get("Primary active tariff price: value")),
                ("CurrencyUnitsLabel", label),
                ("CurrencyUnitsName", name),
                ("StandingCharge", _prices(standing).get(0)),
                ("StandingChargeScale", _scale(standing)),
                ("PriceScale", _scale(charge)),
                ("TariffBlockPriceMatrix", _block_prices(prices)),
                ("TariffTOUPriceMatrix", _tou_prices(prices)),
                ("TariffSwitchingTable", _switching(values, table)),
                ("TariffSwitchingTableSpecialDays", _special_days(values, f"{table} special days")),
                ("TariffThresholdMatrix", _thresholds(values)),
            ],
        )
    ]


def _secondary_tariff(values: _Values, rows: _Rows) -> list[Part]:
    charge = _charge(values, "Secondary tariff TOU price matrix")
    table = "Secondary tariff switching table"
    return [
        ("SecondaryActiveTariffPrice", values.get("Secondary active tariff price: value")),
        ("PriceScale", _scale(charge)),
        ("TariffTOUPriceMatrix", _tou_prices(_prices(charge))),
        ("TariffSwitchingTable", _switching(values, table)),
        ("TariffSwitchingTableSpecialDays", _special_days(values, f"{table} special days")),
    ]


# Maximum demand, prepayment and load limit


def _demand(values: _Values, name: str) -> list[Part] | None:
    return _group(
        ("Value", values.get(f"{name}: value")),
        ("CaptureTime", _date_time(values.get(f"{name}: capture_time"))),
        ("LastResetDateTime", _date_time(values.get(f"{name}, last reset: value"))),
    )


def _demand_import(values: _Values, rows: _Rows) -> list[Part]:
    configurable = "Maximum demand (configurable time) active power import"
    entries = values.get("Maximum demand configurable time period: entries")
    period: Content = None
    if entries is not None and len(entries) == 2:
        # Two switches a day: the first starts the period, the second ends it.
        period = [("StartTime", _time(entries[0][4])), ("EndTime", _time(entries[1][4]))]
    return [
        ("MaxDemandConfigurableTimeActivePowerImport", _demand(values, configurable)),
        (
            "MaxDemandActiveEnergyImport",
            _demand(values, "Maximum demand active power import"),
        ),
        ("MaxDemandConfigurableTimePeriod", period),
    ]


def _demand_export(values: _Values, rows: _Rows) -> list[Part]:
    demand = _demand(values, "Maximum demand active power export")
    return [("MaxDemandActiveEnergyExport", demand)]


_PERIODS = {3600: "HOURLY", 86400: "DAILY"}
_SCRIPTS = {32: "START", 33: "STOP"}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _debt(values: _Values, number: int) -> list[Part] | None:
    charge = _charge(values, f"Time debt {number}")
    return _group(
        ("DebtRecoveryRate", _prices(charge).get(0)),
        ("DebtRecoveryRatePriceScale", _scale(charge)),
        ("DebtRecoveryRatePeriod", _PERIODS.get(values.get(f"Time debt {number}: period", 0))),
    )


def _bits(bits: BitString) -> Iterator[int]:
    """Yield the numbers of the bits that are set, from 1."""
    return (number for number, bit in enumerate(str(bits), 1) if bit == "1")


def _non_disablement(values: _Values) -> list[Part] | None:
    special = values.get("Non-disablement calendar special days: entries", ())
    days: list[Part] = [("SpecialDay", _date(date), index) for index, date, _ in special]
    schedule: list[Part] = [
        (
            "ElectricityNonDisablementSchedule",
            [
                ("NonDisablementScript", _SCRIPTS.get(script)),
                (
                    "SpecialDaysApplicability",
                    [("SpecialDayApplicability", [("SpecialDayID", n)]) for n in _bits(specials)],
                ),
                (
                    "DaysOfWeekApplicability",
                    [
                        ("DayOfWeekApplicability", [("DayOfWeekID", _WEEKDAYS[n - 1])])
                        for n in _bits(weekdays)
                    ],
                ),
                (
                    "ScheduleDatesAndTime",
                    [
                        ("SwitchTime", _time(at)),
                        ("StartDate", _full_date(first)),
                        ("EndDate", _full_date(last)),
                    ],
                ),
            ],
        )
        for _, _, _, script, at, _, weekdays, specials, first, last in values.get(
            "Non-disablement calendar: entries", ()
        )
    ]
    return _group(("ElectricitySpecialDays", days or None), *schedule)


def _first(thresholds: Sequence[int] | None) -> int | None:
    return thresholds[0] if thresholds else None


def _prepayment(values: _Values, rows: _Rows) -> list[Part]:
    get = values.get
    account = "Account and payment mode"
    disablement = get("Disablement threshold (meter balance): thresholds")
    return [
        ("DebtRecoveryPerPayment", get("Payment debt: proportion")),
        ("DebtRecoveryRateCap", get(f"{account}: max_provision")),
        ("DisablementThreshold", _first(disablement)),
        ("EmergencyCreditLimit", get("Emergency credit: preset_credit_amount")),
        ("EmergencyCreditThreshold", get("Emergency credit: credit_available_threshold")),
        ("LowCreditThreshold", get(f"{account}: low_credit_threshold")),
        (
            "CreditMaxCreditThreshold",
            get("Prepayment credit, maximum credit threshold: value_active"),
        ),
        ("MaxCreditMaxMeterBalance", get("Prepayment credit, maximum meter balance: value_active")),
        (
            "Electricity",
            [
                ("NonDisablementCalendar", _non_disablement(values)),
                ("DebtRecovery1", _debt(values, 1)),
                ("DebtRecovery2", _debt(values, 2)),
            ],
        ),
    ]


def _load_limit(values: _Values, rows: _Rows) -> list[Part]:
    disables = values.get("Load limit supply state: value_active")
    return [
        ("LoadLimitCounterValue", values.get("Load limit counter: value")),
        ("LoadLimitPowerThreshold", values.get("Load limit: threshold_normal")),
        ("LoadLimitPeriod", values.get("Load limit: min_over_threshold_duration")),
        ("LoadLimitRestorationPeriod", values.get("Load limit: min_under_threshold_duration")),
        (
            "LoadLimitSupplyState",
            None if disables is None else "Disable" if disables else "Unchanged",
        ),
    ]


_PARTS: dict[str, Callable[[_Values, _Rows], list[Part]]] = {
    "4.1.1": _import_registers,
    "4.1.2": _tou_matrices,
    "4.1.3": _block_matrices,
    "4.2": _export_registers,
    "4.3": _balances,
    "4.4.2": _event_log,
    "4.4.3": _billing_log,
    "4.4.4": _amounts("PaymentBasedDebtRepayment"),
    "4.4.5": _amounts("PrepaymentCredits"),
    "4.6.1": _timed_log(*_AT_MIDNIGHT),
    "4.6.2": _log(("export", "ActiveExportRegisterValue"), ("time", "TimeStamp")),
    "4.8.1": _timed_log(("primary", "PrimaryValue"), ("secondary", "SecondaryValue")),
    "4.8.2": _log(("reactive_import", "ReactiveEnergyImportedValue"), ("time", "Timestamp")),
    "4.8.3": _log(
        ("active_export", "ActiveEnergyExportedValue"),
        ("reactive_export", "ReactiveEnergyExportedValue"),
        ("time", "Timestamp"),
    ),
    "4.10": _network,
    "4.11.1": _primary_tariff,
    "4.11.2": _secondary_tariff,
    "4.12.1": _demand_import,
    "4.12.2": _demand_export,
    "4.13": _prepayment,
    "4.14": _electricity_log(*_BALANCES),
    "4.15": _load_limit,
    "4.16": _power,
    "4.17": _electricity_log(("consumption", "Value"), ("time", "Timestamp")),
    "4.18": _meter_balance,
}
