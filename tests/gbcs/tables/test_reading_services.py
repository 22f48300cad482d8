"""The table of the reading services, compared with the vectors and the other tables."""

import pytest

from gbcs.obis import parse_dotted
from gbcs.tables.accesses import access_names
from gbcs.tables.cosem import attribute_name, cosem_object
from gbcs.tables.profile_logs import BY_OBIS, BY_SRV, OTHER_LOGS, PROFILE_LOGS, ProfileLog
from gbcs.tables.reading_services import (
    BY_CODE,
    BY_USE_CASE,
    FIELDS,
    POLYPHASE,
    READING_SERVICES,
    SINGLE,
    TWIN,
    ReadAttribute,
    ReadingService,
    service_of,
)
from gbcs.tables.use_cases import use_case
from tests.support.rtds import Vector, each
from tests.support.second_hand import fields

each_service = pytest.mark.parametrize(
    "service", READING_SERVICES, ids=lambda service: service.use_case
)
SRVS = (
    *(
        "4.1.1",
        "4.1.2",
        "4.1.3",
        "4.2",
        "4.3",
        "4.4.2",
        "4.4.3",
        "4.4.4",
        "4.4.5",
        "4.6.1",
        "4.6.2",
    ),
    *("4.8.1", "4.8.2", "4.8.3", "4.10", "4.11.1", "4.11.2", "4.12.1", "4.12.2", "4.13", "4.14"),
    *("4.15", "4.16", "4.17", "4.18"),
)


def _attributes(service: ReadingService) -> list[ReadAttribute]:
    return [item for access in service.accesses for item in access.attributes]


def test_every_reading_service_is_there() -> None:
    assert sorted({service.srv for service in READING_SERVICES}) == sorted(SRVS)
    assert len(BY_CODE) == len(BY_USE_CASE) == len(READING_SERVICES) == 26


@each_service
def test_code_and_srv_are_those_of_the_use_case(service: ReadingService) -> None:
    found = use_case(service.message_code)
    assert found is not None
    assert found.name == service.use_case
    assert service.srv in found.srvs


@each_service
def test_results_are_named_with_a_vector_or_without(service: ReadingService) -> None:
    names = access_names(service.message_code, len(service.accesses))
    assert names is not None
    for name, access in zip(names, service.accesses, strict=True):
        if access.protection is None:
            [item] = access.attributes
            assert name == attribute_name(item.class_id, item.obis, item.index)
        else:
            assert name.endswith("get_protected_attributes")


@each_service
def test_every_object_has_a_name(service: ReadingService) -> None:
    for item in _attributes(service):
        assert cosem_object(item.class_id, item.obis) is not None
        assert not attribute_name(item.class_id, item.obis, item.index)[0].isdigit()
    for access in service.accesses:
        assert access.protection is None or cosem_object(30, access.protection) is not None


@each_service
def test_attributes_read_by_window_are_logs_of_the_service(service: ReadingService) -> None:
    for access in service.accesses:
        for item in access.attributes:
            if not item.windowed:
                continue
            log = BY_OBIS[item.obis]
            assert (item.class_id, item.index) == (7, 2)
            assert (log.srv, log.protection) == (service.srv, access.protection)
    assert service.windowed == any(log.srv == service.srv for log in BY_OBIS.values())


def _time_is_known(vector: Vector) -> bool:
    service = BY_CODE.get(fields(vector.octets).message_code)
    return vector.direction == "RESPONSE" and service is not None and not service.time_inferred


@each(_time_is_known)
def test_time_is_carried_by_the_responses_that_do(vector: Vector) -> None:
    """Rows marked as inferred make no claim about vectors, so they are left out."""
    message = fields(vector.octets)
    assert len(message.date_time) == (12 if BY_CODE[message.message_code].carries_time else 0)


@pytest.mark.parametrize(
    ("srv", "meter", "expected"),
    [
        ("4.10", SINGLE, "ECS23"),
        ("4.10", TWIN, "ECS23"),
        ("4.10", POLYPHASE, "ECS23b"),
        ("4.11.2", TWIN, "ECS24b"),
        ("4.4.3", POLYPHASE, "ECS20c"),
    ],
)
def test_service_of(srv: str, meter: str, expected: str) -> None:
    assert service_of(srv, meter).use_case == expected


@pytest.mark.parametrize(("srv", "meter"), [("4.11.2", SINGLE), ("4.7", TWIN), ("4.10", "four")])
def test_a_service_that_a_meter_lacks_is_an_error(srv: str, meter: str) -> None:
    with pytest.raises(ValueError, match=f"a {meter} meter has no reading service {srv}"):
        service_of(srv, meter)


def test_fields_are_of_attributes_that_are_read() -> None:
    read = {
        (item.class_id, item.obis, item.index)
        for service in READING_SERVICES
        for item in _attributes(service)
    }
    assert read >= FIELDS.keys()


def test_other_logs_are_not_among_those_of_a_command_of_their_own() -> None:
    assert {log.srv for log in PROFILE_LOGS} == BY_SRV.keys()
    assert BY_SRV.keys().isdisjoint(log.srv for log in OTHER_LOGS)
    assert len(BY_OBIS) == len(PROFILE_LOGS) + len(OTHER_LOGS) == 15


@pytest.mark.parametrize(
    ("obis", "period", "depth"),
    [
        ("0.0.98.1.0.255", 0, 12),
        ("0.0.98.1.1.255", 0, 12),
        ("0.0.98.1.2.255", 0, 12),
        ("0.0.98.1.4.255", 0, 10),
        ("0.0.98.1.5.255", 0, 5),
        ("0.0.98.1.8.255", 86_400, 31),
        ("0.0.99.1.3.255", 86_400, 731),
        ("1.0.72.24.0.255", 0, 4_320),
    ],
)
def test_depths(obis: str, period: int, depth: int) -> None:
    log = BY_OBIS[parse_dotted(obis)]
    assert (log.period, log.depth) == (period, depth)


@pytest.mark.parametrize("log", BY_OBIS.values(), ids=lambda log: f"{log.srv} {log.log.hex()}")
def test_rows_have_as_many_columns_as_names(log: ProfileLog) -> None:
    for description, columns in log.rows.items():
        assert description[0] == 2
        more = 3 if "blocks" in columns else 0  # that one stands for four
        assert description[1] == 1 + len(columns) + more
