"""Messages of a running fleet and cache, as tshark decodes them.

tshark's dissector `gbcs_message` is independent of this project, so it checks the envelope: use
case, originator counter and both EUIs of every message. It expects a counter of the device before
any certificate, so if a command has a certificate, the fields after the party's counter are
skipped.
"""

import asyncio
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Mapping
from operator import methodcaller
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.policy import CachePolicy
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.service import serve_cache
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.fleet.fleet import Fleet
from esme_emulator.fleet.service import serve_fleet
from esme_emulator.messaging.client import Requester
from esme_emulator.messaging.topics import CACHED, DIRECT
from esme_emulator.profiles.latency import NONE
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.transport import MemoryBroker, connect
from gbcs import Command
from gbcs.tables.roles import Role
from tests.support.estate import ESTATE, KEYS, SEED, UNIX_NOW, YESTERDAY, party

TSHARK = shutil.which("tshark")
USER0 = 147
DISSECT_USER0 = 'uat:user_dlts:"User 0 (DLT=147)","gbcs_message","0","","0",""'

USE_CASES = {
    "4.6.1": "ECS21a",
    "4.6.2": "ECS21c",
    "4.8.1": "ECS22b",
    "4.8.2": "ECS22c",
    "4.8.3": "ECS22a",
}
"""As in GBCS v4.1."""

ASKING = [Role.IS, Role.ES, Role.ED, Role.OU]

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(TSHARK is None, reason="tshark is absent (apt-get install tshark)"),
]


class Envelope(NamedTuple):
    """The fields that tshark decodes in one message."""

    use_case: str
    cra: str
    counter: str
    originator: str
    target: str
    party: str
    party_counter: str


def write_pcap(path: Path, messages: list[bytes]) -> None:
    """Write messages as packets of link type USER0."""
    octets = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 20, USER0)
    for message in messages:
        octets += struct.pack("<IIII", 0, 0, len(message), len(message)) + message
    path.write_bytes(octets)


def dissect(path: Path) -> list[Envelope]:
    """Return what tshark decodes in every packet of a file."""
    said = subprocess.run(
        [str(TSHARK), "-r", str(path), "-o", DISSECT_USER0, "-T", "pdml"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    return [envelope_in(packet) for packet in ElementTree.fromstring(said.stdout).iter("packet")]


def envelope_in(packet: ElementTree.Element) -> Envelope:
    names = [field.get("name", "") for field in packet.iter("field")]
    assert not [name for name in names if "malformed" in name or "expert" in name]
    (message,) = packet.iterfind("proto[@name='gbcs_message']")
    shown = {
        field.get("name", ""): field.get("showname", "").partition(": ")[2]
        for field in message.iter("field")
    }

    def field(name: str) -> str:
        return shown.get(f"gbcs_message.grouping_header.{name}", "")

    return Envelope(
        field("message_code").partition(" ")[0],
        field("cra_flag").partition(" ")[0],
        field("originator_counter"),
        eui(field("business_originator_id")),
        eui(field("business_target_id")),
        eui(field("supplementary_remote_party_id")),
        field("supplementary_remote_party_counter"),
    )


def eui(shown: str) -> str:
    return shown.partition(" ")[0].replace(":", "").upper()


def expected(srv: str, asked: Command) -> tuple[Envelope, Envelope]:
    """Return the expected fields of a command and of its response."""
    originator, device = str(asked.originator), str(asked.recipient)
    counter = str(asked.originator_counter)
    behind = (str(asked.supplementary.party), counter) if asked.supplementary else ("", "")
    return (
        Envelope(USE_CASES[srv], "Command", counter, originator, device, *behind),
        Envelope(USE_CASES[srv], "Response", counter, device, originator, *behind),
    )


async def test_tshark_reads_use_case_counter_and_euis_of_every_message(tmp_path: Path) -> None:
    captured: list[bytes] = []
    envelopes: Counter[Envelope] = Counter()
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    policy = CachePolicy(KEYS, CacheSettings())
    parties = [party(role, 2**63 + 1000 * place) for place, role in enumerate(ASKING)]
    recipients = {one.recipient for one in parties}

    def capture(_topic: str, octets: bytes, _properties: Mapping[str, str]) -> None:
        captured.append(octets)

    async with (
        serve_fleet(broker, Fleet(ESTATE.meters, KEYS, SEED, NONE), clock),
        serve_cache(broker, policy, MemoryStore(), clock),
        connect(broker, client_id="tap", subscriptions={"#": capture}),
    ):
        for prefix in (DIRECT, CACHED):
            requester = Requester(prefix, KEYS)
            async with requester.connected(broker, recipients):
                for device in ESTATE.meters[:2]:
                    for srv in USE_CASES:
                        for one in filter(methodcaller("may_ask", srv), parties):
                            asked, octets = one.command(device, srv, YESTERDAY)
                            await requester.request(asked, octets, 10.0)
                            envelopes.update(expected(srv, asked))
        await asyncio.sleep(0)
    number = 2 * sum(one.may_ask(srv) for one in parties for srv in USE_CASES)
    assert policy.ledger.requests == number
    assert set(envelopes.values()) == {1}
    assert len(captured) == 2 * 2 * number + 2 * policy.ledger.total(Decision.FORWARDED)
    write_pcap(tmp_path / "captured.pcap", captured)
    found = dissect(tmp_path / "captured.pcap")
    assert len(found) == len(captured)
    assert set(found) == set(envelopes)
