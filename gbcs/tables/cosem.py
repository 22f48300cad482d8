"""COSEM: objects by class and logical name, interface classes, and units.

Names attributes and methods from the names of objects and classes. Knows nothing of octets other
than the six of a logical name.

Sources. Objects: see cosem_objects.csv. Classes: DLMS UA 1000-1 (Blue Book), class descriptions,
from public excerpts and implementations, checked on the vectors that use a class. Class 9000 is of
GBCS itself; its attributes are those of the GBCS Mapping Table and of DCC's gbcs-parser.
"""

from dataclasses import dataclass

from gbcs.obis import obis_text, parse_dotted
from gbcs.tables.table import read_table

LOGICAL_NAME = "logical_name"
"""Attribute 1 of every class."""

NO_CLASS = 0
"""The class of a reference to nothing."""


@dataclass(frozen=True, slots=True)
class CosemObject:
    """One object: its class, its logical name and its name in words."""

    class_id: int
    obis: bytes
    """Six octets of the logical name."""
    name: str
    inferred: bool
    """Whether `name` is our conclusion rather than that of a document."""


@dataclass(frozen=True, slots=True)
class InterfaceClass:
    """One interface class. `attributes` begin with attribute 2, `methods` with method 1."""

    class_id: int
    name: str
    attributes: tuple[str, ...]
    methods: tuple[str, ...] = ()

    def attribute(self, number: int) -> str | None:
        """Return the name of attribute `number`, None if the class lacks it."""
        if number == 1:
            return LOGICAL_NAME
        return self.attributes[number - 2] if 2 <= number < len(self.attributes) + 2 else None

    def method(self, number: int) -> str | None:
        """Return the name of method `number`, None if the class lacks it."""
        return self.methods[number - 1] if 1 <= number <= len(self.methods) else None


def object_name(class_id: int, obis: bytes) -> str | None:
    """Return the name of the object of this class and logical name, None if it is unknown."""
    found = cosem_object(class_id, obis)
    return found.name if found else None


def cosem_object(class_id: int, obis: bytes) -> CosemObject | None:
    """Return the object of this class and logical name, None if it is unknown."""
    return _OBJECTS.get((class_id, obis))


def attribute_name(class_id: int, obis: bytes, attribute: int) -> str:
    """Return the names of object and attribute, such as `Standing charge: unit_charge_passive`.

    An unknown object, class or attribute appears as its number, so every descriptor has a text.
    Class 0, with which a charge refers to no commodity, has no attributes.
    """
    if class_id == NO_CLASS:
        return _title(class_id, obis)
    known = CLASSES.get(class_id)
    name = known.attribute(attribute) if known else None
    return f"{_title(class_id, obis)}: {name or f'attribute {attribute}'}"


def method_name(class_id: int, obis: bytes, method: int) -> str:
    """Return the names of object and method, such as `Emergency credit: invoke_credit`.

    An unknown object, class or method appears as its number, so every descriptor has a text.
    """
    known = CLASSES.get(class_id)
    name = known.method(method) if known else None
    return f"{_title(class_id, obis)}: {name or f'method {method}'}"


def _title(class_id: int, obis: bytes) -> str:
    name = object_name(class_id, obis)
    if name:
        return name
    known = CLASSES.get(class_id)
    return f"{known.name if known else f'Class {class_id}'} {obis_text(obis)}"


def _class(class_id: int, name: str, attributes: str, methods: str = "") -> InterfaceClass:
    return InterfaceClass(class_id, name, tuple(attributes.split()), tuple(methods.split()))


_CLASSES = (
    _class(1, "Data", "value"),
    _class(3, "Register", "value scaler_unit", "reset"),
    _class(4, "Extended register", "value scaler_unit status capture_time", "reset"),
    _class(
        5,
        "Demand register",
        "current_average_value last_average_value scaler_unit status capture_time "
        "start_time_current period number_of_periods",
        "reset next_period",
    ),
    _class(
        7,
        "Profile generic",
        "buffer capture_objects capture_period sort_method sort_object entries_in_use "
        "profile_entries",
        "reset capture",
    ),
    _class(
        8,
        "Clock",
        "time time_zone status daylight_savings_begin daylight_savings_end "
        "daylight_savings_deviation daylight_savings_enabled clock_base",
        "adjust_to_quarter adjust_to_measuring_period adjust_to_minute adjust_to_preset_time "
        "preset_adjusting_time shift_time",
    ),
    _class(9, "Script table", "scripts", "execute"),
    _class(10, "Schedule", "entries", "enable/disable insert delete"),
    _class(11, "Special days table", "entries", "insert delete"),
    _class(
        15,
        "Association LN",
        "object_list associated_partners_id application_context_name xDLMS_context_info "
        "authentication_mechanism_name secret association_status security_setup_reference "
        "user_list current_user",
        "reply_to_HLS_authentication change_HLS_secret add_object remove_object add_user "
        "remove_user",
    ),
    _class(
        18,
        "Image transfer",
        "image_block_size image_transferred_blocks_status "
        "image_first_not_transferred_block_number image_transfer_enabled image_transfer_status "
        "image_to_activate_info",
        "image_transfer_initiate image_block_transfer image_verify image_activate",
    ),
    _class(
        20,
        "Activity calendar",
        "calendar_name_active season_profile_active week_profile_table_active "
        "day_profile_table_active calendar_name_passive season_profile_passive "
        "week_profile_table_passive day_profile_table_passive activate_passive_calendar_time",
        "activate_passive_calendar",
    ),
    _class(21, "Register monitor", "thresholds monitored_value actions"),
    _class(22, "Single action schedule", "executed_script type execution_time"),
    _class(
        30,
        "Data protection",
        "protection_buffer protection_object_list protection_parameters_get "
        "protection_parameters_set required_protection",
        "get_protected_attributes set_protected_attributes invoke_protected_method",
    ),
    _class(
        70,
        "Disconnect control",
        "output_state control_state control_mode",
        "remote_disconnect remote_reconnect",
    ),
    _class(
        71,
        "Limiter",
        "monitored_value threshold_active threshold_normal threshold_emergency "
        "min_over_threshold_duration min_under_threshold_duration emergency_profile "
        "emergency_profile_group_id_list emergency_profile_active actions",
    ),
    _class(
        104,
        "ZigBee network control",
        "enable_disable_joining join_timeout active_devices",
        "register_device unregister_device unregister_all_devices backup_PAN restore_PAN "
        "identify_device remove_mirror update_network_key update_link_key create_PAN remove_PAN",
    ),
    _class(
        111,
        "Account",
        "account_mode_and_status current_credit_in_use current_credit_status available_credit "
        "amount_to_clear clearance_threshold aggregated_debt credit_reference_list "
        "charge_reference_list credit_charge_configuration token_gateway_configuration "
        "account_activation_time account_closure_time currency low_credit_threshold "
        "next_credit_available_threshold max_provision max_provision_period",
        "activate_account close_account reset_account",
    ),
    _class(
        112,
        "Credit",
        "current_credit_amount credit_type priority warning_threshold limit "
        "credit_configuration credit_status preset_credit_amount credit_available_threshold "
        "period",
        "update_amount set_amount_to_value invoke_credit",
    ),
    _class(
        113,
        "Charge",
        "total_amount_paid charge_type priority unit_charge_active unit_charge_passive "
        "unit_charge_activation_time period charge_configuration last_collection_time "
        "last_collection_amount total_amount_remaining proportion",
        "update_unit_charge activate_passive_unit_charge collect update_total_amount_remaining "
        "set_total_amount_remaining",
    ),
    _class(
        115,
        "Token gateway",
        "token token_time token_description token_delivery_method token_status",
        "enter",
    ),
    _class(
        9000,
        "GBCS extended data",
        "value_active scaler_unit_active value_passive scaler_unit_passive "
        "activate_passive_value_time",
    ),
)

CLASSES = {row.class_id: row for row in _CLASSES}
"""Interface classes by number."""

UNITS = {
    27: "W",
    28: "VA",
    29: "var",
    30: "Wh",
    31: "VAh",
    32: "varh",
    33: "A",
    35: "V",
    44: "Hz",
}
"""Symbols of units by the code in a `scaler_unit`: units of electricity, and of counted values.

Source: DLMS UA 1000-1 (Blue Book), interface class Register (class 3), attribute scaler_unit. 254
(other unit) and 255 (no unit, count) have no symbol.
"""

_SOURCES = {"document": False, "inferred": True}


def _object(class_id: str, obis: str, source: str, name: str) -> CosemObject:
    return CosemObject(int(class_id), parse_dotted(obis), name, inferred=_SOURCES[source])


OBJECTS = read_table("cosem_objects.csv", ("class_id", "obis", "source", "name"), _object)
"""Every object with a name, by class and logical name."""

_OBJECTS = {(row.class_id, row.obis): row for row in OBJECTS}
