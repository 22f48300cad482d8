"""Units of readings: from the meter's reply, or from a table, and never guessed."""

from typing import Any

import pytest

from gbcs import decode, encode
from gbcs.dlms.data import Data, DataType, structure
from gbcs.json_form import from_json, to_json
from gbcs.json_readings import readings_to_json
from gbcs.tables.profile_logs import BY_OBIS, COLUMN_UNITS
from gbcs.tables.reading_services import FIELD_UNITS, FIELDS, READING_SERVICES, service_of
from gbcs.usecases.units import Unit, unit_of, units_in
from gbcs.usecases.values import Reading
from tests.support.estate import KEYS, YESTERDAY, command, meter_octets

LONG = DataType.DOUBLE_LONG_UNSIGNED


def scaler_unit(scale: int, code: int) -> Data:
    return structure(Data(DataType.INTEGER, scale), Data(DataType.ENUM, code))


def export(*values: Data | None) -> list[Reading]:
    """Return the readings of SRV 4.2 with these values."""
    attributes = [access.attributes[0] for access in service_of("4.2").accesses]
    return [
        Reading(one, 0 if data else 3, data) for one, data in zip(attributes, values, strict=True)
    ]


def test_a_register_has_the_unit_beside_it_and_no_other() -> None:
    readings = export(Data(LONG, 10), scaler_unit(3, 30), Data(LONG, 20), scaler_unit(-1, 32))
    units = [unit_of(reading, readings) for reading in readings]
    assert units == [Unit(3, "Wh"), None, Unit(-1, "varh"), None]
    assert readings_to_json(readings)["values"][2] == {
        "name": "Reactive export register: value",
        "value": 20,
        "scale": -1,
        "unit": "varh",
    }


@pytest.mark.parametrize(
    "beside", [None, Data(LONG, 30), structure(), structure(Data(LONG, 1))], ids=str
)
def test_without_a_scaler_and_unit_there_is_no_unit(beside: Data | None) -> None:
    readings = export(Data(LONG, 10), beside, Data(LONG, 20), scaler_unit(0, 32))
    assert unit_of(readings[0], readings) is None
    assert readings_to_json(readings)["values"][0].keys() == {"name", "value"}


def test_an_unknown_unit_has_no_symbol() -> None:
    readings = export(Data(LONG, 10), scaler_unit(0, 199), None, None)
    assert unit_of(readings[0], readings) == Unit(0, None)
    assert readings_to_json(readings)["values"][2]["result"] == "read-write-denied"


def test_every_column_of_a_log_has_a_unit() -> None:
    columns = {name for log in BY_OBIS.values() for row in log.rows.values() for name in row}
    assert columns == COLUMN_UNITS.keys()


def test_units_of_fields_are_of_fields() -> None:
    for where, units in FIELD_UNITS.items():
        assert units.keys() <= set(FIELDS[where])
        assert not any(f"{name}_scaler_unit" in FIELDS[where] for name in units)


def reply(srv: str) -> bytes:
    read, _ = command(srv, window=YESTERDAY if service_of(srv).windowed else None)
    return meter_octets(read)


def form_of(srv: str) -> dict[str, Any]:
    octets = reply(srv)
    form = to_json(decode(octets, KEYS))
    assert encode(from_json(form)) == octets, "what is derived does not change the message"
    return form


def test_a_decoded_message_has_the_values_of_its_service() -> None:
    [collection] = form_of("4.1.1")["values"]
    assert collection["fields"]["import_scaler_unit"] == [0, 30]
    assert collection["units"]["import"] == {"scale": 0, "unit": "Wh"}
    assert collection["units"]["reactive_import"] == {"scale": 0, "unit": "varh"}
    form = form_of("4.8.1")
    assert form["units"] == {"primary": {"scale": 0, "unit": "Wh"}}
    assert form["rows"][0].keys() == {"time", "primary"}
    assert "values" not in form


def test_a_message_without_a_key_has_no_values() -> None:
    form = to_json(decode(reply("4.1.1")))
    assert not form.keys() & {"values", "rows", "units"}


def test_refused_readings_have_no_units() -> None:
    for service in READING_SERVICES:
        for access in service.accesses:
            for attribute in access.attributes:
                refused = Reading(attribute, 3)
                assert units_in(refused) == {}
                assert unit_of(refused, [refused]) is None
