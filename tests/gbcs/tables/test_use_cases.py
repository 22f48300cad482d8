import pytest

from gbcs.tables.use_cases import (
    USE_CASES,
    PayloadFormat,
    Source,
    by_name,
    for_srv,
    use_case,
)
from tests.support.rtds import needs_rtds, vectors
from tests.support.second_hand import fields


def test_codes_and_names_are_unique():
    assert len({row.code for row in USE_CASES}) == len(USE_CASES)
    assert len({row.name.casefold() for row in USE_CASES}) == len(USE_CASES)
    assert [row.code for row in USE_CASES] == sorted(row.code for row in USE_CASES)


def test_look_ups_return_rows_of_the_table():
    for row in USE_CASES:
        assert use_case(row.code) is row
        assert by_name(row.name) is row
        assert all(row in for_srv(srv) for srv in row.srvs)
        assert row.title


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0x0105, "CS02bWPByWP"),
        (0x00CF, "FDRA-ZigBee"),
        (0x00F2, "MIIWA-ZigBee"),
        (0x012A, "GCS60a"),
    ],
)
def test_a_code_has_the_name_that_the_rtds_gives_it(code, name):
    assert use_case(code).name == name


def test_look_ups_of_unknown_rows_are_empty():
    assert use_case(0xFFFF) is None
    assert by_name("ECS999") is None
    assert by_name("Activate") is None
    assert for_srv("99.9") == ()


def test_one_service_reference_leads_to_electricity_and_gas():
    assert [row.name for row in for_srv("4.10")] == ["ECS23", "GCS18", "ECS23b"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ECS22b", "ECS22b"),
        ("ecs22B", "ECS22b"),
        ("ECS47Activate", "ECS47"),
        ("ECS47Deactivate", "ECS47"),
        ("ECS47Reset", "ECS47"),
        ("ECS62Remove", "ECS62"),
        ("ECS70Commission", "ECS70"),
        ("CS03A2NonCritical", "CS03A2"),
        ("CS04ACCritical", "CS04AC"),
        ("CS02aMAC", "CS02a"),
        ("CS02fSignature", "CS02f"),
        ("CS02bNOByNOHandover", "CS02bNOByNO"),
        ("GCA-DLMS", "GCA"),
        ("GNCA-GBZ", "GNCA"),
        ("GNCA-ZigBee", "GNCA"),
        ("GCA-ASN1", "GCA"),
        ("MIIWA-DLMS", "MIIWA-DLMS"),
        ("MIIWA-ZigBee", "MIIWA-ZigBee"),
        ("FDRA-ZigBee", "FDRA-ZigBee"),
        ("CS02bWPByWP", "CS02bWPByWP"),
    ],
)
def test_a_name_is_found_in_any_case_and_with_a_scenario(name, found):
    assert by_name(name).name == found


@pytest.mark.parametrize(
    ("name", "critical", "alert", "payload"),
    [
        ("ECS22b", False, False, PayloadFormat.DLMS),
        ("ECS43", True, False, PayloadFormat.DLMS),
        ("GCS28", True, False, PayloadFormat.ASN1),
        ("CS02a", None, False, PayloadFormat.ASN1),
        ("PCS01", False, False, PayloadFormat.GBZ),
        ("CS14", False, True, PayloadFormat.DLMS),
        ("GCA", True, True, None),
        ("FDRA-ZigBee", None, True, PayloadFormat.GBZ),
        ("GCS60a", False, False, PayloadFormat.GBZ),
        ("PECS01", None, False, None),
    ],
)
def test_protection_and_format(name, critical, alert, payload):
    row = by_name(name)
    assert (row.critical, row.alert, row.payload) == (critical, alert, payload)


@needs_rtds
def test_every_vector_is_of_the_use_case_that_its_folder_names():
    for vector in vectors():
        row = use_case(fields(vector.octets).message_code)
        filed = by_name(vector.use_case)
        assert row is not None, vector.name
        if vector.direction == "ALERT":  # the alert of a command is filed with the command
            assert row.alert, vector.name
            assert filed is row or not filed.alert, vector.name
        elif row is not filed:  # an error may be the code of another use case of the same SRV
            assert "ERROR" in vector.name, vector.name
            assert vector.srv in row.srvs, vector.name


@needs_rtds
def test_every_vector_is_reached_by_the_service_reference_that_its_folder_names():
    for vector in vectors():
        if vector.srv != "NA" and vector.direction != "ALERT":
            assert vector.srv in use_case(fields(vector.octets).message_code).srvs, vector.name


@needs_rtds
def test_every_vector_has_the_format_of_its_use_case():
    for vector in vectors():
        message = fields(vector.octets)
        assert message.family in use_case(message.message_code).payloads, vector.name


@needs_rtds
def test_critical_vectors_are_signed_and_the_others_are_not():
    for vector in vectors():
        message = fields(vector.octets)
        critical = use_case(message.message_code).critical
        if vector.direction == "PRECOMMAND":
            assert message.signature is None, vector.name
            assert critical is not False, vector.name
        elif critical is not None:
            assert message.signature is not None, vector.name
            assert (len(message.signature) == 64) is critical, vector.name


def test_few_codes_are_inferred_and_each_fills_a_gap():
    inferred = [row for row in USE_CASES if row.source is Source.INFERRED]
    assert [row.name for row in inferred] == [
        "ECS100",
        "ECS200",
        "CS02gLoadControllerByLoadController",
    ]
    for row in inferred:
        for neighbour in (use_case(row.code - 1), use_case(row.code + 1)):
            assert neighbour.source is not Source.INFERRED
