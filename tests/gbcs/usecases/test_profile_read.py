"""Commands that are or are not reads of a log; answers without readings."""

from dataclasses import replace
from typing import Any

import pytest

from gbcs import (
    EUI,
    Alert,
    AuthenticationError,
    Command,
    DecodeError,
    FileKeystore,
    KeystoreError,
    Message,
    Opaque,
    Response,
    Status,
    decode,
)
from gbcs.dlms.access import Access, AccessRequest, AccessResponse, AccessResult, Choice
from gbcs.dlms.data import NULL, Data, octet_string, structure
from gbcs.instants import parse_iso
from gbcs.tables.profile_logs import BY_SRV, PROFILE_LOGS, ProfileLog
from gbcs.usecases.profile_read import (
    ProfileRead,
    Window,
    answer_profile_read,
    buffer_of,
    profile_read_command,
    profile_read_of,
    rows_of,
)
from gbcs.usecases.responding import refuse
from tests.support.rtds import named
from tests.support.second_hand import blobs

METER = EUI.parse("00DB1234567890A0")
SUPPLIER = EUI.parse("90B3D51F30010000")
NETWORK_OPERATOR = EUI.parse("90B3D51F30020000")

HARDWARE_FAULT = 1

WINDOW = Window(parse_iso("2026-01-01"), parse_iso("2026-01-02"))
PLAIN, PROTECTED = BY_SRV["4.8.3"], BY_SRV["4.8.1"]


def _read_of(log: ProfileLog, window: Window = WINDOW, counter: int = 7) -> Command:
    return profile_read_command(
        ProfileRead(log, window), device=METER, originator=SUPPLIER, counter=counter
    )


def _with_access(command: Command, **changes: Any) -> Command:
    assert isinstance(command.payload, AccessRequest)
    [access] = command.payload.accesses
    payload = replace(command.payload, accesses=(replace(access, **changes),))
    return replace(command, payload=payload)


def _access_of(command: Command) -> Access:
    assert isinstance(command.payload, AccessRequest)
    return command.payload.accesses[0]


def _substituted(data: Data | None, old: bytes, new: bytes) -> Data:
    assert data is not None
    assert data.octets().count(old) == 1
    return Data.parse(data.octets().replace(old, new))


@pytest.mark.parametrize("log", PROFILE_LOGS, ids=lambda log: log.srv)
def test_every_log_is_recognised(log: ProfileLog) -> None:
    assert profile_read_of(_read_of(log)) == ProfileRead(log, WINDOW)
    moment = Window(WINDOW.start, WINDOW.start)
    assert profile_read_of(_read_of(log, moment)) == ProfileRead(log, moment)


def test_any_other_command_is_not_a_profile_read() -> None:
    plain, protected = _read_of(PLAIN), _read_of(PROTECTED)
    selection, data = _access_of(plain).selection, _access_of(protected).data
    backwards = Window(WINDOW.end, WINDOW.start)
    two = AccessRequest(0x20000007, (_access_of(plain), _access_of(plain)))
    open_end = bytes.fromhex("07EA0102FF000000008000FF")
    commands: list[Message] = [
        _read_of(PLAIN, backwards),
        _read_of(PROTECTED, backwards),
        replace(plain, message_code=PROTECTED.message_code),
        replace(protected, message_code=PLAIN.message_code),
        replace(plain, message_code=0x0035),
        replace(plain, message_code=0xFFFF),
        replace(plain, payload=Opaque(b"")),
        replace(plain, payload=two),
        replace(plain, payload=AccessRequest(0x20000007, ())),
        _with_access(plain, index=3),
        _with_access(plain, class_id=3),
        _with_access(plain, selection=None, selector=None, choice=Choice.GET),
        _with_access(plain, selector=2),
        _with_access(plain, selection=NULL),
        _with_access(plain, selection=structure(NULL, NULL, NULL, NULL)),
        _with_access(plain, selection=_substituted(selection, b"\x5e\x2c", b"\x5e\x2d")),
        _with_access(plain, data=octet_string(b"")),
        _with_access(protected, data=NULL),
        _with_access(protected, data=structure()),
        _with_access(protected, data=_substituted(data, METER, SUPPLIER)),
        _with_access(protected, data=_substituted(data, b"\x00\x07\x09\x08", b"\x00\x08\x09\x08")),
        _with_access(protected, data=_substituted(data, open_end, b"\xff" * 12)),
        _with_access(
            protected, data=_substituted(data, open_end, open_end.replace(b"\x80\x00", b"\x00\x3c"))
        ),
    ]
    for number, command in enumerate(commands):
        assert profile_read_of(command) is None, number


def test_a_protected_read_names_its_own_counter() -> None:
    assert profile_read_of(replace(_read_of(PROTECTED), originator_counter=8)) is None
    assert profile_read_of(replace(_read_of(PLAIN), originator_counter=8)) is not None


# Answers that are none.


def _answering(log: ProfileLog, *results: AccessResult, kind: type[Message] = Response) -> Message:
    return kind(
        originator=METER,
        recipient=SUPPLIER,
        originator_counter=7,
        message_code=log.message_code,
        payload=AccessResponse(0x20000007, results),
    )


def _success(data: Data) -> AccessResult:
    return AccessResult(Choice.GET, 0, data)


@pytest.mark.parametrize(
    "response",
    [
        _answering(PLAIN),
        _answering(PLAIN, _success(NULL)),
        _answering(PLAIN, _success(NULL), _success(NULL)),
        _answering(PLAIN, _success(Data.parse(bytes.fromhex("1302020606 00")))),
        _answering(PROTECTED, _success(NULL)),
        replace(_read_of(PLAIN), payload=Opaque(b"")),
    ],
)
def test_a_response_to_something_else_has_no_readings(response: Message) -> None:
    log = PROTECTED if response.message_code == PROTECTED.message_code else PLAIN
    with pytest.raises(DecodeError) as caught:
        buffer_of(response, log)
    assert caught.value.path
    assert caught.value.reason


def test_an_empty_log_has_no_rows() -> None:
    empty = bytes.fromhex("13020306060600")
    assert buffer_of(_answering(PLAIN, _success(Data.parse(empty))), PLAIN) == empty
    assert rows_of(PLAIN, empty) == []


def test_encrypted_readings_without_a_key_are_an_error(rtds_keystore: FileKeystore) -> None:
    octets = named("ECS22b_4.8.1_SINGLE_SUCCESS_RESPONSE").octets
    with pytest.raises(AuthenticationError, match="unverified"):
        buffer_of(decode(octets), PROTECTED)
    at = octets.index(blobs(octets)[0]) + 40
    tampered = octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]
    message = decode(tampered, rtds_keystore)
    assert message.protected[0].status is Status.INVALID
    assert message.mac_status is Status.INVALID
    with pytest.raises(AuthenticationError, match="invalid"):
        buffer_of(message, PROTECTED)


def test_an_answer_needs_keys() -> None:
    keyless = FileKeystore({})
    buffer = bytes.fromhex("130202060600")
    for log in (PLAIN, PROTECTED):
        with pytest.raises(AuthenticationError):
            answer_profile_read(_read_of(log), log, buffer, keyless)
        with pytest.raises(AuthenticationError):
            refuse(_read_of(log), HARDWARE_FAULT, keyless)


def test_an_answer_needs_a_certificate_of_the_party(rtds_keystore: FileKeystore) -> None:
    command = decode(named("ECS21b_4.14_URP_SUCCESS_COMMAND").octets, rtds_keystore)
    assert isinstance(command, Command)
    assert command.supplementary is not None
    buffer = bytes.fromhex("130202060600")
    for supplementary in (
        replace(command.supplementary, party=NETWORK_OPERATOR),
        replace(command.supplementary, certificate=b"no certificate"),
    ):
        with pytest.raises(KeystoreError):
            answer_profile_read(
                replace(command, supplementary=supplementary), PROTECTED, buffer, rtds_keystore, 1
            )


def test_alerts_are_not_answers() -> None:
    assert profile_read_of(_answering(PLAIN, _success(NULL), kind=Alert)) is None
