"""Responses are valid by DCC's schema, compact, and of the form of a DCC Boxed."""

from datetime import date, time

import pytest

from esme_emulator.gateway.documents import (
    Code,
    Content,
    CreateSchedule,
    Frequency,
    GbcsPayload,
    Inventory,
    Offsets,
    PreCommand,
    Request,
    Response,
    ScheduledMessage,
    ScheduleId,
    SchedulesRead,
)
from esme_emulator.gateway.requests import parse_xml, read_request
from esme_emulator.gateway.responses import write_response
from esme_emulator.gateway.signature import sign, verify
from gbcs.tables.reading_services import SINGLE
from tests.support import duis
from tests.support.duis import METER, SR, keys, request_text

AT = 1_796_000_000.674
REQUEST: Request = read_request(parse_xml(request_text("4.8.1").encode()))
OFFSETS = Offsets(-1, time(0, 30), 0, time())
LOG = CreateSchedule(
    Frequency.HALF_YEARLY,
    date(2026, 1, 31),
    "4.6",
    "4.6.1",
    METER,
    "RetrieveImportDailyReadLog",
    OFFSETS,
    date(2027, 1, 31),
    time(12, 0, 5),
    b"certificate",
)
PLAIN = CreateSchedule(
    Frequency.DAILY, date(2026, 1, 31), "4.16", "4.16", METER, "ReadActivePowerImport"
)
CONTENTS: tuple[Content | None, ...] = (
    None,
    GbcsPayload(bytes(300)),
    PreCommand(b"\xdf\x09\x01"),
    ScheduleId(10**12),
    SchedulesRead(((1, LOG), (2, PLAIN))),
    ScheduledMessage(b"\xdd", 7),
    Inventory(((METER, SINGLE),)),
)


@pytest.mark.parametrize("content", CONTENTS, ids=lambda each: type(each).__name__)
def test_every_content_is_valid_by_the_schema(content: Content | None) -> None:
    response = Response.to(REQUEST, Code.DONE, AT, content, from_device=True)
    octets = sign(write_response(response), keys().dsp)
    root = parse_xml(octets, limit=1 << 20)
    assert duis.xsd().mistake(root) == ""
    _, signer = verify(root, keys().signers)
    assert signer == keys().dsp


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_valid_by_the_schema(code: Code) -> None:
    assert duis.xsd().mistake(write_response(Response.to(REQUEST, code, AT))) == ""


def test_a_response_is_compact() -> None:
    octets = sign(write_response(Response.to(REQUEST, Code.DONE, AT, CONTENTS[1])), keys().dsp)
    assert b"\n" not in octets.partition(b"?>\n")[2]
    assert b"\r" not in octets
    assert b"&#" not in octets


def test_an_acknowledgement_has_both_service_references() -> None:
    root = write_response(Response.to(REQUEST, Code.ACCEPTED, AT))
    assert [str(each.tag).removeprefix(SR) for each in root.iter()] == [
        *("Response", "Header", "RequestID", "ResponseCode", "ResponseDateTime"),
        *("Body", "ResponseMessage", "ServiceReference", "ServiceReferenceVariant"),
    ]
    assert [each.text for each in root.iter() if each.text] == [
        *("90-B3-D5-1F-30-01-00-00:00-DB-E5-00-00-00-00-00:1000", "I99"),
        *("2026-11-30T00:53:20.674Z", "4.8", "4.8.1"),
    ]


def test_a_response_of_a_device_has_a_response_id() -> None:
    root = write_response(Response.to(REQUEST, Code.NO_RESPONSE, AT, from_device=True))
    assert root.findtext(f".//{SR}ResponseID") == (
        "00-DB-E5-00-00-00-00-00:90-B3-D5-1F-30-01-00-00:1000"
    )


def test_the_request_id_is_written_as_it_was_received() -> None:
    text = request_text("4.8.1").replace("90-B3-D5", "90-b3-d5")
    request = read_request(parse_xml(text.encode()))
    root = write_response(Response.to(request, Code.ACCEPTED, AT))
    assert str(root.findtext(f".//{SR}RequestID")).startswith("90-b3-d5-1F")


def test_a_schedule_that_is_read_back_is_the_one_created() -> None:
    root = write_response(Response.to(REQUEST, Code.DONE, AT, SchedulesRead(((1, LOG),))))
    [details] = root.iter(f"{SR}DSPScheduleDetails")
    details.tag = f"{SR}CreateSchedule"
    request = parse_xml(request_text("5.1", body="").encode())
    body = request.find(f"{SR}Body")
    assert body is not None
    body.append(details)
    assert read_request(request).body == LOG


def test_what_is_no_content_is_an_error() -> None:
    with pytest.raises(TypeError, match="not a content"):
        write_response(Response.to(REQUEST, Code.DONE, AT, "text"))  # type: ignore[arg-type]
