"""Every request template of DCC over HTTP: the right response or refusal, valid by DCC's schema."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from lxml import etree

from esme_emulator.app.dsp import DspOptions
from esme_emulator.app.services import CacheOptions, FleetOptions, run_services
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.store import MEMORY
from esme_emulator.estate.estate import derived_estate
from esme_emulator.gateway.deliveries import Addresses
from esme_emulator.gateway.documents import ENDPOINT_OF
from esme_emulator.gateway.drafts import draft_of
from esme_emulator.gateway.keys import DuisKeys, duis_registry, file_keys
from esme_emulator.gateway.requests import Element, read_request
from esme_emulator.gateway.signature import sign
from esme_emulator.profiles import meter_profile
from esme_emulator.runtime.clock import ManualClock, SystemClock
from esme_emulator.transport import MemoryBroker
from gbcs import EUI, Keystore
from gbcs.instants import EPOCH_UNIX
from tests.support.duis import DUIS, needs_duis, signer_of, templates, xsd
from tests.support.duis_user import answered, post, receiver

pytestmark = needs_duis

FIRST = EUI.parse("00DB1234567890A0")
REFUSED = {
    # The tariff is no content that this endpoint makes pre-commands of.
    "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS_REQUEST_DUIS.XML": "E11",
    "ECS01a_1.1.1_IMMEDIATE_TOU_SUCCESS_REQUEST_DUIS.XML": "E11",
}
SYNCHRONOUS = {
    "5.2_READ_SCHEDULE_REQUEST_DUIS.XML": "I99",
    "5.3_DELETE_SCHEDULE_REQUEST_DUIS.XML": "I99",
    "8.2_READ_INVENTORY_REQUEST_DUIS.XML": "I0",
    "ECS21a_5.1._DCC_SCHEDULED_REQUEST_DUIS.XML": "I0",
}


def profile_of(path: Path) -> str:
    """Return a profile of the kind of meter that a template is for."""
    twin = "TWIN" in path.name or "4.11.2" in path.name
    return "twin" if twin else "single-prepayment"


def template_of(path: Path) -> Element:
    return draft_of(path.read_bytes())


def keys_of(keystore: Keystore) -> DuisKeys:
    return file_keys((DUIS / "keystore.json").read_bytes(), "1", keystore)


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.name)
async def test_a_template_gets_its_response(path: Path, tmp_path: Path) -> None:
    estate = derived_estate("1", 16, FIRST)
    estate.keystore.takes_expired = True  # the certificate in a template is one of these
    keys = keys_of(estate.keystore)
    estate = replace(estate, keystore=keys.keystore)
    root = template_of(path)
    request = read_request(root)
    octets = sign(root, signer_of(request.id.originator, keys))
    profiles = (meter_profile(profile_of(path)),)
    async with receiver() as user:
        options = DspOptions(
            keys=keys,
            registry=duis_registry(),
            outbox=tmp_path / "outbox.sqlite",
            port=0,
            smki_port=None,
            addresses=Addresses(user.url),
            respond_after=0.0,
            profiles=profiles,
            xsd=xsd(),
            machine=SystemClock(),
        )
        cache = CacheOptions(CacheSettings(), MEMORY, registry=options.registry)
        clock = ManualClock(1_420_200_000.0)  # 2015-01-02T12:00:00Z, as in DCC's templates
        fleet = FleetOptions(profiles=profiles)
        async with (
            run_services(
                MemoryBroker(), estate, clock, fleet, cache, dsp_options=options
            ) as running,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            assert running.dsp is not None
            url = f"{running.dsp.duis}/api/v1/{ENDPOINT_OF[request.variant]}"
            answer = await post(client, url, octets)
            assert answer.status_code == 200, answer.text
            first = answered(keys, answer.content)
            assert not xsd().mistake(etree.fromstring(answer.content))
            assert first.text("ServiceReferenceVariant") == request.srv
            expected = REFUSED.get(path.name) or SYNCHRONOUS.get(path.name)
            assert first.code == (expected or "I99")
            if expected is not None:
                return
            if request.execution is not None:
                await clock.advance(EPOCH_UNIX + request.execution - clock.now())
            (delivered,) = await user.wait_for(1)
            response = answered(keys, delivered)
            assert not xsd().mistake(etree.fromstring(delivered))
            assert response.code == "I0"
            assert response.text("RequestID") == str(request.id)
            assert (response.text("GBCSPayload") or "").startswith("3QAAAAAAA")
