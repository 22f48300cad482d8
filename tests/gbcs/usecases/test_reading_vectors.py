"""Every reading service in the RTDS: commands and responses are rebuilt octet for octet."""

import pytest

from gbcs import Command, FileKeystore, Response, decode, encode
from gbcs.dlms.access import AccessRequest, AccessResponse, Choice
from gbcs.dlms.data import Data
from gbcs.instants import parse_iso
from gbcs.tables.reading_services import BY_USE_CASE
from gbcs.usecases.answer import Result, answer_reading, needs_own_counter
from gbcs.usecases.read_request import (
    Attribute,
    ReadRequest,
    Window,
    read_requests_of,
    reading_command,
)
from gbcs.usecases.responding import refuse
from gbcs.usecases.values import Reading, protected_values, values_of
from tests.support.rtds import Vector, answer_to, each, named

of_commands = each(lambda vector: vector.direction == "COMMAND" and vector.use_case in BY_USE_CASE)
of_responses = each(
    lambda vector: vector.direction == "RESPONSE" and vector.use_case in BY_USE_CASE
)
READS = (Choice.GET, Choice.GET_WITH_SELECTION)
GET_PROTECTED = (Choice.ACTION, 30, 1)


def _command(octets: bytes, rtds_keystore: FileKeystore) -> Command:
    command = decode(octets, rtds_keystore)
    assert isinstance(command, Command)
    return command


def _response(name: str, rtds_keystore: FileKeystore) -> Response:
    response = decode(named(f"{name}_RESPONSE").octets, rtds_keystore)
    assert isinstance(response, Response)
    return response


def _window(requests: tuple[ReadRequest, ...]) -> Window | None:
    found = {item.window for request in requests for item in request.attributes if item.window}
    assert len(found) <= 1
    return found.pop() if found else None


@of_commands
def test_a_command_is_rebuilt_from_the_table(vector: Vector, rtds_keystore: FileKeystore) -> None:
    command = _command(vector.octets, rtds_keystore)
    requests = read_requests_of(command)
    assert requests is not None
    built = reading_command(
        BY_USE_CASE[vector.use_case],
        device=command.recipient,
        originator=command.originator,
        counter=command.originator_counter,
        window=_window(requests),
        supplementary=command.supplementary,
    )
    assert encode(built, rtds_keystore).hex() == vector.octets.hex()


@of_commands
def test_commands_have_the_accesses_of_the_table(
    vector: Vector, rtds_keystore: FileKeystore
) -> None:
    requests = read_requests_of(_command(vector.octets, rtds_keystore))
    assert requests is not None
    for request, access in zip(requests, BY_USE_CASE[vector.use_case].accesses, strict=True):
        assert request.protection == access.protection
        assert [
            (item.class_id, item.obis, item.index, item.window is not None)
            for item in request.attributes
        ] == [(item.class_id, item.obis, item.index, item.windowed) for item in access.attributes]


def _results(response: Response) -> list[Result]:
    """Return the result of each access, from the payload and not from `values_of`."""
    assert isinstance(response.payload, AccessResponse)
    return [
        result.code or (protected_values(response) if response.protected else (result.data,))
        for result in response.payload.results
    ]


@of_responses
@pytest.mark.parametrize("as_octets", [False, True], ids=("data", "octets"))
def test_a_response_is_rebuilt_from_its_values(
    vector: Vector, as_octets: bool, rtds_keystore: FileKeystore
) -> None:
    command = _command(answer_to(vector).octets, rtds_keystore)
    response = decode(vector.octets, rtds_keystore)
    assert isinstance(response, Response)
    results = _results(response)
    if as_octets:
        results = [
            item
            if isinstance(item, int)
            else tuple([value.octets() for value in item if isinstance(value, Data)])
            for item in results
        ]
    behind = response.supplementary
    own_counter = behind.originator_counter if behind else None
    assert needs_own_counter(command, results) == (own_counter is not None)
    octets = answer_reading(command, results, rtds_keystore, own_counter, response.transaction_time)
    assert octets.hex() == vector.octets.hex()


@of_responses
def test_values_are_those_of_the_response(vector: Vector, rtds_keystore: FileKeystore) -> None:
    response = decode(vector.octets, rtds_keystore)
    assert isinstance(response, Response)
    readings = values_of(response)
    accesses = BY_USE_CASE[vector.use_case].accesses
    assert [item.attribute for item in readings] == [
        attribute for access in accesses for attribute in access.attributes
    ]
    assert [item.code or item.data for item in readings] == [
        value
        for access, result in zip(accesses, _results(response), strict=True)
        for value in (result if isinstance(result, tuple) else [result] * len(access.attributes))
    ]
    for reading in readings:
        assert not reading.name[0].isdigit()
        assert (reading.rows is not None) == (reading.attribute.windowed and not reading.code)


@of_responses
def test_an_error_is_a_refusal_with_the_time(vector: Vector, rtds_keystore: FileKeystore) -> None:
    response = decode(vector.octets, rtds_keystore)
    readings = values_of(response)
    if not readings[0].code:
        return
    command = _command(answer_to(vector).octets, rtds_keystore)
    octets = refuse(command, readings[0].code, rtds_keystore, response.transaction_time)
    assert octets.hex() == vector.octets.hex()


def _one(name: str, rtds_keystore: FileKeystore) -> Reading:
    [reading] = values_of(_response(name, rtds_keystore))
    return reading


def test_registers_have_fields(rtds_keystore: FileKeystore) -> None:
    imported = _one("ECS17b_4.1.1_SINGLE_SUCCESS", rtds_keystore)
    assert imported.name == "Import register collection: value"
    assert imported.fields == {
        "import": 10,
        "import_scaler_unit": (0, 30),
        "reactive_import": 10,
        "reactive_import_scaler_unit": (0, 32),
    }
    power = _one("ECS17c_4.16_SUCCESS", rtds_keystore)
    assert power.fields == {"import": 10, "import_scaler_unit": (0, 27), "primary": 10}
    assert imported.rows is None


def test_a_balance_has_neither_fields_nor_rows(rtds_keystore: FileKeystore) -> None:
    balance = _one("ECS82_4.18_SUCCESS", rtds_keystore)
    assert (balance.fields, balance.rows) == (None, None)
    assert balance.data is not None
    assert balance.data.value == 250_000


def test_a_billing_log_has_rows(rtds_keystore: FileKeystore) -> None:
    rows = _one("ECS20b_4.4.2_TWIN_SUCCESS", rtds_keystore).rows
    assert rows is not None
    assert len(rows) == 3
    assert list(rows[0]) == [
        *("time", "import", "secondary_import", "tou", "secondary_tou", "blocks"),
        *("emergency_credit_balance", "meter_balance", "payment_debt"),
        *("time_debt_1", "time_debt_2", "accumulated_debt"),
    ]
    assert rows[0]["time"] == 0x1BE6DF00
    assert rows[0]["import"] == 0x9A5F88
    assert [len(rows[0][name]) for name in ("tou", "secondary_tou", "blocks")] == [48, 4, 4]
    assert {len(block) for block in rows[0]["blocks"]} == {8}


def test_a_prepayment_log_has_rows_for_a_party_behind_the_acb(rtds_keystore: FileKeystore) -> None:
    rows = _one("ECS21b_4.14_URP_SUCCESS", rtds_keystore).rows
    assert rows is not None
    assert rows[0] == {
        "time": parse_iso("2014-12-26"),
        "emergency_credit_balance": 0xAAE60,
        "meter_balance": 0xF4240,
        "payment_debt": 0x77A10,
        "time_debt_1": 0x64190,
        "time_debt_2": 0xF4240,
        "accumulated_debt": 0x1CFDE0,
    }


def test_voltages_have_rows_among_counters(rtds_keystore: FileKeystore) -> None:
    readings = values_of(_response("ECS23_4.10_SUCCESS", rtds_keystore))
    rows = readings[4].rows
    assert rows is not None
    assert rows[0] == {"time": parse_iso("2014-12-30"), "average_rms_voltage": 0x51}
    assert [item.rows for index, item in enumerate(readings) if index != 4] == [None] * 5
    assert readings[0].name == "Average RMS under voltage counter, phase 1: value"


def test_a_failure_breaks_off(rtds_keystore: FileKeystore) -> None:
    readings = values_of(_response("ECS26a_4.13_ERROR", rtds_keystore))
    assert [item.code for item in readings] == [0] * 16 + [1, 250]
    assert [item.data is None for item in readings[-2:]] == [True, True]
    assert readings[0].attribute == readings[3].attribute


def test_requests_of_example_commands(rtds_keystore: FileKeystore) -> None:
    command = _command(named("ECS22b_4.8.1_SINGLE_SUCCESS_COMMAND").octets, rtds_keystore)
    window = Window(parse_iso("2014-12-31"), parse_iso("2015-01-01"))
    log = Attribute(7, bytes.fromhex("0000630100FF"), 2, window)
    assert read_requests_of(command) == (ReadRequest((log,), bytes.fromhex("00002B0207FF")),)
    command = _command(named("ECS82_4.18_SUCCESS_COMMAND").octets, rtds_keystore)
    assert read_requests_of(command) == (
        ReadRequest((Attribute(112, bytes.fromhex("0000130A00FF"), 2),)),
    )


@each(lambda vector: vector.direction == "COMMAND" and vector.use_case not in BY_USE_CASE)
def test_of_other_commands_only_reads_are_understood(
    vector: Vector, rtds_keystore: FileKeystore
) -> None:
    """A read by window may still request in a way that is not understood."""
    payload = decode(vector.octets, rtds_keystore).payload
    understood = read_requests_of(decode(vector.octets, rtds_keystore)) is not None
    if not isinstance(payload, AccessRequest):
        assert not understood
        return
    accesses = payload.accesses
    if understood:
        for item in accesses:
            protected = (item.choice, item.class_id, item.index) == GET_PROTECTED
            assert protected or item.choice in READS
    if accesses and all(item.choice is Choice.GET for item in accesses):
        assert understood
