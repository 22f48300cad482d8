import json
from dataclasses import replace

import pytest

from gbcs import EUI, FileKeystore, Response, decode, encode
from gbcs.dlms.access import AccessRequest, AccessResponse, AccessResult, Choice
from gbcs.dlms.data import NULL, Data, DataType
from gbcs.explain import explain
from gbcs.json_form import from_json, to_json
from gbcs.tables.accesses import ACCESSES, access_names, protected_names
from gbcs.tables.cosem import attribute_name, method_name
from gbcs.tables.use_cases import PayloadFormat, use_case
from tests.support.rtds import Vector, named, needs_rtds, vectors

ECS20A = "Billing data log, payment based debt payments: buffer"
ECS22B = "Profile data log, active import, protected: get_protected_attributes"
ECS22B_PROTECTED = "Profile data log, active import: buffer"
GET_PROTECTED_ATTRIBUTES = (Choice.ACTION, 30, 1)


def _text(choice: Choice) -> str:
    return choice.name.lower().replace("_", "-")


def _kind(choice: str) -> str:
    return choice.removesuffix("-with-selection")


def _of_family(payload_type: type) -> list[Vector]:
    return [item for item in vectors() if isinstance(decode(item.octets).payload, payload_type)]


def _response(code: int, *values: Data) -> Response:
    results = tuple(AccessResult(Choice.GET, 0, value) for value in values)
    return Response(
        originator=EUI.parse("00DB1234567890A0"),
        recipient=EUI.parse("90B3D51F30010000"),
        originator_counter=42,
        message_code=code,
        payload=AccessResponse(0x2000002A, results),
        mac=None,
    )


def test_rows_are_of_use_cases_and_have_names():
    assert len(ACCESSES) > 80
    for code, variants in ACCESSES.items():
        case = use_case(code)
        assert case is not None
        assert case.payload is PayloadFormat.DLMS
        assert len({variant.accesses for variant in variants}) == len(variants)
        for variant in variants:
            assert not variant.vector or variant.vector.startswith(case.name)
            assert variant.accesses
            assert {item.choice for item in variant.accesses} <= set(map(_text, Choice))
            for item in (*variant.accesses, *variant.protected):
                assert not item.name.endswith((f"attribute {item.index}", f"method {item.index}"))


def _asked(vector):
    """Return code, accesses and protected attributes of a command in the form of the table."""
    message = decode(vector.octets)
    accesses = message.payload.accesses
    protected = [
        tuple(column.value for column in item.value[:3])
        for access in accesses
        if (access.choice, access.class_id, access.index) == GET_PROTECTED_ATTRIBUTES
        for item in access.data.value[0].value
    ]
    asked = [(_text(item.choice), item.class_id, item.obis, item.index) for item in accesses]
    return message.message_code, asked, protected


@pytest.mark.parametrize(
    ("code", "row"),
    [
        pytest.param(code, row, id=row.vector)
        for code, variants in ACCESSES.items()
        for row in variants
        if row.vector
    ],
)
def test_every_variant_is_that_of_its_vector(code, row):
    asked = [(item.choice, item.class_id, item.obis, item.index) for item in row.accesses]
    protected = [(item.class_id, item.obis, item.index) for item in row.protected]
    assert _asked(named(row.vector)) == (code, asked, protected)


@needs_rtds
def test_names_are_those_of_every_command_of_the_vectors():
    for vector in _of_family(AccessRequest):
        code, asked, protected = _asked(vector)
        names = access_names(code, len(asked))
        if names is not None:
            assert names == tuple(
                (method_name if choice == "action" else attribute_name)(*reference)
                for choice, *reference in asked
            )
        if protected:
            assert protected_names(code, len(protected)) == tuple(
                attribute_name(*reference) for reference in protected
            )


@needs_rtds
def test_responses_have_as_many_results_of_the_same_kinds():
    """A response states the choice of each access, but not whether a get had a selection."""
    for vector in _of_family(AccessResponse):
        message = decode(vector.octets)
        kinds = [_kind(_text(item.choice)) for item in message.payload.results]
        for row in ACCESSES.get(message.message_code, ()):
            if len(row.accesses) == len(kinds):
                assert [_kind(item.choice) for item in row.accesses] == kinds, vector.name


def test_names():
    assert access_names(0x0037, 1) == (ECS22B,)
    assert protected_names(0x0037, 1) == (ECS22B_PROTECTED,)
    assert access_names(0x002E, 1) == (ECS20A,)
    assert access_names(0x003D, 3) == (
        "Randomised offset: value",
        "Randomised offset number: value",
        "Randomised offset limit: value",
    )


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (0xFFFF, 1),  # no use case
        (0x0008, 1),  # one of another family
        (0x0037, 0),
        (0x0037, 2),
        (0x011E, 3),  # two variants: controller 1 or 5
        (0x0053, 3),  # any three of five controllers
        (0x0055, 2),  # the controller is the command's choice
    ],
)
def test_unknown_accesses_have_no_names(code, number):
    assert access_names(code, number) is None


def test_the_number_of_accesses_selects_the_variant():
    assert access_names(0x0055, 1) == ("Auxiliary controller commanded state: execute",)
    controllers = access_names(0x0053, 5)
    assert [name.split()[2] for name in controllers] == ["1", "2", "3", "4", "5"]


def test_reads_in_clear_protect_nothing():
    assert protected_names(0x002E, 1) is None
    assert protected_names(0x0037, 0) is None
    assert protected_names(0x0037, 2) is None


def test_results_have_names_in_json_that_are_ignored_on_the_way_back():
    response = _response(0x003D, NULL, NULL, NULL)
    form = json.loads(json.dumps(to_json(response)))
    results = form["payload"]["access_response"]["results"]
    assert tuple(item["name"] for item in results) == access_names(0x003D, 3)
    for item in results:
        item["name"] = "something else"
    assert encode(from_json(form)) == encode(response)


@pytest.mark.parametrize(
    "response", [_response(0xFFFF, NULL), _response(0x003D, NULL), _response(0x003D)]
)
def test_results_that_are_not_known_have_no_names(response):
    results = to_json(response)["payload"]["access_response"]["results"]
    assert len(results) == len(response.payload.results)
    assert not any("name" in item for item in results)
    assert not any("value" in line.meaning for line in explain(response))


def test_results_have_names_in_an_explanation():
    lines = explain(_response(0x003D, NULL, Data(DataType.UNSIGNED, 7), NULL))
    values = [line for line in lines if line.field in ("null-data", "unsigned")]
    assert [(line.octets.hex(), line.meaning) for line in values] == [
        ("00", "Randomised offset: value"),
        ("1107", "Randomised offset number: value: 7"),
        ("00", "Randomised offset limit: value"),
    ]


def test_a_read_in_clear():
    message = decode(named("ECS20a_4.4.4_SUCCESS_RESPONSE").octets)
    [result] = to_json(message)["payload"]["access_response"]["results"]
    assert result["name"] == ECS20A
    [line] = [line for line in explain(message) if line.meaning.startswith(ECS20A)]
    assert line.field == message.payload.results[0].data.type.title


def test_a_protected_read(rtds_keystore: FileKeystore):
    message = decode(named("ECS22b_4.8.1_SINGLE_SUCCESS_RESPONSE").octets, rtds_keystore)
    form = to_json(message)
    [result] = form["payload"]["access_response"]["results"]
    assert result["name"] == ECS22B
    assert form["protected"][0]["names"] == [ECS22B_PROTECTED]
    lines = explain(message)
    [answer] = [line for line in lines if line.meaning.startswith(ECS22B)]
    assert not answer.decrypted
    [attribute] = [line for line in lines if line.meaning.startswith(ECS22B_PROTECTED + ":")]
    assert attribute.decrypted
    assert attribute.field == "compact-array"
    plaintext = message.protected[0].plaintext
    opened = [line for line in lines if line.decrypted]
    assert b"".join(line.octets for line in opened) == plaintext
    assert [line.offset for line in opened] == [
        sum(len(line.octets) for line in opened[:index]) for index in range(len(opened))
    ]


def test_plaintexts_of_another_shape_have_no_names(rtds_keystore: FileKeystore):
    message = decode(named("ECS22b_4.8.1_SINGLE_SUCCESS_RESPONSE").octets, rtds_keystore)
    [item] = message.protected
    for plaintext in (b"\x11\x07", b"\x02\x00", b"\x02\x02\x00\x00", b"\xff"):
        other = replace(message, protected=(replace(item, plaintext=plaintext),))
        assert "names" not in to_json(other)["protected"][0]
        opened = [line for line in explain(other) if line.decrypted]
        assert b"".join(line.octets for line in opened) == plaintext
        assert not any(ECS22B_PROTECTED in line.meaning for line in opened)
