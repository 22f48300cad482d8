"""Read requests in commands, accepted and refused, and answers that cannot be made."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import SUPPLIER
from gbcs import (
    EUI,
    UNSEALED,
    AuthenticationError,
    Command,
    DecodeError,
    EncodeError,
    FileKeystore,
    GbcsError,
    Message,
    Response,
    Supplementary,
    decode,
    encode,
)
from gbcs.dlms.access import Access, AccessRequest, AccessResponse, AccessResult, Choice
from gbcs.dlms.data import NULL, Data, array, double_long_unsigned, octet_string, structure
from gbcs.instants import MAX_INSTANT, parse_iso
from gbcs.tables.reading_services import BY_USE_CASE, READING_SERVICES, ReadingService
from gbcs.usecases.answer import Result, answer_reading, needs_own_counter
from gbcs.usecases.read_request import (
    MAX_ATTRIBUTES,
    Attribute,
    ReadRequest,
    Window,
    read_requests_of,
    reading_command,
)
from gbcs.usecases.values import values_of
from tests.support.codec_check import outcome
from tests.support.strategies import messages

KEYS = DerivedKeystore("asking")
METER = EUI.parse("00DBE50000000007")
ACB = KEYS.access_control_broker
WINDOW = Window(parse_iso("2026-01-01"), parse_iso("2026-01-02"))
SEARCH = settings(max_examples=150)
PROTECTED, CLEAR, MANY = (BY_USE_CASE[name] for name in ("ECS22b", "ECS22a", "ECS23"))

services = st.sampled_from(READING_SERVICES)
each_service = pytest.mark.parametrize(
    "service", READING_SERVICES, ids=lambda service: service.use_case
)
instants = st.integers(0, MAX_INSTANT)
windows = st.tuples(instants, instants).map(lambda pair: Window(min(pair), max(pair)))
supplementaries = st.none() | st.builds(
    Supplementary,
    st.binary(min_size=8, max_size=8).map(EUI),
    st.integers(0, 2**64 - 1),
    st.none(),
    st.just(b"") | st.binary(min_size=9, max_size=20),
)


def _command(
    service: ReadingService, window: Window = WINDOW, counter: int = 7, **more: Any
) -> Command:
    return reading_command(
        service,
        device=METER,
        originator=SUPPLIER,
        counter=counter,
        window=window if service.windowed else None,
        **more,
    )


def _accesses(command: Command) -> tuple[Access, ...]:
    assert isinstance(command.payload, AccessRequest)
    return command.payload.accesses


def _with(command: Command, *accesses: Access) -> Command:
    assert isinstance(command.payload, AccessRequest)
    return replace(command, payload=replace(command.payload, accesses=accesses))


def _asked(service: ReadingService, window: Window) -> tuple[ReadRequest, ...]:
    return tuple(
        ReadRequest(
            tuple(
                Attribute(item.class_id, item.obis, item.index, window if item.windowed else None)
                for item in access.attributes
            ),
            access.protection,
        )
        for access in service.accesses
    )


@SEARCH
@given(services, windows, st.integers(0, 2**64 - 1), supplementaries)
@example(PROTECTED, Window(0, 0), 0, None)
@example(CLEAR, Window(0, MAX_INSTANT), 2**64 - 1, None)
def test_requests_of_a_command_are_read(
    service: ReadingService, window: Window, counter: int, behind: Supplementary | None
) -> None:
    command = _command(service, window, counter, supplementary=behind)
    assert read_requests_of(command) == _asked(service, window)
    sealed = replace(command, mac=bytes(12))
    assert read_requests_of(decode(encode(sealed))) == _asked(service, window)


@each_service
def test_choice_and_protection(service: ReadingService) -> None:
    command = _command(service)
    requests = read_requests_of(command)
    assert requests is not None
    assert [request.choice for request in requests] == [
        access.choice for access in _accesses(command)
    ]
    assert any(request.protected for request in requests) is service.protected


@pytest.mark.parametrize(
    ("service", "window", "reason"),
    [
        (CLEAR, None, r"SRV 4.8.3 \(ECS22a\) needs a window"),
        (BY_USE_CASE["ECS82"], WINDOW, r"SRV 4.18 \(ECS82\) takes no window"),
    ],
)
def test_a_window_is_given_exactly_if_the_service_takes_one(
    service: ReadingService, window: Window | None, reason: str
) -> None:
    with pytest.raises(EncodeError, match=reason):
        reading_command(service, device=METER, originator=SUPPLIER, counter=1, window=window)


def _changed(data: Data | None, old: str, new: str) -> Data:
    assert data is not None
    before, after = bytes.fromhex(old), bytes.fromhex(new)
    assert data.octets().count(before) == 1
    return Data.parse(data.octets().replace(before, after))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0909040000000000000007", "0909040000000000000008"),  # another counter
        ("0909040000000000000007", "0909010000000000000007"),  # no transaction id
        ("090890B3D51F30010000", "090890B3D51F30010001"),  # another originator
        ("090800DBE50000000007", "090800DBE50000000008"),  # another recipient
        ("090800DBE50000000007", "0A0800DBE50000000007"),  # that is text
        ("0900020216020202090102", "090100020216020202090102"),  # other information
        ("0202160202020901020900", "0202160102020901020900"),  # another kind of key
        ("160202020901020900", "160202020901010900"),  # other key parameters
        ("0101020216020205", "0101020216010205"),  # authentication alone
        ("12000709060000630100FF", "12000809060000630100FF"),  # not a log
        ("0F0212", "0F0312"),  # a window of another attribute
        ("0F0212", "0FFE12"),  # no attribute
        ("0F0212", "110212"),  # attribute of another type
        ("0F02120000", "0F02120001"),  # an index in the attribute
        ("12000709060000630100FF", "110709060000630100FF"),  # class of another type
        ("0906 0000630100FF", "0905 0000630100"),  # a logical name too short
        ("160102", "160202"),  # another restriction
        ("07EA0101FF000000", "07EA01FFFF000000"),  # an open limit
        ("07EA0101FF000000", "07EA0104FF000000"),  # ends before it starts
        ("090C07EA0101FF", "0A0C07EA0101FF"),  # a limit that is text
        ("0202160102", "0202160002"),  # a window, and said to be none
    ],
)
def test_an_altered_protected_read_is_refused(old: str, new: str) -> None:
    command = _command(PROTECTED)
    [access] = _accesses(command)
    assert read_requests_of(_with(command, access)) is not None
    assert (
        read_requests_of(_with(command, replace(access, data=_changed(access.data, old, new))))
        is None
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0906 00005E2C64FF", "0906 00005E2C65FF"),  # another column
        ("0F02120000", "0F03120000"),  # another attribute of it
        ("0F02120000", "0F02120001"),  # an index in it
        ("0100", "0000"),  # no list of columns
        ("06300A2600", "05300A2600"),  # a limit of another type
        ("06300A2600", "06310A2600"),  # ends before it starts
    ],
)
def test_an_altered_read_by_window_is_refused(old: str, new: str) -> None:
    command = _command(CLEAR)
    [access] = _accesses(command)
    window = f"06{WINDOW.start:08X}"
    old, new = (text.replace("06300A2600", window) for text in (old, new))
    new = new.replace("05300A2600", f"05{WINDOW.start:08X}")
    new = new.replace("06310A2600", f"06{WINDOW.end + 1:08X}")
    if old == "0100":
        assert access.selection is not None
        octets = access.selection.octets()
        selection = Data.parse(octets[:-2] + b"\x02\x00")
    else:
        selection = _changed(access.selection, old, new)
    assert read_requests_of(_with(command, replace(access, selection=selection))) is None


def test_commands_that_do_not_only_read_are_refused() -> None:
    command = _command(MANY)
    get, *_, by_range, _ = _accesses(command)
    [protected] = _accesses(_command(PROTECTED))
    for access in (
        replace(get, choice=Choice.SET),
        replace(get, choice=Choice.ACTION),
        replace(get, data=double_long_unsigned(1)),
        replace(by_range, data=double_long_unsigned(1)),
        replace(by_range, choice=Choice.SET_WITH_SELECTION),
        replace(by_range, selector=2),
        replace(by_range, class_id=3),
        replace(by_range, index=4),
        replace(by_range, selection=NULL),
        replace(protected, index=2),
        replace(protected, class_id=9),
        replace(protected, choice=Choice.GET),
        replace(protected, data=NULL),
        replace(protected, data=structure(array(), protected.data.value[1])),  # type: ignore[index, arg-type]
        replace(protected, data=structure(protected.data.value[0], NULL)),  # type: ignore[index, arg-type]
    ):
        assert read_requests_of(_with(command, access)) is None
        assert read_requests_of(_with(command, get, access)) is None


def test_messages_other_than_dlms_commands_are_refused() -> None:
    command = _command(MANY)
    assert read_requests_of(_with(command)) is None
    response = Response(
        originator=SUPPLIER,
        recipient=METER,
        originator_counter=7,
        message_code=MANY.message_code,
        payload=command.payload,
    )
    assert read_requests_of(response) is None
    assert read_requests_of(replace(command, payload=AccessResponse(0, ()))) is None


def test_two_protected_accesses_are_refused() -> None:
    """The two answers would be encrypted under one key and IV."""
    command = _command(PROTECTED)
    [access] = _accesses(command)
    [clear] = _accesses(_command(CLEAR))
    assert read_requests_of(_with(command, access, clear)) is not None
    assert read_requests_of(_with(command, access, access)) is None


def test_too_many_attributes_are_refused() -> None:
    command = _command(MANY)
    get = _accesses(command)[0]
    assert read_requests_of(_with(command, *[get] * MAX_ATTRIBUTES)) is not None
    assert read_requests_of(_with(command, *[get] * (MAX_ATTRIBUTES + 1))) is None
    protected = _command(PROTECTED)
    [access] = _accesses(protected)
    reads, parameters = access.data.value  # type: ignore[misc]
    [read] = reads.value  # type: ignore[union-attr, misc]

    def asked(number: int) -> Command:
        data = structure(array(*[read] * number), parameters)  # type: ignore[arg-type]
        return _with(protected, replace(access, data=data))

    most = read_requests_of(asked(MAX_ATTRIBUTES))
    assert most is not None
    assert len(most[0].attributes) == MAX_ATTRIBUTES
    assert read_requests_of(asked(MAX_ATTRIBUTES + 1)) is None
    full = _with(protected, *_accesses(asked(MAX_ATTRIBUTES)), get)
    assert read_requests_of(full) is None


@SEARCH
@given(messages())
def test_any_message_asks_for_something_or_not(message: Message) -> None:
    requests = read_requests_of(message)
    assert requests is None or all(request.attributes for request in requests)


@SEARCH
@given(services, st.data())
def test_altered_commands_are_other_requests_or_refused(
    service: ReadingService, choose: Any
) -> None:
    octets = bytearray(encode(replace(_command(service), mac=bytes(12))))
    position = choose.draw(st.integers(0, len(octets) - 1))
    octets[position] = choose.draw(st.integers(0, 255))
    try:
        message = decode(bytes(octets))
    except DecodeError:
        return
    requests = read_requests_of(message)
    if requests is not None:
        results: list[Result] = [
            tuple([octet_string(b"value")] * len(request.attributes)) for request in requests
        ]
        command = replace(message, recipient=METER, originator=SUPPLIER, supplementary=None)
        assert isinstance(command, Command)
        response = decode(answer_reading(command, results, KEYS), KEYS)
        assert outcome(lambda: values_of(response), GbcsError)


def test_results_that_do_not_fit() -> None:
    command = _command(CLEAR)
    for results, reason in (
        ([], "access 1 has no result"),
        ([0], "access 1: give values, not code 0"),
        ([(NULL, NULL)], "2 values for an access of one"),
        ([()], "0 values for an access of one"),
    ):
        with pytest.raises(EncodeError, match=reason):
            answer_reading(command, results, KEYS)
    with pytest.raises(DecodeError):
        answer_reading(command, [(b"\xff",)], KEYS)
    with pytest.raises(EncodeError, match="only a DLMS command"):
        answer_reading(replace(command, payload=AccessResponse(0, ())), [4], KEYS)
    with pytest.raises(AuthenticationError):
        answer_reading(_command(PROTECTED), [(NULL,)], FileKeystore({}))


def test_whatever_is_behind_a_failure_is_not_attempted() -> None:
    command = _command(MANY)
    answered: list[Result] = [(NULL,), 2, (NULL,)]
    response = decode(answer_reading(command, answered, KEYS), KEYS)
    assert isinstance(response.payload, AccessResponse)
    assert [result.code for result in response.payload.results] == [0, 2, 250, 250, 250, 250]
    assert {result.data for result in response.payload.results} == {NULL}


def test_only_encrypted_answers_need_the_own_counter() -> None:
    behind = Supplementary(SUPPLIER, 9, None, b"")
    protected = replace(_command(PROTECTED), originator=ACB, supplementary=behind)
    assert needs_own_counter(protected, [(NULL,)])
    assert not needs_own_counter(protected, [4])
    assert not needs_own_counter(_command(PROTECTED), [(NULL,)])
    clear = replace(_command(CLEAR), originator=ACB, supplementary=behind)
    assert not needs_own_counter(clear, [(NULL,)])
    for command, results in ((protected, [4]), (clear, [(NULL,)])):
        response = decode(answer_reading(command, results, KEYS, 5), KEYS)
        assert response.supplementary == Supplementary(SUPPLIER, 9)
    opened = decode(answer_reading(protected, [(NULL,)], KEYS, 5), KEYS)
    assert opened.supplementary == Supplementary(SUPPLIER, 9, 5)
    assert values_of(opened)[0].data == NULL


def _answer(service: ReadingService, *results: AccessResult) -> Response:
    return Response(
        originator=METER,
        recipient=SUPPLIER,
        originator_counter=7,
        message_code=service.message_code,
        payload=AccessResponse(0x20000007, results),
        mac=UNSEALED,
    )


def test_responses_that_do_not_match_the_service_are_errors() -> None:
    value = AccessResult(Choice.GET, 0, NULL)
    with pytest.raises(DecodeError, match="not the response of a reading service"):
        values_of(replace(_answer(CLEAR, value), message_code=0x0048))
    with pytest.raises(DecodeError, match="not the response of a reading service"):
        values_of(_command(CLEAR))
    with pytest.raises(DecodeError, match=r"2 results; SRV 4.8.3 has 1"):
        values_of(_answer(CLEAR, value, value))
    with pytest.raises(DecodeError, match="not encrypted"):
        values_of(_answer(PROTECTED, value))


def test_values_of_another_kind_say_so() -> None:
    [log] = values_of(_answer(CLEAR, AccessResult(Choice.GET, 0, NULL)))
    with pytest.raises(DecodeError, match=r"SRV 4.8.3: the log is not a compact-array"):
        _ = log.rows
    power = BY_USE_CASE["ECS17c"]
    [other] = values_of(_answer(power, AccessResult(Choice.GET, 0, NULL)))
    with pytest.raises(DecodeError, match="not a structure"):
        _ = other.fields
    many = structure(*[double_long_unsigned(1)] * 4)
    [longer] = values_of(_answer(power, AccessResult(Choice.GET, 0, many)))
    with pytest.raises(DecodeError, match="4 parts, not 3"):
        _ = longer.fields


def test_an_encrypted_answer_needs_its_keys_and_its_attributes() -> None:
    command = _command(PROTECTED)
    octets = answer_reading(command, [(NULL,)], KEYS)
    with pytest.raises(AuthenticationError, match="the keystore needs the 'ka' keys"):
        values_of(decode(octets))
    two = answer_reading(command, [(NULL, NULL)], KEYS)
    with pytest.raises(DecodeError, match=r"2 values; SRV 4.8.1 has 1"):
        values_of(decode(two, KEYS))
