"""GBCS commands of DUIS requests: those of DCC's test data, and those that meters answer."""

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from esme_emulator.device.meter import answer
from esme_emulator.estate.keys import DerivedKeystore
from esme_emulator.estate.parties import OTHER_USER, SUPPLIER
from esme_emulator.gateway.commands import CommandBuilder, CommandError, pre_command, signed_command
from esme_emulator.gateway.documents import (
    Code,
    CreateSchedule,
    Frequency,
    GbcsPayload,
    Request,
    Response,
    UpdatePaymentMode,
)
from esme_emulator.gateway.keys import DuisKeys, derived_keys, duis_registry
from esme_emulator.gateway.requests import parse_xml, read_request
from esme_emulator.gateway.services import SERVICES
from esme_emulator.gateway.values import base64_of
from esme_emulator.messaging.validation import Accepted, accept
from gbcs import (
    EUI,
    Command,
    FileKeystore,
    Status,
    Supplementary,
    decode,
    encode,
    open_message,
    sign,
)
from gbcs.instants import parse_iso
from gbcs.tables.reading_services import SINGLE, TWIN
from gbcs.usecases.read_request import Window
from tests.support import duis
from tests.support.duis import METER, SEED, keys, request_text
from tests.support.rtds import KEYSTORE, named, needs_rtds

NOW = 1_796_000_000.0
ACB = EUI.parse("90B3D51F30000002")


def builder(of: DuisKeys | None = None) -> CommandBuilder:
    return CommandBuilder(of or keys(), duis_registry())


def request_of(text: str) -> Request:
    return read_request(parse_xml(text.encode()))


# Commands of DCC's test data


@cache
def rtds_keys() -> DuisKeys:
    return derived_keys(SEED, FileKeystore.load(KEYSTORE))


def pair(path: Path) -> tuple[Request, Command]:
    """Return a request of DCC, and the command that the DCC makes of it."""
    name = path.stem.replace("_REQUEST_DUIS", "_COMMAND").replace("_DSP_FUTURE_DATED_COMMAND", "")
    command = decode(named(name).octets, rtds_keys().keystore)
    assert isinstance(command, Command)
    return read_request(duis.template(path)), command


READS = [
    path
    for path in duis.templates()
    if path.name.startswith("ECS") and "SUCCESS" in path.name and "1.1.1" not in path.name
]


@needs_rtds
@duis.needs_duis
@pytest.mark.parametrize("path", READS, ids=lambda path: path.stem)
def test_commands_are_those_of_the_test_data(path: Path) -> None:
    request, expected = pair(path)
    kind = TWIN if "TWIN" in path.name or request.srv == "4.11.2" else SINGLE
    command, octets = builder(rtds_keys()).command(request, kind, NOW)
    if expected.supplementary is None:
        vector = path.stem.replace("_REQUEST_DUIS", "_COMMAND")
        assert octets == named(vector).octets
        return
    # The ACB's counter is its own, and stands in the invoke id and the protection parameters too.
    assert (command.originator, command.recipient) == (ACB, expected.recipient)
    assert command.message_code == expected.message_code
    behind, theirs = command.supplementary, expected.supplementary
    assert behind is not None
    assert (behind.party, behind.party_counter) == (theirs.party, theirs.party_counter)
    assert bool(behind.certificate) == bool(theirs.certificate)


@needs_rtds
@duis.needs_duis
def test_there_are_pairs() -> None:
    assert len(READS) >= 22


@needs_rtds
def test_the_command_through_the_acb_differs_by_its_counter_alone() -> None:
    text = request_text("4.6.2", target=EUI.parse("00DB1234567890A0"), counter=1003)
    expected = decode(named("ECS21c_4.6.2_SUCCESS_COMMAND").octets)
    command, _ = builder(rtds_keys()).command(request_of(text), SINGLE, NOW)
    assert command.originator_counter == int(NOW * 1_000_000) * 2
    assert command.supplementary is not None
    assert expected.supplementary is not None
    fields = replace(command, originator_counter=expected.originator_counter)
    assert fields.originator == expected.originator
    assert replace(command.supplementary, party_counter=0) == replace(
        expected.supplementary, party_counter=0
    )


@needs_rtds
@pytest.mark.parametrize(
    ("kind", "counter", "execution", "name"),
    [
        (SINGLE, 1006, None, "ECS02_1.6_IMMEDIATE_SINGLE_ERROR_PRECOMMAND"),
        (TWIN, 1005, "2030-01-15T09:00:00Z", "ECS02_1.6_FUTURE_DATED_TWIN_SUCCESS_PRECOMMAND"),
    ],
)
def test_pre_commands_are_those_of_the_test_data(
    kind: str, counter: int, execution: str | None, name: str
) -> None:
    vector = named(name).octets
    device = decode(vector).recipient
    body = "<sr:UpdatePaymentMode><sr:Credit/></sr:UpdatePaymentMode>"
    request = request_of(request_text("1.6", target=device, counter=counter, body=body))
    if execution is not None:
        request = replace(request, body=UpdatePaymentMode(None, parse_iso(execution)))
    # The vectors lack the signature length that DCC Boxed adds today.
    assert pre_command(request, kind) == vector + b"\x00"


# Every read is answered


@pytest.mark.parametrize("srv", [each for each in SERVICES if SERVICES[each].body.reads])
@pytest.mark.parametrize("user", [SUPPLIER, OTHER_USER])
def test_meters_accept_the_commands(srv: str, user: EUI) -> None:
    kind = TWIN if srv == "4.11.2" else SINGLE
    command, octets = builder().command(request_of(request_text(srv, user)), kind, NOW)
    found = accept(METER, octets, keys().keystore, NOW)
    assert isinstance(found, Accepted), found
    assert found.srv == srv
    known = user == SUPPLIER and not SERVICES[srv].acb
    assert command.originator == (user if known else ACB)
    assert (command.originator_counter == 1000) == known
    behind = command.supplementary
    assert (behind is None) == known
    if behind is not None:
        assert (behind.party, behind.party_counter) == (user, 1000)


def test_the_response_goes_to_the_user_as_the_meter_sent_it() -> None:
    request = request_of(request_text("4.8.1", OTHER_USER))
    command, _ = builder().command(request, SINGLE, NOW)
    reply = answer(SEED, command, keys().keystore, NOW, lambda: 5).octets
    assert reply is not None
    message = decode(reply, keys().keystore)
    assert message.mac_status is Status.VALID
    assert [each.status for each in message.protected] == [Status.VALID]
    response = Response.to(request, Code.DONE, NOW, GbcsPayload(reply), from_device=True)
    assert response.response_id == request.id.reply
    assert response.content == GbcsPayload(reply)


def test_the_counter_of_the_acb_never_repeats() -> None:
    make = builder()
    counters = [
        make.command(request_of(request_text("4.6.2", counter=number)), SINGLE, NOW)[0]
        for number in range(3)
    ]
    numbers = [each.originator_counter for each in counters]
    assert numbers == sorted(set(numbers))


def test_a_user_that_brings_a_certificate_goes_through_the_acb() -> None:
    request = request_of(request_text("4.14"))
    certificate = keys().certificates[SUPPLIER]
    brought = replace(
        request, body=replace(request.body, credentials=next(iter(certificate.values())))
    )
    command, octets = builder().command(brought, SINGLE, NOW)
    assert command.originator == ACB
    assert isinstance(accept(METER, octets, keys().keystore, NOW), Accepted)
    direct, _ = builder().command(request, SINGLE, NOW)
    assert direct.originator == SUPPLIER


def test_without_a_certificate_nothing_can_be_encrypted() -> None:
    bare = replace(keys(), certificates={})
    with pytest.raises(CommandError, match="send KAPublicSecurityCredentials"):
        builder(bare).command(request_of(request_text("4.8.1", OTHER_USER)), SINGLE, NOW)


def test_a_single_element_meter_has_no_secondary_tariff() -> None:
    with pytest.raises(CommandError, match=r"a single meter has no reading service 4\.11\.2"):
        builder().command(request_of(request_text("4.11.2")), SINGLE, NOW)


def test_a_missing_key_is_one_line() -> None:
    empty = DuisKeys(keys().signers, keys().dsp, FileKeystore({}), {}, keys().s1sp)
    with pytest.raises(CommandError):
        builder(empty).command(request_of(request_text("4.13")), SINGLE, NOW)


# Critical commands


def test_a_signed_pre_command_becomes_a_command_with_a_mac() -> None:
    body = "<sr:UpdatePaymentMode><sr:Credit/></sr:UpdatePaymentMode>"
    request = request_of(request_text("1.6", body=body))
    unsigned = open_message(pre_command(request, SINGLE))
    assert isinstance(unsigned, Command)
    assert pre_command(request, SINGLE)[:3] == b"\xdf\x09\x01"
    payload = encode(sign(unsigned, DerivedKeystore(SEED)))
    inner = (
        f"<sr:SignedPreCommand><sr:GBCSPayload>{base64_of(payload)}</sr:GBCSPayload>"
        "</sr:SignedPreCommand>"
    )
    forwarded = request_of(request_text("1.6", variant=5, body=inner))
    assert signed_command(forwarded).mac is None
    _, octets = builder().command(forwarded, SINGLE, NOW)
    assert isinstance(accept(METER, octets, keys().keystore, NOW), Accepted)


def test_a_read_is_no_pre_command() -> None:
    with pytest.raises(CommandError):
        pre_command(request_of(request_text("4.13")), SINGLE)
    with pytest.raises(CommandError):
        signed_command(request_of(request_text("4.13")))


# Schedules


def test_a_scheduled_read_is_between_device_and_acb() -> None:
    details = CreateSchedule(
        Frequency.DAILY,
        date(2026, 11, 1),
        "4.8",
        "4.8.1",
        METER,
        "ReadActiveImportProfileData",
    )
    window = Window(parse_iso("2026-11-28"), parse_iso("2026-11-29"))
    command, octets = builder().scheduled(details, SUPPLIER, SINGLE, window, NOW)
    behind = command.supplementary
    assert isinstance(behind, Supplementary)
    assert behind.party == SUPPLIER
    assert behind.party_counter == command.originator_counter
    assert isinstance(accept(METER, octets, keys().keystore, NOW), Accepted)
