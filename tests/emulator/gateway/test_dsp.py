"""The front door for DUIS over HTTP: acknowledgement, command on MQTT, delivery, outbox."""

import re

import httpx
import pytest

from esme_emulator.app.services import FleetOptions
from esme_emulator.estate.parties import DISTRIBUTOR
from esme_emulator.faults.loading import parse_rules
from esme_emulator.gateway.deliveries import Addresses
from gbcs import authenticate, decode
from tests.support.dsp_bench import (
    DAILY,
    DAYS,
    ESTATE,
    KEYS,
    NON_DEVICE,
    READ,
    SEND,
    TARGET,
    USER,
    Starter,
    a_read,
    for_the_dsp,
)
from tests.support.duis_user import Receiver, answered, post, receiver, request_text, signed_request
from tests.support.mosquitto import free_port
from tests.support.waiting import until


async def test_a_read_is_acknowledged_and_its_response_delivered(
    starter: Starter, user: Receiver
) -> None:
    async with starter.run() as bench:
        for counter in (1, 2):
            answer = await post(bench.client, SEND, a_read(counter))
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml")
            acknowledged = answered(KEYS, answer.content)
            assert acknowledged.code == "I99"
            assert acknowledged.text("RequestID") == f"{USER}:{TARGET}:{counter}"
            assert acknowledged.text("ResponseID") is None
            assert acknowledged.text("ServiceReferenceVariant") == "4.8.1"
            (*_, octets) = await user.wait_for(counter)
            response = answered(KEYS, octets)
            assert response.code == "I0"
            assert response.text("ResponseID") == f"{TARGET}:{USER}:{counter}"
            authenticate(decode(response.payload, ESTATE.keystore))
        # The second read was a hit: a read by DUIS is like any other.
        assert bench.hits("4.8.1") == 1


async def test_a_response_waits_after_its_acknowledgement(starter: Starter, user: Receiver) -> None:
    async with starter.run(respond_after=1.0) as bench:
        await post(bench.client, SEND, a_read(1))
        await until(bench.machine.next_wake)
        assert not user.received
        await bench.machine.advance(0.99)
        assert not user.received
        await bench.machine.advance(0.02)
        await user.wait_for(1)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (a_read(1, target="00-DB-E5-00-00-00-FF-FF"), "E19"),
        (a_read(1, srv="4.16", body="<sr:ReadActivePowerImport/>"), "I99"),
        (a_read(1, srv="4.11.2", body="<sr:ReadTariffSecondaryElement/>"), "E11"),
    ],
    ids=["unknown-device", "accepted", "no-second-element"],  # signatures differ in each process
)
async def test_verdicts_are_http_200(starter: Starter, octets: bytes, code: str) -> None:
    async with starter.run() as bench:
        answer = await post(bench.client, SEND, octets)
        assert answer.status_code == 200
        assert answered(KEYS, answer.content).code == code


async def test_what_cannot_be_trusted_gets_http_400_and_is_counted(starter: Starter) -> None:
    tampered = a_read(1).replace(b"2026-01-14", b"2026-01-13")
    async with starter.run() as bench:
        for octets in (b"", b"<a/>", tampered, b"x" * 1000):
            answer = await post(bench.client, SEND, octets)
            assert answer.status_code == 400
            assert len(answer.text.splitlines()) == 1
        assert bench.dsp.dsp.tally.requests == {
            ("serviceS", "not-xml"): 2,
            ("serviceS", "signature"): 2,
        }


async def test_a_long_body_is_not_read_to_its_end(starter: Starter) -> None:
    async with starter.run() as bench:
        assert (await post(bench.client, SEND, bytes(70_000))).status_code == 413
        assert (await post(bench.client, SEND, a_read(1))).status_code == 200


async def test_web_pages_are_kept_out(starter: Starter) -> None:
    async with starter.run() as bench:
        foreign = {"origin": "http://example.org"}
        answer = await bench.client.post(SEND, content=a_read(1), headers=foreign)
        assert answer.status_code == 403


async def test_the_same_request_again_gets_the_same_answer_and_no_second_response(
    starter: Starter, user: Receiver
) -> None:
    async with starter.run() as bench:
        octets = a_read(1)
        for _ in range(3):
            answer = await post(bench.client, SEND, octets)
            assert answered(KEYS, answer.content).code == "I99"
        await post(bench.client, SEND, a_read(2))
        await user.wait_for(2)
        assert bench.dsp.dsp.tally.requests["serviceS", "I99"] == 2
        assert len(user.received) == 2


async def test_without_meters_the_response_is_e20(starter: Starter, user: Receiver) -> None:
    async with starter.run(meters=None, via="direct") as bench:
        await post(bench.client, SEND, a_read(1))
        (octets,) = await user.wait_for(1)
        late = answered(KEYS, octets)
        assert (late.code, late.text("GBCSPayload")) == ("E20", None)
        assert late.text("ResponseID") == f"{TARGET}:{USER}:1"


async def test_without_reply_the_response_is_e21_after_the_timeout(
    starter: Starter, user: Receiver
) -> None:
    silent = parse_rules('[[fault]]\nname = "silent"\nkind = "no-reply"\n')
    async with starter.run(meters=FleetOptions(faults=silent)) as bench:
        await post(bench.client, SEND, a_read(1))
        await until(lambda: bench.hits("4.8.1"))
        await bench.clock.advance(59)
        assert not user.received
        await bench.clock.advance(2)
        (octets,) = await user.wait_for(1)
        assert answered(KEYS, octets).code == "E21"


@pytest.mark.parametrize("status", [500, 503])
async def test_a_server_error_is_tried_again(starter: Starter, user: Receiver, status: int) -> None:
    user.statuses = [status, status]
    async with starter.run() as bench:
        await post(bench.client, SEND, a_read(1))
        for pause in (1, 2):
            await until(lambda: bench.machine.next_wake())
            assert not user.received
            assert bench.machine.next_wake() == bench.machine.now() + pause
            await bench.machine.advance(pause)
        await user.wait_for(1)
        attempts = bench.dsp.dsp.deliveries.attempts
        await until(lambda: not bench.dsp.dsp.deliveries.waiting)
        assert attempts == {"server-error": 2, "delivered": 1}


@pytest.mark.parametrize("status", [400, 404, 413])
async def test_a_refused_response_is_not_sent_again(
    starter: Starter, user: Receiver, status: int
) -> None:
    user.statuses = [status]
    async with starter.run() as bench:
        deliveries = bench.dsp.dsp.deliveries
        await post(bench.client, SEND, a_read(1))
        await until(lambda: deliveries.refusals and not deliveries.waiting)
        assert deliveries.refusals == {status: 1}
        assert not user.received
    async with starter.run():
        assert not user.received


async def test_what_could_not_be_delivered_survives_a_restart(
    starter: Starter, user: Receiver
) -> None:
    nobody = Addresses("http://127.0.0.1:9/smartdcc/duis")
    async with starter.run(addresses=nobody) as bench:
        await post(bench.client, SEND, a_read(1))
        await until(lambda: bench.dsp.dsp.deliveries.attempts["unreachable"])
    async with starter.run() as bench:
        (octets,) = await user.wait_for(1)
        assert answered(KEYS, octets).code == "I0"
        await until(lambda: not bench.dsp.dsp.deliveries.waiting)
        assert not bench.hits("4.8.1")
    async with starter.run():
        assert len(user.received) == 1


async def test_a_request_that_no_meter_answered_is_carried_out_after_a_restart(
    starter: Starter, user: Receiver
) -> None:
    silent = parse_rules('[[fault]]\nname = "silent"\nkind = "no-reply"\n')
    async with starter.run(meters=FleetOptions(faults=silent)) as bench:
        await post(bench.client, SEND, a_read(1))
        await until(lambda: bench.hits("4.8.1"))
    async with starter.run():
        (octets,) = await user.wait_for(1)
        assert answered(KEYS, octets).code == "I0"


async def test_addresses_of_single_users(starter: Starter, user: Receiver) -> None:
    async with receiver() as other:
        addresses = Addresses(user.url, {DISTRIBUTOR: other.url})
        async with starter.run(addresses=addresses) as bench:
            await post(bench.client, SEND, a_read(1))
            text = request_text("90-B3-D5-1F-30-02-00-00", TARGET, 2, "4.8.1", READ)
            await post(bench.client, SEND, signed_request(KEYS, DISTRIBUTOR, text))
            assert answered(KEYS, (await user.wait_for(1))[0]).text("RequestID").startswith(USER)
            assert b"90-B3-D5-1F-30-02" in (await other.wait_for(1))[0]


async def test_thirteen_months_of_a_daily_schedule(starter: Starter, user: Receiver) -> None:
    days = 396
    async with starter.run() as bench:
        answer = await post(bench.client, NON_DEVICE, for_the_dsp(1, "5.1", DAILY))
        created = answered(KEYS, answer.content)
        assert (created.code, created.text("DSPScheduleID")) == ("I0", "1")
        await bench.clock.advance(days * 86_400)
        messages = [answered(KEYS, octets) for octets in await user.wait_for(days)]
        assert {(one.code, one.text("DSPScheduleID")) for one in messages} == {("I0", "1")}
        assert messages[0].text("RequestID") is None
        payloads = {one.text("GBCSPayload") for one in messages}
        assert len(payloads) == days
        assert bench.hits("4.8.1") == days


async def test_schedules_and_their_runs_survive_a_restart(starter: Starter, user: Receiver) -> None:
    silent = parse_rules('[[fault]]\nname = "silent"\nkind = "no-reply"\n')
    async with starter.run(meters=FleetOptions(faults=silent), reply_timeout=DAYS) as bench:
        await post(bench.client, NON_DEVICE, for_the_dsp(1, "5.1", DAILY))
        await post(bench.client, NON_DEVICE, for_the_dsp(2, "5.1", DAILY))
        gone = "<sr:DeleteSchedule><sr:DSPScheduleID>1</sr:DSPScheduleID></sr:DeleteSchedule>"
        answer = await post(bench.client, NON_DEVICE, for_the_dsp(3, "5.3", gone))
        assert answered(KEYS, answer.content).code == "I99"
        await bench.clock.advance(86_400)
        await until(lambda: bench.hits("4.8.1"))
    async with starter.run() as bench:
        (first,) = await user.wait_for(1)
        assert answered(KEYS, first).text("DSPScheduleID") == "2"
        read = f"<sr:ReadSchedule><sr:DeviceID>{TARGET}</sr:DeviceID></sr:ReadSchedule>"
        answer = await post(bench.client, NON_DEVICE, for_the_dsp(4, "5.2", read))
        assert answered(KEYS, answer.content).text("DSPScheduleID") == "2"
        await bench.clock.advance(86_400)
        await user.wait_for(2)
        assert bench.hits("4.8.1") == 2


async def test_a_future_dated_read_waits_and_survives_a_restart(
    starter: Starter, user: Receiver
) -> None:
    body = (
        "<sr:ReadInstantaneousImportRegisters><sr:ExecutionDateTime>2026-02-01T09:00:00Z"
        "</sr:ExecutionDateTime></sr:ReadInstantaneousImportRegisters>"
    )
    async with starter.run() as bench:
        answer = await post(bench.client, SEND, a_read(1, "4.1.1", body))
        assert answered(KEYS, answer.content).code == "I99"
        await bench.clock.advance(86_400)
    async with starter.run() as bench:
        await bench.clock.advance(15 * 86_400)
        assert not bench.hits("4.1.1")
        await bench.clock.advance(2 * 86_400)
        (octets,) = await user.wait_for(1)
        assert answered(KEYS, octets).code == "I0"


async def test_the_inventory_has_the_meters_of_the_estate(starter: Starter) -> None:
    async with starter.run() as bench:
        body = f"<sr:ReadInventory><sr:DeviceID>{TARGET}</sr:DeviceID></sr:ReadInventory>"
        answer = await post(bench.client, NON_DEVICE, for_the_dsp(1, "8.2", body))
        found = answered(KEYS, answer.content)
        assert (found.code, found.text("DeviceID")) == ("I0", TARGET)


async def test_certificates_are_searched_and_retrieved(starter: Starter) -> None:
    async with starter.run() as bench, httpx.AsyncClient(base_url=bench.dsp.smki or "") as client:
        answer = await post(
            client,
            "/services/certificatesearch?apikey=x",
            f"<CertificateSearchRequest><CertificateSubjectAltName>{TARGET}"
            "</CertificateSubjectAltName></CertificateSearchRequest>".encode(),
        )
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml")
        serials = re.findall("<CertificateSerial>(.+?)<", answer.text)
        assert len(serials) == 2
        for serial in serials:
            answer = await post(
                client,
                "/services/retrievecertificate?apikey=x",
                f"<CertificateDataRequest><CertificateSerial>{serial}</CertificateSerial>"
                "</CertificateDataRequest>".encode(),
            )
            assert f"<CertificateSubjectAltName>{TARGET}<" in answer.text


async def test_one_port_may_serve_both(starter: Starter) -> None:
    port = free_port()
    async with starter.run(port=port, smki_port=port) as bench:
        assert bench.dsp.duis == bench.dsp.smki


async def test_a_full_outbox_is_http_503(
    starter: Starter, monkeypatch: pytest.MonkeyPatch, user: Receiver
) -> None:
    monkeypatch.setattr("esme_emulator.gateway.service.MAX_WAITING", 1)
    async with starter.run(respond_after=1.0) as bench:
        assert (await post(bench.client, SEND, a_read(1))).status_code == 200
        assert (await post(bench.client, SEND, a_read(2))).status_code == 503
        await until(bench.machine.next_wake)
        await bench.machine.advance(1.0)
        await until(lambda: not bench.dsp.dsp.deliveries.waiting)
        assert (await post(bench.client, SEND, a_read(2))).status_code == 200
