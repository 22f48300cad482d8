import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbcs.dlms.access import AccessRequest, Choice, decode_apdu
from gbcs.dlms.data import Data, DataType
from gbcs.obis import obis_text
from gbcs.tables.cosem import (
    CLASSES,
    NO_CLASS,
    OBJECTS,
    attribute_name,
    cosem_object,
    method_name,
    object_name,
)
from tests.support.rtds import needs_rtds, vectors
from tests.support.second_hand import fields

FUTURE_DATED_ALERT = 0x00CC
_DESCRIPTOR = [DataType.LONG_UNSIGNED, DataType.OCTET_STRING, DataType.INTEGER]


def obis(text):
    return bytes(int(part) for part in text.replace("-", ".").replace(":", ".").split("."))


def descriptors_in(data):
    """Yield the attributes that a value refers to: captured, protected, monitored or charged."""
    if data is None or not isinstance(data.value, tuple):
        return
    items = data.value
    if [item.type for item in items[:3]] == _DESCRIPTOR and len(items[1].value) == 6:
        yield attribute_name, items[0].value, items[1].value, items[2].value
    for item in items:
        if isinstance(item, Data):
            yield from descriptors_in(item)


def descriptors(message):
    """Yield each attribute and method in a DLMS message, with the function that names it."""
    if message.message_code == FUTURE_DATED_ALERT:
        raw = message.content[-9:]
        yield attribute_name, int.from_bytes(raw[:2], "big"), raw[2:8], raw[8]
    if message.content[0] != 0xD9:
        return
    request = decode_apdu(message.content)
    assert isinstance(request, AccessRequest)
    for access in request.accesses:
        name = method_name if access.choice is Choice.ACTION else attribute_name
        yield name, access.class_id, access.obis, access.index
        yield from descriptors_in(access.data)
        yield from descriptors_in(access.selection)


def test_objects_are_unique_and_of_a_known_class():
    assert len({(row.class_id, row.obis) for row in OBJECTS}) == len(OBJECTS)
    assert all(row.class_id in CLASSES or row.class_id == NO_CLASS for row in OBJECTS)
    assert all(len(row.obis) == 6 and row.name for row in OBJECTS)


def test_names_within_a_class_are_unique():
    names = [(row.class_id, row.name) for row in OBJECTS]
    assert sorted(set(names)) == sorted(names)


@needs_rtds
def test_every_attribute_and_method_of_the_vectors_has_a_name():
    found = {item for vector in vectors() for item in descriptors(fields(vector.octets))}
    nameless = [
        (vector_name.__name__, class_id, obis_text(octets), index)
        for vector_name, class_id, octets, index in found
        if object_name(class_id, octets) is None
        or vector_name(class_id, octets, index).endswith((f"attribute {index}", f"method {index}"))
    ]
    assert nameless == []


@pytest.mark.parametrize(
    ("class_id", "name", "attribute", "text"),
    [
        (7, "0-0:99.1.0.255", 2, "Profile data log, active import: buffer"),
        (113, "0-0:19.20.4.255", 6, "Standing charge: unit_charge_passive"),
        (20, "0-0:13.0.0.255", 10, "Tariff switching table: activate_passive_calendar_time"),
        (111, "0-0:19.0.0.255", 18, "Account and payment mode: max_provision"),
        (71, "0-0:17.0.4.255", 6, "RMS voltage swell: min_over_threshold_duration"),
        (112, "0-0:19.10.1.255", 10, "Emergency credit: credit_available_threshold"),
        (113, "0-0:19.20.3.255", 13, "Payment debt: proportion"),
        (9000, "0-0:94.44.2.0", 6, "Currency unit: activate_passive_value_time"),
        (4, "1-0:1.6.0.255", 5, "Maximum demand active power import: capture_time"),
        (22, "0-0:15.0.0.255", 4, "Billing calendar: execution_time"),
        (7, "1-0:32.24.0.255", 4, "Average RMS voltage profile data log, phase 1: capture_period"),
        (3, "1-0:1.8.0.255", 1, "Active import register: logical_name"),
        (0, "0-0:0.0.0.0", 0, "No object"),
        (3, "1-0:9.9.9.255", 2, "Register 1-0:9.9.9.255: value"),
        (3, "1-0:1.8.0.255", 0, "Active import register: attribute 0"),
        (3, "1-0:1.8.0.255", 99, "Active import register: attribute 99"),
        (12345, "1-0:1.8.0.255", 2, "Class 12345 1-0:1.8.0.255: attribute 2"),
    ],
)
def test_attribute_names(class_id, name, attribute, text):
    assert attribute_name(class_id, obis(name), attribute) == text


@pytest.mark.parametrize(
    ("class_id", "name", "method", "text"),
    [
        (
            30,
            "0-0:43.2.7.255",
            1,
            "Profile data log, active import, protected: get_protected_attributes",
        ),
        (112, "0-0:19.10.1.255", 3, "Emergency credit: invoke_credit"),
        (104, "0-0:30.3.0.255", 5, "CHF device log: restore_PAN"),
        (1, "0-0:96.1.4.255", 1, "Model type: method 1"),
        (9, "0-0:10.0.106.255", 0, "Load switch scripts: method 0"),
    ],
)
def test_method_names(class_id, name, method, text):
    assert method_name(class_id, obis(name), method) == text


def test_inferred_names_are_marked():
    assert cosem_object(7, obis("0-0:99.98.1.255")).inferred
    assert not cosem_object(113, obis("0-0:19.20.4.255")).inferred
    assert cosem_object(7, b"\0" * 6) is None


@given(st.integers(0, 0xFFFF), st.binary(max_size=8), st.integers(0, 0xFF))
def test_any_descriptor_has_a_text(class_id, octets, index):
    assert attribute_name(class_id, octets, index)
    assert method_name(class_id, octets, index)
