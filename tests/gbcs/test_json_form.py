"""Messages as JSON: its keys, and JSON that is not a message."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbcs import (
    EUI,
    Alert,
    EncodeError,
    FileKeystore,
    GbcsError,
    Message,
    Supplementary,
    decode,
    encode,
)
from gbcs.dlms.access import DataNotification
from gbcs.dlms.data import NULL, BitString, Data, DataType, octet_string, structure
from gbcs.json_data import data_from_json, data_to_json
from gbcs.json_form import from_json, to_json
from gbcs.json_readings import rows_to_json
from tests.support.rtds import named
from tests.support.strategies import data

METER, PARTY = EUI.parse("00DB1234567890A0"), EUI.parse("90B3D51F30010000")
ALERT = Alert(
    originator=METER,
    recipient=PARTY,
    originator_counter=42,
    message_code=0xFFFF,
    payload=DataNotification(0x2000002A, NULL),
    mac=None,
)
FIELDS = {
    "kind",
    "use_case",
    "message_code",
    "originator",
    "recipient",
    "originator_counter",
    "supplementary",
    "mac",
    "signature",
    "payload",
}
"""The keys that users may rely on."""


def test_fields_of_a_command(rtds_keystore: FileKeystore) -> None:
    octets = named("ECS22a_4.8.3_SUCCESS_COMMAND").octets
    form = to_json(decode(octets, rtds_keystore))
    assert form.keys() >= FIELDS
    assert {name: form[name] for name in FIELDS - {"payload"}} == {
        "kind": "command",
        "use_case": "ECS22a",
        "message_code": "0036",
        "originator": "90B3D51F30020000",
        "recipient": "00DB1234567890A0",
        "originator_counter": 1201,
        "supplementary": None,
        "mac": "valid",
        "signature": "absent",
    }
    [access] = form["payload"]["access_request"]["accesses"]
    assert access["choice"] == "get-with-selection"
    assert (access["class_id"], access["obis"], access["index"]) == (7, "0.0.99.1.1.255", 2)
    limits = access["selection"]["structure"][1:3]
    assert limits == [{"double-long-unsigned": 0x1BBE8618}, {"double-long-unsigned": 0x1BBFD798}]


def test_readings_are_there_to_be_read(rtds_keystore: FileKeystore) -> None:
    octets = named("ECS22b_4.8.1_SINGLE_SUCCESS_RESPONSE").octets
    form = to_json(decode(octets, rtds_keystore))
    assert len(form["rows"]) == 49
    assert form["rows"][0] == {"time": "2014-12-31T00:00:00Z", "primary": 95}
    assert [item["status"] for item in form["protected"]] == ["valid"]
    assert "structure" in form["protected"][0]["plaintext"]
    unopened = to_json(decode(octets))
    assert "rows" not in unopened
    assert unopened["protected"] == [{"status": "unverified"}]


def test_a_party_behind_the_acb() -> None:
    form = to_json(decode(named("ECS21b_4.14_URP_SUCCESS_RESPONSE").octets))
    assert form["supplementary"] == {
        "party": "90B3D51F30010000",
        "party_counter": 1004,
        "originator_counter": 2002,
        "certificate": "",
    }


def test_derived_keys_are_ignored_when_read(rtds_keystore: FileKeystore) -> None:
    octets = named("ECS22b_4.8.1_SINGLE_SUCCESS_RESPONSE").octets
    form = to_json(decode(octets, rtds_keystore))
    for name in ("use_case", "mac", "signature", "protected", "rows"):
        form[name] = "something else"
    assert encode(from_json(form)).hex() == octets.hex()
    for name in ("use_case", "mac", "signature", "protected", "rows"):
        del form[name]
    assert encode(from_json(form)).hex() == octets.hex()


@given(data)
def test_any_value_comes_back(value: Data) -> None:
    form = json.loads(json.dumps(data_to_json(value)))
    assert data_from_json(form) == value


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (NULL, {"null-data": None}),
        (Data(DataType.BOOLEAN, 255), {"boolean": 255}),
        (octet_string(b"\x00\xff"), {"octet-string": "00FF"}),
        (Data(DataType.UTF8_STRING, "£".encode()), {"utf8-string": "£"}),
        (structure(NULL), {"structure": [{"null-data": None}]}),
        (
            Data(DataType.BIT_STRING, BitString(3, b"\xa0")),
            {"bit-string": {"length": 3, "octets": "A0"}},
        ),
        (Data(DataType.DATE, bytes(5)), {"date": "0000000000"}),
    ],
)
def test_values(value: Data, form: Any) -> None:
    assert data_to_json(value) == form
    assert data_from_json(form) == value


def test_text_that_is_not_utf8_round_trips() -> None:
    value = Data(DataType.UTF8_STRING, b"\xff\x41")
    assert data_from_json(json.loads(json.dumps(data_to_json(value)))) == value


def test_rows() -> None:
    assert rows_to_json([{"time": 1800, "export": 5}]) == [
        {"time": "2000-01-01T00:30:00Z", "export": 5}
    ]


def _changed(message: Message, path: tuple[Any, ...], value: Any) -> Any:
    form = to_json(message)
    *way, last = path
    inner: Any = form
    for key in way:
        inner = inner[key]
    inner[last] = value
    return form


BODY = ("payload", "data_notification", "body")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("kind",), "reply"),
        (("kind",), None),
        (("kind",), 5),
        (("originator",), "00DB"),
        (("originator",), None),
        (("recipient",), 5),
        (("message_code",), "alert"),
        (("message_code",), "10000"),
        (("message_code",), 5),
        (("originator_counter",), None),
        (("originator_counter",), "many"),
        (("originator_counter",), float("inf")),
        (("originator_counter",), float("nan")),
        (("originator_counter",), -1),
        (("originator_counter",), 1 << 64),
        (("supplementary",), {}),
        (("supplementary",), []),
        (("supplementary",), "00DB1234567890A0"),
        (("transaction_time",), None),
        (("transaction_time",), "0"),
        (("transaction_time",), "00"),
        (("signature_octets",), "XY"),
        (("signature_octets",), "00"),
        (("signature_octets",), 5),
        (("mac_octets",), "00"),
        (("mac_octets",), []),
        (("payload",), None),
        (("payload",), {}),
        (("payload",), []),
        (("payload",), {"reply": {}}),
        (("payload",), {"opaque": None, "gbz": None}),
        (("payload",), {"opaque": None}),
        (("payload",), {"opaque": {}}),
        (("payload",), {"opaque": {"octets": 5}}),
        (("payload",), {"gbz": None}),
        (("payload",), {"gbz": {}}),
        (("payload",), {"gbz": []}),
        (("payload",), {"asn1": None}),
        (("payload",), {"asn1": {}}),
        (("payload",), {"asn1": {"type": "Certificate", "value": None}}),
        (("payload",), {"access_request": {}}),
        (("payload",), {"access_response": {"results": [{}]}}),
        (("payload", "data_notification", "invoke_id"), 5),
        (("payload", "data_notification", "invoke_id"), "123456789"),
        (("payload", "data_notification", "date_time"), None),
        (BODY, None),
        (BODY, {}),
        (BODY, []),
        (BODY, {"number": 5}),
        (BODY, {"unsigned": 256}),
        (BODY, {"unsigned": "05"}),
        (BODY, {"unsigned": None}),
        (BODY, {"unsigned": [5]}),
        (BODY, {"octet-string": 5}),
        (BODY, {"octet-string": "0"}),
        (BODY, {"octet-string": None}),
        (BODY, {"utf8-string": 5}),
        (BODY, {"structure": None}),
        (BODY, {"structure": "AA"}),
        (BODY, {"structure": {"unsigned": 5}}),
        (BODY, {"bit-string": {"length": "3", "octets": "A0"}}),
        (BODY, {"bit-string": {"length": 9, "octets": "A0"}}),
        (BODY, {"bit-string": "A0"}),
        (BODY, {"compact-array": {"description": "06"}}),
        (BODY, {"compact-array": {"description": "06", "contents": "0000"}}),
        (BODY, {"compact-array": {"description": "07", "contents": ""}}),
        (BODY, {"compact-array": "0604"}),
        (BODY, {"date": "00"}),
    ],
)
def test_json_that_is_not_a_message_is_a_one_line_error(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        encode(from_json(_changed(ALERT, path, value)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", list(to_json(ALERT)))
def test_a_field_that_is_not_there(name: str) -> None:
    form = to_json(ALERT)
    del form[name]
    if name in ("use_case", "mac", "signature"):
        assert encode(from_json(form)) == encode(ALERT)
    else:
        with pytest.raises(EncodeError, match=name):
            from_json(form)


@pytest.mark.parametrize("form", [None, [], "message", 5, {}, [{}]])
def test_json_that_is_not_an_object(form: Any) -> None:
    with pytest.raises(EncodeError):
        from_json(form)


def test_deep_json_is_refused() -> None:
    for depth in (25, 400, 5000):
        body: Any = {"null-data": None}
        for _ in range(depth):
            body = {"structure": [body]}
        with pytest.raises(EncodeError):
            encode(from_json(_changed(ALERT, BODY, body)))


@pytest.mark.parametrize("field", ["class_id", "index", "selector"])
@pytest.mark.parametrize("value", [None, "7", [], 1.5, -1, 1 << 16])
def test_numbers_of_an_access(field: str, value: Any) -> None:
    command = decode(named("ECS22a_4.8.3_SUCCESS_COMMAND").octets)
    path = ("payload", "access_request", "accesses", 0, field)
    with pytest.raises(EncodeError):
        encode(from_json(_changed(command, path, value)))


@pytest.mark.parametrize(
    ("field", "value"),
    [("code", None), ("code", "0"), ("code", 256), ("code", -1), ("choice", 1), ("choice", "give")],
)
def test_fields_of_a_result(field: str, value: Any) -> None:
    response = decode(named("ECS22a_4.8.3_ERROR_RESPONSE").octets)
    path = ("payload", "access_response", "results", 0, field)
    with pytest.raises(EncodeError):
        encode(from_json(_changed(response, path, value)))


@pytest.mark.parametrize("field", ["party_counter", "originator_counter"])
@pytest.mark.parametrize("value", ["7", [], 1.5, -1, 1 << 64])
def test_counters_of_a_supplementary_party(field: str, value: Any) -> None:
    response = decode(named("ECS21b_4.14_URP_SUCCESS_RESPONSE").octets)
    with pytest.raises(EncodeError):
        encode(from_json(_changed(response, ("supplementary", field), value)))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


def _places(form: Any) -> list[tuple[Any, Any]]:
    """Yield every place in JSON: its container, and its key or index there."""
    inner = form.items() if isinstance(form, dict) else enumerate(form)
    found = []
    for key, value in inner:
        found.append((form, key))
        if isinstance(value, dict | list):
            found += _places(value)
    return found


@given(data, st.data())
def test_changed_json_is_a_message_or_a_one_line_error(value: Data, draws: st.DataObject) -> None:
    alert = Alert(
        originator=EUI.from_int(1),
        recipient=EUI.from_int(2),
        originator_counter=3,
        message_code=4,
        payload=DataNotification(5, value),
        supplementary=Supplementary(EUI.from_int(6), 7),
        mac=bytes(12),
    )
    form = json.loads(json.dumps(to_json(alert)))
    holder, key = draws.draw(st.sampled_from(_places(form)))
    holder[key] = draws.draw(JSON_VALUES)
    try:
        octets = encode(from_json(form))
    except GbcsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most changes are of this kind
    else:
        decode(octets)
