"""Readings of SMETS1 meters, decoded in XML that the S1SP signs."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from esme_emulator.app.services import FleetOptions
from esme_emulator.estate.parties import EXPORT_SUPPLIER, OTHER_USER, SUPPLIER
from esme_emulator.gateway.documents import Code, RequestId, Response, SignedReadings, text_of
from esme_emulator.gateway.readings import NAMESPACE
from esme_emulator.gateway.requests import Element, parse_xml
from esme_emulator.gateway.responses import write_response
from esme_emulator.gateway.services import SERVICES
from esme_emulator.gateway.signature import SignatureError, sign, verify
from esme_emulator.gateway.smets1 import signed_readings
from esme_emulator.gateway.user import ReceivedResponse
from esme_emulator.profiles import meter_profile
from gbcs import EUI, AuthenticationError, Message, decode
from gbcs.dlms.access import AccessResponse, AccessResult, Choice
from gbcs.dlms.data import NULL
from gbcs.instants import to_iso
from gbcs.usecases.values import Reading, values_of
from tests.support import duis
from tests.support.dsp_bench import DAILY, KEYS, METER, NON_DEVICE, SEND, Starter, for_the_dsp
from tests.support.duis_user import SR, Receiver, answered, post, signed_request

RA = f"{{{NAMESPACE}}}"
READS = [srv for srv, service in SERVICES.items() if service.body.reads and srv != "4.1.4"]
EXPORTS = ("4.2", "4.6.2", "4.8.3", "4.12.2")
LONG = (
    "<sr:ReadLogPeriod><sr:StartDateTime>2025-01-20T00:00:00Z</sr:StartDateTime>"
    "<sr:EndDateTime>2026-01-15T00:00:00Z</sr:EndDateTime></sr:ReadLogPeriod>"
)
SHORT = LONG.replace("2025-01-20", "2026-01-13")


def user_of(srv: str) -> EUI:
    return EXPORT_SUPPLIER if srv in EXPORTS else SUPPLIER


def request_of(srv: str, counter: int, user: EUI | None = None) -> bytes:
    window = SHORT if srv.startswith(("4.8", "4.10", "4.17")) else LONG
    body = duis.body_of(srv).replace(duis.PERIOD, window)
    originator = user or user_of(srv)
    text = duis.request_text(srv, originator, METER, counter, 1, body)
    return signed_request(KEYS, originator, text)


async def replies_of(
    starter: Starter, user: Receiver, profile: str, srvs: list[str], *, decoded: bool
) -> dict[str, ReceivedResponse]:
    """Return the responses of a meter of `profile`, by SRV."""
    kinds = (meter_profile(profile),)
    user.received.clear()
    async with starter.run(
        meters=FleetOptions(profiles=kinds), profiles=kinds, smets1_response=decoded
    ) as bench:
        for number, srv in enumerate(srvs, 1):
            counter = number + (1000 if decoded else 0)
            answer = await post(bench.client, SEND, request_of(srv, counter))
            assert answered(KEYS, answer.content).code == "I99", srv
        received = [answered(KEYS, octets) for octets in await user.wait_for(len(srvs))]
    return {str(each.text("ServiceReferenceVariant")): each for each in received}


def inner_of(response: ReceivedResponse) -> Element:
    """Return the signed readings in a response, after verifying that the S1SP signed them."""
    found = response.root.find(f".//{SR}SMETS1SignedResponse")
    assert found is not None
    document = parse_xml(etree.tostring(found), 1 << 24)
    tree, signer = verify(document, {KEYS.s1sp.serial: KEYS.s1sp})
    assert signer.eui == KEYS.s1sp.eui
    return tree


def message_of(response: ReceivedResponse) -> Message:
    return decode(response.payload, KEYS.keystore)


def numbers_in(value: Any) -> Iterator[int]:
    """Yield the numbers in a decoded value, without scalers and units."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            if "scaler_unit" not in name and name != "time":
                yield from numbers_in(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from numbers_in(part)


def expected(readings: tuple[Reading, ...]) -> list[int]:
    """Return all numbers that were read."""
    found: list[int] = []
    for each in readings:
        if each.data is None or each.attribute.index == 3:  # scaler and unit
            continue
        plain: Any = each.rows if each.rows is not None else each.fields
        found += numbers_in(each.data.value if plain is None else list_of(plain))
    return sorted(found)


def list_of(plain: Any) -> Any:
    return [dict(row) for row in plain] if isinstance(plain, list) else dict(plain)


def shown(tree: Element) -> list[int]:
    """Return all numbers in the readings, without times and phases."""
    data = tree.find(f".//{RA}SMETSData")
    assert data is not None
    texts = [each.text or "" for each in data.iter() if not len(each) and each.tag != f"{RA}Phase"]
    return sorted(int(text) for text in texts if text.lstrip("-").isdigit())


def is_table(srv: str) -> bool:
    """Return whether the readings are tables, whose numbers are not all values."""
    return srv.startswith(("4.11", "4.12", "4.13", "4.15"))


@pytest.mark.parametrize("profile", ["smets1", "smets1-prepayment"])
async def test_every_read_of_a_smets1_meter_is_delivered_decoded_and_signed_twice(
    starter: Starter, user: Receiver, profile: str
) -> None:
    srvs = [srv for srv in READS if srv != "4.11.2"]  # a SMETS1 meter has one element
    assert len(srvs) == 24
    gbcs = await replies_of(starter, user, profile, srvs, decoded=False)
    decoded = await replies_of(starter, user, profile, srvs, decoded=True)
    for srv in srvs:
        assert gbcs[srv].root.find(f".//{SR}SMETS1SignedResponse") is None
        response = decoded[srv]
        assert (response.code, response.text("GBCSPayload")) == ("I0", None)
        tree = inner_of(response)
        sent, header = message_of(gbcs[srv]), tree.find(f".//{SR}Header")
        assert header is not None
        fields = {etree.QName(each).localname: each.text for each in header}
        assert fields["BusinessOriginatorID"] == text_of(METER)
        assert fields["BusinessTargetID"] == text_of(sent.recipient)
        assert fields["GBCSHexadecimalMessageCode"] == f"{sent.message_code:04X}"
        assert fields["ServiceReferenceVariant"] == srv
        assert ("Timestamp" in fields) == bool(sent.transaction_time)
        root = tree.find(f".//{RA}{SERVICES[srv].element}Rsp")
        assert root is not None, srv
        assert root.get("MessageSuccess") == "true"
        readings = values_of(sent)
        if not is_table(srv):
            assert shown(tree) == expected(readings), srv
        rows = [row for each in readings for row in each.rows or ()]
        times = [
            each.text for each in root.iter() if etree.QName(each).localname.lower() == "timestamp"
        ]
        copies = 2 if srv == "4.4.2" else 1  # each entry is there as registers and as balances
        assert sorted(map(str, times)) == sorted([to_iso(row["time"]) for row in rows] * copies)


@pytest.mark.parametrize("profile", ["smets1", "smets1-prepayment"])
async def test_what_is_delivered_is_valid_by_the_schemas_of_dcc(
    starter: Starter, user: Receiver, profile: str
) -> None:
    schema = duis.xsd()
    srvs = [srv for srv in READS if srv != "4.11.2"]
    decoded = await replies_of(starter, user, profile, srvs, decoded=True)
    for octets in user.received:
        assert schema.mistake(parse_xml(octets, 1 << 24)) == ""
    assert len(decoded) == 24


@pytest.mark.parametrize("profile", ["twin", "polyphase", "single-blocks", "single-prepayment"])
async def test_readings_of_other_meters_could_be_written_too(
    starter: Starter, user: Receiver, profile: str
) -> None:
    srvs = [srv for srv in READS if profile == "twin" or srv != "4.11.2"]
    gbcs = await replies_of(starter, user, profile, srvs, decoded=False)
    for srv in srvs:
        octets = signed_readings(message_of(gbcs[srv]), srv, KEYS.s1sp)
        tree, _ = verify(parse_xml(octets, 1 << 24), {KEYS.s1sp.serial: KEYS.s1sp})
        if not is_table(srv):
            assert shown(tree) == expected(values_of(message_of(gbcs[srv]))), srv
        if duis.DUIS.is_dir():
            assert duis.xsd().mistake(parse_xml(wrapped(octets, srv), 1 << 24)) == "", srv


def wrapped(octets: bytes, srv: str) -> bytes:
    response = Response(
        Code.DONE,
        0.0,
        SERVICES[srv].reference,
        srv,
        RequestId(SUPPLIER, METER, 1),
        RequestId(METER, SUPPLIER, 1),
        SignedReadings(octets),
    )
    return sign(write_response(response), KEYS.dsp, name_c14n=True)


async def test_tables_have_the_values_of_the_meter(starter: Starter, user: Receiver) -> None:
    srvs = ["4.11.1", "4.12.1", "4.13", "4.15"]
    gbcs = await replies_of(starter, user, "smets1-prepayment", srvs, decoded=False)
    decoded = await replies_of(starter, user, "smets1-prepayment", srvs, decoded=True)

    def of(srv: str) -> dict[str, Any]:
        readings = values_of(message_of(gbcs[srv]))
        return {each.name: each.data and each.data.value for each in readings}

    def text(srv: str, path: str) -> str | None:
        return inner_of(decoded[srv]).findtext(
            ".//" + "/".join(f"{RA}{n}" for n in path.split("/"))
        )

    tariff = of("4.11.1")
    price = str(tariff["Primary active tariff price: value"])
    assert text("4.11.1", "PrimaryActiveTariffPrice") == price
    assert text("4.11.1", "TariffTOUPriceMatrix/TariffTOUPrice") == price  # one rate
    assert text("4.11.1", "CurrencyUnitsLabel") == "GBP"
    assert text("4.11.1", "PriceScale") == "-5"
    assert text("4.11.1", "DayProfile/ProfileSchedule/StartTime") == "00:00:00Z"
    assert text("4.11.1", "Season/SeasonName") == "spring"
    assert text("4.11.1", "SeasonStartDate/Month/SpecifiedMonth") == "3"
    assert text("4.11.1", "SpecialDay/Date/Year/NonSpecifiedYear") == ""
    demand = of("4.12.1")
    maximum = demand["Maximum demand active power import: value"]
    assert text("4.12.1", "MaxDemandActiveEnergyImport/Value") == str(maximum)
    assert text("4.12.1", "MaxDemandConfigurableTimePeriod/StartTime") == "16:00:00Z"
    assert text("4.12.1", "MaxDemandConfigurableTimePeriod/EndTime") == "20:00:00Z"
    account = of("4.13")
    credit = account["Emergency credit: preset_credit_amount"]
    assert text("4.13", "EmergencyCreditLimit") == str(credit)
    assert text("4.13", "DebtRecovery1/DebtRecoveryRatePeriod") in ("HOURLY", "DAILY")
    assert text("4.13", "NonDisablementScript") == "START"
    limit = of("4.15")
    assert text("4.15", "LoadLimitPowerThreshold") == str(limit["Load limit: threshold_normal"])
    assert text("4.15", "LoadLimitSupplyState") == "Unchanged"


async def test_runs_of_schedules_and_users_behind_the_acb_get_decoded_readings_too(
    starter: Starter, user: Receiver
) -> None:
    kinds = (meter_profile("smets1"),)
    async with starter.run(
        meters=FleetOptions(profiles=kinds), profiles=kinds, smets1_response=True
    ) as bench:
        await post(bench.client, SEND, request_of("4.8.1", 7, OTHER_USER))
        (octets,) = await user.wait_for(1)
        tree = inner_of(answered(KEYS, octets))
        assert tree.findtext(f".//{RA}SupplementaryRemotePartyID") == text_of(OTHER_USER)
        assert tree.findtext(f".//{RA}SupplementaryRemotePartyCounter") == "7"
        assert shown(tree)
        await post(bench.client, NON_DEVICE, for_the_dsp(8, "5.1", DAILY))
        await bench.clock.advance(86_400)
        run = answered(KEYS, (await user.wait_for(2))[1])
        assert (run.text("DSPScheduleID"), run.text("RequestID")) == ("1", None)
        entries = inner_of(run).findall(f".//{RA}LogEntry")
        assert len(entries) == 49
    if duis.DUIS.is_dir():
        for octets in user.received:
            assert duis.xsd().mistake(parse_xml(octets, 1 << 24)) == ""


async def test_what_the_meter_refused_is_named(starter: Starter, user: Receiver) -> None:
    gbcs = await replies_of(starter, user, "smets1", ["4.18"], decoded=False)
    message = message_of(gbcs["4.18"])
    failed = replace(message, payload=AccessResponse(1, (AccessResult(Choice.GET, 3, NULL),)))
    octets = signed_readings(failed, "4.18", KEYS.s1sp)
    tree, _ = verify(parse_xml(octets), {KEYS.s1sp.serial: KEYS.s1sp})
    root = tree.find(f".//{RA}ReadMeterBalanceRsp")
    assert root is not None
    assert (root.get("MessageSuccess"), len(root)) == ("false", 0)
    error = tree.find(f".//{RA}SMETS1Debug/{RA}SMETS1Response")
    assert error is not None
    assert (error.get("ResponseCode"), error.get("Position")) == ("3", "1")
    assert "Meter balance" in (error.findtext(f"{RA}Error") or "")
    if duis.DUIS.is_dir():
        assert duis.xsd().mistake(parse_xml(wrapped(octets, "4.18"))) == ""


async def test_encrypted_readings_that_no_key_opens_are_not_written(
    starter: Starter, user: Receiver
) -> None:
    gbcs = await replies_of(starter, user, "smets1", ["4.8.1"], decoded=False)
    message = decode(gbcs["4.8.1"].payload)
    with pytest.raises(AuthenticationError, match="the keystore needs"):
        signed_readings(message, "4.8.1", KEYS.s1sp)


async def test_a_tampered_reading_breaks_both_signatures(starter: Starter, user: Receiver) -> None:
    await replies_of(starter, user, "smets1", ["4.1.1"], decoded=True)
    (octets,) = user.received
    tampered = octets.replace(b"<ra:Value>", b"<ra:Value>9", 1)
    assert tampered != octets
    root = parse_xml(tampered, 1 << 24)
    with pytest.raises(SignatureError):
        verify(root, KEYS.signers, nested=True)
    inner = root.find(f".//{SR}SMETS1SignedResponse")
    assert inner is not None
    with pytest.raises(SignatureError):
        verify(parse_xml(etree.tostring(inner)), {KEYS.s1sp.serial: KEYS.s1sp})
    # In a request, and for who does not expect one, a second signature is refused.
    with pytest.raises(SignatureError, match="one ds:Signature"):
        verify(parse_xml(octets), KEYS.signers)
