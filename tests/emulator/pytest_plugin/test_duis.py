"""The fixture `esme_dsp`: requests as XML, and responses."""

import httpx
import pytest

pytest.importorskip("signxml", reason="DUIS needs the extra duis")

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.faults.kind.delivery import NoReply
from esme_emulator.pytest_plugin.clock import SteppedClock
from esme_emulator.pytest_plugin.dsp import EsmeDsp
from esme_emulator.pytest_plugin.faults import EsmeFaults
from esme_emulator.pytest_plugin.system import EsmeCache, EsmeMeter
from tests.support.duis_user import receiver

REQUEST = """
<sr:Request xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway" schemaVersion="5.4">
  <sr:Header>
    <sr:RequestID>90-B3-D5-1F-30-01-00-00:{meter}:{counter}</sr:RequestID>
    <sr:CommandVariant>1</sr:CommandVariant>
    <sr:ServiceReference>4.8</sr:ServiceReference>
    <sr:ServiceReferenceVariant>4.8.1</sr:ServiceReferenceVariant>
  </sr:Header>
  <sr:Body><sr:ReadActiveImportProfileData><sr:ReadLogPeriod>
    <sr:StartDateTime>2026-01-14T00:00:00Z</sr:StartDateTime>
    <sr:EndDateTime>2026-01-15T00:00:00Z</sr:EndDateTime>
  </sr:ReadLogPeriod></sr:ReadActiveImportProfileData></sr:Body>
</sr:Request>
"""


async def send(dsp: EsmeDsp, meter: EsmeMeter, counter: int) -> str:
    request = dsp.sign(REQUEST.format(meter=meter.eui.hex("-").upper(), counter=counter))
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{dsp.url}/api/v1/serviceS", content=request)
    assert answer.status_code == 200
    return dsp.read(answer.content).code


async def test_reads_by_duis_are_reads_like_any_other(
    esme_dsp: EsmeDsp, esme_cache: EsmeCache, esme_meter: EsmeMeter
) -> None:
    for counter in (1, 2):
        assert await send(esme_dsp, esme_meter, counter) == "I99"
        response = await esme_dsp.response()
        assert response.code == "I0"
        assert response.message.originator == esme_meter.eui
    assert esme_meter.hits("4.8.1") == 1
    assert [decision.decision for decision in esme_cache.decisions] == [
        Decision.FORWARDED,
        Decision.HIT,
    ]


async def test_a_silent_meter_is_e21_once_the_clock_has_passed_the_timeout(
    esme_dsp: EsmeDsp,
    esme_meter: EsmeMeter,
    esme_faults: EsmeFaults,
    esme_clock: SteppedClock,
) -> None:
    with esme_faults(NoReply()):
        await send(esme_dsp, esme_meter, 1)
        await esme_clock.settle(lambda: bool(esme_meter.hits("4.8.1")), 0.2)
        await esme_clock.advance(minutes=2)
        assert (await esme_dsp.response()).code == "E21"


async def test_responses_go_to_software_of_ones_own(
    esme_dsp: EsmeDsp, esme_meter: EsmeMeter
) -> None:
    async with receiver() as own:
        esme_dsp.respond_to = own.url
        await send(esme_dsp, esme_meter, 1)
        (octets,) = await own.wait_for(1)
    assert esme_dsp.read(octets).code == "I0"
