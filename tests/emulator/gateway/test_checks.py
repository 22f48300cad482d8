"""The decisions on requests: trust, refusals and their codes, and the order of the checks."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esme_emulator.cache.registry.registration import Devices, Registration
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.estate.keys import DerivedKeystore, make_certificate
from esme_emulator.estate.parties import (
    DISTRIBUTOR,
    DUIS_USERS,
    EXPORT_SUPPLIER,
    OTHER_USER,
    SUPPLIER,
)
from esme_emulator.gateway.checks import (
    MAX_REMEMBERED,
    Admitted,
    Checks,
    Distrust,
    Refused,
    Repeated,
    Untrusted,
    Verdict,
)
from esme_emulator.gateway.commands import pre_command
from esme_emulator.gateway.documents import DSP, Code, Endpoint, Request
from esme_emulator.gateway.keys import duis_registry
from esme_emulator.gateway.values import base64_of
from gbcs import EUI, Command, decode, encode, sign
from gbcs.tables.reading_services import POLYPHASE, SINGLE, TWIN
from tests.support import duis
from tests.support.duis import METER, PERIOD, SEED, keys, request_text, signed

NOW = 1_796_000_000.0
TWIN_METER, POLYPHASE_METER = EUI.from_int(int(METER) + 1), EUI.from_int(int(METER) + 2)
STRANGER = EUI.from_int(int(METER) + 99)
KINDS = {METER: SINGLE, TWIN_METER: TWIN, POLYPHASE_METER: POLYPHASE}
CREDIT = "<sr:UpdatePaymentMode><sr:Credit/></sr:UpdatePaymentMode>"
SCHEDULE = (
    "<sr:CreateSchedule><sr:ScheduleFrequency>Daily</sr:ScheduleFrequency>"
    "<sr:ScheduleStartDate>2015-01-02</sr:ScheduleStartDate>"
    "<sr:DSPScheduledServiceReference>4.6</sr:DSPScheduledServiceReference>"
    "<sr:DSPScheduledServiceReferenceVariant>4.6.1</sr:DSPScheduledServiceReferenceVariant>"
    "<sr:DeviceID>00-DB-E5-00-00-00-00-00</sr:DeviceID><sr:DSPRetrieveImportDailyReadLog>"
    "<sr:StartDateOffset>-1</sr:StartDateOffset><sr:StartTime>00:00:00Z</sr:StartTime>"
    "<sr:EndDateOffset>0</sr:EndDateOffset><sr:EndTime>00:00:00Z</sr:EndTime>"
    "</sr:DSPRetrieveImportDailyReadLog></sr:CreateSchedule>"
)


def checks(registry: Registry | None = None) -> Checks:
    return Checks(keys(), registry or duis_registry(), KINDS.get)


def judged(
    text: str,
    endpoint: Endpoint = Endpoint.SEND,
    by: EUI = SUPPLIER,
    registry: Registry | None = None,
) -> Verdict:
    return checks(registry).judge(endpoint, signed(text, by), NOW)


def code_of(verdict: Verdict) -> Code:
    assert isinstance(verdict, Refused), verdict
    assert "\n" not in verdict.detail
    return verdict.code


def request_of(verdict: Verdict) -> Request:
    assert isinstance(verdict, Admitted), verdict
    return verdict.request


def distrust_of(verdict: Verdict) -> Distrust:
    assert isinstance(verdict, Untrusted), verdict
    assert "\n" not in verdict.detail
    return verdict.reason


@pytest.mark.parametrize("srv", [each for each in duis.SERVICES if duis.SERVICES[each].body.reads])
def test_every_read_is_admitted_from_a_party_with_the_role(srv: str) -> None:
    kind = TWIN_METER if srv == "4.11.2" else METER
    user = EXPORT_SUPPLIER if srv in ("4.2", "4.6.2", "4.8.3", "4.12.2") else SUPPLIER
    verdict = judged(request_text(srv, user, kind), by=user)
    assert request_of(verdict).srv == srv
    assert isinstance(verdict, Admitted)
    assert verdict.kind == KINDS[kind]


# Trust


def test_what_is_no_signed_request_gets_no_code() -> None:
    judge = checks().judge
    text = request_text("4.13")
    assert distrust_of(judge(Endpoint.SEND, b"<a", NOW)) is Distrust.NOT_XML
    assert distrust_of(judge(Endpoint.SEND, text.encode(), NOW)) is Distrust.SIGNATURE
    wrong = request_text("4.13", body="<sr:NoSuchElement/>")
    assert distrust_of(judge(Endpoint.SEND, signed(wrong), NOW)) is Distrust.SCHEMA


def test_the_schema_of_dcc_is_asked_if_there_is_one() -> None:
    said = Checks(keys(), duis_registry(), KINDS.get, lambda root: "not to my taste")
    verdict = said.judge(Endpoint.SEND, signed(request_text("4.13")), NOW)
    assert verdict == Untrusted(Distrust.SCHEMA, "not to my taste")


def test_who_signs_for_another_is_refused() -> None:
    verdict = judged(request_text("4.13", SUPPLIER), by=DISTRIBUTOR)
    assert code_of(verdict) is Code.UNKNOWN_USER


def test_a_replayed_request_is_only_answered() -> None:
    judge, octets = checks().judge, signed(request_text("4.13"))
    first = request_of(judge(Endpoint.SEND, octets, NOW))
    assert judge(Endpoint.SEND, octets, NOW + 60) == Repeated(first)


def test_a_request_that_is_signed_again_is_the_same() -> None:
    judge, text = checks().judge, request_text("4.13")
    judge(Endpoint.SEND, signed(text), NOW)
    assert isinstance(judge(Endpoint.SEND, signed(text), NOW), Repeated)


def test_another_request_under_the_same_id_is_not_trusted() -> None:
    judge = checks().judge
    request_of(judge(Endpoint.SEND, signed(request_text("4.13")), NOW))
    verdict = judge(Endpoint.SEND, signed(request_text("4.18")), NOW)
    assert distrust_of(verdict) is Distrust.REUSED_ID


def test_the_oldest_request_id_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esme_emulator.gateway.checks.MAX_REMEMBERED", 2)
    judge = checks().judge
    for counter in range(3):
        judge(Endpoint.SEND, signed(request_text("4.13", counter=counter)), NOW)
    again = [
        judge(Endpoint.SEND, signed(request_text("4.13", counter=counter)), NOW)
        for counter in (2, 0)
    ]
    assert isinstance(again[0], Repeated)
    assert isinstance(again[1], Admitted)
    assert MAX_REMEMBERED == 65_536


def test_a_refused_request_is_judged_again() -> None:
    """A registration may have been added meanwhile."""
    judge, octets = checks().judge, signed(request_text("4.11.2"))
    assert code_of(judge(Endpoint.SEND, octets, NOW)) is Code.NOT_COMPATIBLE
    assert code_of(judge(Endpoint.SEND, octets, NOW)) is Code.NOT_COMPATIBLE
    request_of(judge(Endpoint.SEND, signed(request_text("4.18")), NOW))


def test_a_request_signed_by_another_uses_up_no_request_id() -> None:
    judge = checks().judge
    judge(Endpoint.SEND, signed(request_text("4.18"), by=DISTRIBUTOR), NOW)
    request_of(judge(Endpoint.SEND, signed(request_text("4.13")), NOW))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_document_has_a_verdict(data: st.DataObject) -> None:
    document = signed(request_text("5.1", target=DSP, body=SCHEDULE))
    at = data.draw(st.integers(0, len(document)))
    piece = data.draw(st.one_of(st.binary(max_size=4), st.sampled_from((b"<!--", b"-->", b"&"))))
    octets = document[:at] + piece + document[at + data.draw(st.integers(0, 40)) :]
    endpoint = data.draw(st.sampled_from(list(Endpoint)))
    assert isinstance(checks().judge(endpoint, octets, NOW), Untrusted | Refused | Admitted)


@given(st.text(max_size=40), st.sampled_from(["RequestID", "CommandVariant", "ServiceReference"]))
def test_any_signed_text_has_a_verdict(text: str, name: str) -> None:
    root = duis.parse_xml(request_text("4.13").encode())
    element = root.find(f".//{duis.SR}{name}")
    assert element is not None
    try:
        element.text = text
    except ValueError:  # no XML can hold it
        return
    octets = duis.sign(root, duis.signer_of(SUPPLIER))
    assert isinstance(checks().judge(Endpoint.SEND, octets, NOW), Untrusted | Refused | Admitted)


# Role, registration, device


def test_a_party_that_is_not_registered_at_all() -> None:
    verdict = judged(request_text("4.13"), registry=Registry([(DISTRIBUTOR, ["ED"])]))  # type: ignore[list-item]
    assert code_of(verdict) is Code.UNKNOWN_USER


def test_a_role_without_the_service() -> None:
    assert code_of(judged(request_text("4.6.1", DISTRIBUTOR), by=DISTRIBUTOR)) is Code.ROLE
    assert code_of(judged(request_text("4.3", OTHER_USER), by=OTHER_USER)) is Code.ROLE


def test_only_a_supplier_sends_critical_requests() -> None:
    for user in (DISTRIBUTOR, OTHER_USER, EXPORT_SUPPLIER):
        text = request_text("1.6", user, body=CREDIT)
        assert code_of(judged(text, Endpoint.TRANSFORM, user)) is Code.ROLE


def test_another_partys_device_or_dates() -> None:
    one = Registration(SUPPLIER, Devices(METER, METER), date(2026, 11, 29))
    registry = Registry(DUIS_USERS.items(), [one])
    refused = judged(request_text("4.13", target=TWIN_METER), registry=registry)
    assert code_of(refused) is Code.NOT_REGISTERED
    request_of(judged(request_text("4.13"), registry=registry))
    too_early = judged(request_text("4.8.1"), registry=registry)  # 2026-11-28
    assert code_of(too_early) is Code.NOT_REGISTERED
    later = request_text("4.8.1").replace("2026-11-28", "2026-11-30")
    request_of(judged(later, registry=registry))


def test_a_future_dated_read_needs_a_registration_on_that_day() -> None:
    one = Registration(SUPPLIER, start=date(2030, 1, 1))
    registry = Registry(DUIS_USERS.items(), [one])
    body = (
        "<sr:ReadMeterBalance><sr:ExecutionDateTime>2030-01-02T00:00:00Z</sr:ExecutionDateTime>"
        "</sr:ReadMeterBalance>"
    )
    request = request_of(judged(request_text("4.18", body=body), registry=registry))
    assert request.execution is not None
    assert code_of(judged(request_text("4.18"), registry=registry)) is Code.NOT_REGISTERED


def test_no_such_device() -> None:
    assert code_of(judged(request_text("4.13", target=STRANGER))) is Code.NO_DEVICE
    assert code_of(judged(request_text("4.13", target=DSP))) is Code.NO_DEVICE


def test_a_service_that_the_kind_of_meter_lacks() -> None:
    assert code_of(judged(request_text("4.11.2"))) is Code.NOT_COMPATIBLE
    request_of(judged(request_text("4.11.2", target=TWIN_METER)))


def test_a_service_that_is_not_emulated() -> None:
    text = request_text("6.2.1", body="<sr:ReadDeviceConfigurationVoltage/>")
    assert code_of(judged(text)) is Code.NOT_COMPATIBLE


# Variants and paths


@pytest.mark.parametrize(
    ("srv", "variant", "endpoint", "code"),
    [
        ("4.13", 1, Endpoint.TRANSFORM, Code.WRONG_URL),
        ("4.13", 1, Endpoint.NON_DEVICE, Code.WRONG_URL),
        ("4.13", 9, Endpoint.SEND, Code.WRONG_URL),
        ("4.13", 2, Endpoint.NON_DEVICE, Code.NOT_LOCAL),
        ("4.13", 3, Endpoint.SEND, Code.NOT_LOCAL),
        ("4.13", 4, Endpoint.TRANSFORM, Code.VARIANT),
        ("4.13", 8, Endpoint.NON_DEVICE, Code.VARIANT),
        ("1.6", 1, Endpoint.SEND, Code.VARIANT),
        ("1.6", 6, Endpoint.NON_DEVICE, Code.NOT_LOCAL),
        ("1.6", 5, Endpoint.SEND, Code.VARIANT),
    ],
)
def test_variants_and_paths(srv: str, variant: int, endpoint: Endpoint, code: Code) -> None:
    body = CREDIT if srv == "1.6" else None
    text = request_text(srv, variant=variant, body=body)
    assert code_of(judged(text, endpoint)) is code


def test_credit_mode_is_transformed_and_prepayment_is_not() -> None:
    request_of(judged(request_text("1.6", body=CREDIT), Endpoint.TRANSFORM))
    prepayment = (
        "<sr:UpdatePaymentMode><sr:Prepayment><sr:SuspendDebtDisabled>true"
        "</sr:SuspendDebtDisabled><sr:SuspendDebtEmergency>true</sr:SuspendDebtEmergency>"
        "<sr:DisablementThreshold>0</sr:DisablementThreshold></sr:Prepayment>"
        "</sr:UpdatePaymentMode>"
    )
    refused = judged(request_text("1.6", body=prepayment), Endpoint.TRANSFORM)
    assert code_of(refused) is Code.NOT_COMPATIBLE


# Contents that must belong to the request


def signed_pre_command(counter: int = 1000) -> bytes:
    request = request_of(
        judged(request_text("1.6", body=CREDIT, counter=counter), Endpoint.TRANSFORM)
    )
    command = decode(pre_command(request, SINGLE))
    assert isinstance(command, Command)
    return encode(sign(command, DerivedKeystore(SEED)))


def signed_body(payload: bytes) -> str:
    return (
        f"<sr:SignedPreCommand><sr:GBCSPayload>{base64_of(payload)}</sr:GBCSPayload>"
        "</sr:SignedPreCommand>"
    )


def test_a_signed_pre_command_has_the_request_id_of_its_request() -> None:
    judge = checks().judge
    transform = signed(request_text("1.6", body=CREDIT))
    request_of(judge(Endpoint.TRANSFORM, transform, NOW))
    text = request_text("1.6", variant=5, body=signed_body(signed_pre_command()))
    request_of(judge(Endpoint.SEND, signed(text), NOW))
    for payload in (b"", b"\xdf", signed_pre_command(7), signed_pre_command()[:-65] + b"\x00"):
        text = request_text("1.6", counter=1000, variant=5, body=signed_body(payload))
        verdict = checks().judge(Endpoint.SEND, signed(text), NOW)
        assert distrust_of(verdict) is Distrust.CONTENT
    text = request_text("1.1.1", variant=5, body=signed_body(signed_pre_command()))
    assert distrust_of(checks().judge(Endpoint.SEND, signed(text), NOW)) is Distrust.CONTENT


def with_credentials(der: bytes) -> str:
    body = (
        f"<sr:ReadPrepaymentDailyReadLog>{PERIOD}<sr:KAPublicSecurityCredentials>"
        f"{base64_of(der)}</sr:KAPublicSecurityCredentials></sr:ReadPrepaymentDailyReadLog>"
    )
    return request_text("4.14", body=body)


def test_credentials_must_be_those_of_the_user() -> None:
    mine = make_certificate(SUPPLIER, DerivedKeystore(SEED))
    request_of(judged(with_credentials(mine)))
    for der in (
        b"x",
        make_certificate(DISTRIBUTOR, DerivedKeystore(SEED)),
        make_certificate(SUPPLIER, DerivedKeystore("another seed")),
    ):
        assert distrust_of(judged(with_credentials(der))) is Distrust.CONTENT


# Requests for the DSP


def test_a_schedule_needs_the_role_of_what_it_reads() -> None:
    text = request_text("5.1", target=DSP, body=SCHEDULE)
    request_of(judged(text, Endpoint.NON_DEVICE))
    other = request_text("5.1", DISTRIBUTOR, DSP, body=SCHEDULE)
    assert code_of(judged(other, Endpoint.NON_DEVICE, DISTRIBUTOR)) is Code.ROLE
    absent = text.replace("E5-00-00-00-00-00<", "E5-00-00-00-00-63<")
    assert code_of(judged(absent, Endpoint.NON_DEVICE)) is Code.NO_DEVICE


def test_the_registration_of_a_schedule_counts_from_its_next_run() -> None:
    registry = Registry(DUIS_USERS.items(), [Registration(SUPPLIER, start=date(2026, 11, 20))])
    text = request_text("5.1", target=DSP, body=SCHEDULE)
    assert NOW > 1_795_000_000
    request_of(judged(text, Endpoint.NON_DEVICE, registry=registry))
    late = Registry(DUIS_USERS.items(), [Registration(SUPPLIER, start=date(2040, 1, 1))])
    assert code_of(judged(text, Endpoint.NON_DEVICE, registry=late)) is Code.NOT_REGISTERED


def test_a_schedule_for_gas_meters_is_not_compatible() -> None:
    gas = (
        "<sr:CreateSchedule><sr:ScheduleFrequency>Daily</sr:ScheduleFrequency>"
        "<sr:ScheduleStartDate>2026-12-01</sr:ScheduleStartDate>"
        "<sr:DSPScheduledServiceReference>14.1</sr:DSPScheduledServiceReference>"
        "<sr:DSPScheduledServiceReferenceVariant>14.1</sr:DSPScheduledServiceReferenceVariant>"
        "<sr:DeviceID>00-DB-E5-00-00-00-00-00</sr:DeviceID><sr:DSPRecordNetworkDataGAS/>"
        "</sr:CreateSchedule>"
    )
    text = request_text("5.1", target=DSP, body=gas)
    assert code_of(judged(text, Endpoint.NON_DEVICE)) is Code.NOT_COMPATIBLE


def test_the_target_of_a_request_for_the_dcc_is_the_dsp() -> None:
    text = request_text("5.1", body=SCHEDULE)
    assert code_of(judged(text, Endpoint.NON_DEVICE)) is Code.NO_DEVICE


@pytest.mark.parametrize(
    ("one", "found"),
    [
        ("<sr:DeviceID>00-DB-E5-00-00-00-00-00</sr:DeviceID>", True),
        ("<sr:DeviceID>00-DB-E5-00-00-00-00-63</sr:DeviceID>", False),
        ("<sr:UPRN>1</sr:UPRN>", False),
    ],
)
def test_the_inventory_is_known_by_device(one: str, found: bool) -> None:
    body = f"<sr:ReadInventory>{one}</sr:ReadInventory>"
    verdict = judged(request_text("8.2", target=DSP, body=body), Endpoint.NON_DEVICE)
    if found:
        assert request_of(verdict).srv == "8.2"
    else:
        assert code_of(verdict) is Code.NO_DEVICE


def test_only_users_of_the_registry_ask_the_dsp() -> None:
    body = "<sr:ReadSchedule><sr:DSPScheduleID>1</sr:DSPScheduleID></sr:ReadSchedule>"
    text = request_text("5.2", target=DSP, body=body)
    request_of(judged(text, Endpoint.NON_DEVICE))
    empty = Registry([])
    assert code_of(judged(text, Endpoint.NON_DEVICE, registry=empty)) is Code.UNKNOWN_USER


def test_details_name_who_may_not_do_what() -> None:
    verdict = judged(request_text("4.6.1", DISTRIBUTOR), by=DISTRIBUTOR)
    assert isinstance(verdict, Refused)
    assert str(DISTRIBUTOR) in verdict.detail
    assert "4.6.1" in verdict.detail
    assert replace(verdict, detail="") != verdict
