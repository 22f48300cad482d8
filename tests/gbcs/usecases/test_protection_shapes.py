"""Protection parameters under the names of the Blue Book."""

from hypothesis import given
from hypothesis import strategies as st

from gbcs import decode, encode
from gbcs.dlms.access import Access, AccessResult, Choice
from gbcs.dlms.data import NULL, Data, DataType, array, enum, octet_string, structure
from gbcs.explain import explain
from gbcs.json_form import from_json, to_json
from gbcs.usecases.data_protection import protection_parameters
from gbcs.usecases.protection_shapes import protection_of
from tests.support.estate import METER, command, meter_octets

ASKED, COMMAND = command("4.8.1")
RESPONSE = meter_octets(ASKED)
PARTY = ASKED.originator


def _options(originator: object, recipient: object) -> dict[str, object]:
    return {
        "protection_type": "authentication and encryption",
        "protection_options": {
            "transaction_id": "040000000000000001",
            "originator_system_title": str(originator),
            "recipient_system_title": str(recipient),
            "other_information": "",
            "key_info": {
                "key_info_type": "agreed key",
                "key_info_options": {"key_parameters": "02", "key_ciphered_data": ""},
            },
        },
    }


def test_json_names_the_parameters_of_a_command() -> None:
    [access] = to_json(decode(COMMAND))["payload"]["access_request"]["accesses"]
    limits = {"from": "2026-01-14T00:00:00Z", "to": "2026-01-15T00:00:00Z"}
    assert access["protection"] == {
        "object_list": [
            {
                "class_id": 7,
                "logical_name": "0.0.99.1.0.255",
                "attribute_index": 2,
                "data_index": 0,
                "restriction": {"restriction_type": "by date", "restriction_value": limits},
            }
        ],
        "get_protection_parameters": [_options(PARTY, METER)],
    }


def test_json_names_the_parameters_of_a_response() -> None:
    form = to_json(decode(RESPONSE))
    [result] = form["payload"]["access_response"]["results"]
    assert result["protection"].pop("protected_attributes").startswith("31")
    assert result["protection"] == {"protection_parameters": [_options(METER, PARTY)]}
    assert encode(from_json(form)) == RESPONSE  # the names are for the reader only


def test_explanations_name_the_parameters() -> None:
    for octets in (COMMAND, RESPONSE):
        meanings = [line.meaning for line in explain(decode(octets))]
        for expected in (
            *("protection_type: authentication and encryption", "transaction_id: 9 octets"),
            *("originator_system_title: 8 octets", "key_info_type: agreed key"),
        ):
            assert meanings.count(expected) == 1
    assert "restriction_type: by date" in [line.meaning for line in explain(decode(COMMAND))]


def test_a_restriction_may_be_none_and_a_time_have_wildcards() -> None:
    def request(restriction: Data) -> object:
        item = structure(enum(0), octet_string(b"\0\0\x01\0\0\xff"), enum(2), enum(0), restriction)
        parameters = protection_parameters(1, METER, PARTY)
        data = structure(array(item), parameters)
        access = Access(Choice.ACTION, 30, bytes(6), 1, data)
        shape = protection_of(access)
        assert shape is not None
        return shape.named(data)["object_list"][0]["restriction"]

    assert request(structure(enum(0), NULL)) == {
        "restriction_type": "none",
        "restriction_value": None,
    }
    times = structure(octet_string(b"\xff" * 12), octet_string(b"\1"))
    assert request(structure(enum(9), times)) == {
        "restriction_type": 9,
        "restriction_value": {"from": "FF" * 12, "to": "01"},
    }


VALUES = st.recursive(
    st.sampled_from((NULL, enum(2), octet_string(b"\1"), octet_string(bytes(6)))),
    lambda inner: (
        st.lists(inner, max_size=5).map(lambda items: array(*items))
        | st.lists(inner, max_size=5).map(lambda items: structure(*items))
    ),
    max_leaves=20,
)


@given(VALUES)
def test_other_values_have_no_names(data: Data) -> None:
    result = AccessResult(Choice.ACTION, 0, data)
    shape = protection_of(result)
    assert shape is None or len(shape.named(data)) == 2
    assert protection_of(AccessResult(Choice.GET, 0, data)) is None
    assert protection_of(AccessResult(Choice.ACTION, 0, Data(DataType.ARRAY, ()))) is None
