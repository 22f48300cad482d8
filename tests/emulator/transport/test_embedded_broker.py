"""The embedded broker: its start and end, its silence, and the shared subscriptions it refuses."""

import asyncio
import logging

import aiomqtt
import pytest

from esme_emulator.transport import TransportError, connect
from esme_emulator.transport.embedded import embedded_broker
from tests.emulator.transport.brokers import GUARD, Inbox
from tests.support.descriptors import connected_without_descriptors
from tests.support.mosquitto import free_port


async def test_port_can_be_chosen() -> None:
    port = free_port()
    async with embedded_broker(port) as url:
        assert url == f"mqtt://127.0.0.1:{port}"
        async with connect(url, client_id="party") as party:
            await party.publish("a", b"")


async def test_taken_port_is_refused() -> None:
    async with embedded_broker() as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(TransportError) as caught:
            async with embedded_broker(port):
                pass
    assert str(caught.value) == (
        f"no broker on 127.0.0.1:{port} (address already in use): "
        "choose another port, or give --broker"
    )


async def test_two_at_once(inbox: Inbox) -> None:
    async with (
        embedded_broker() as one,
        embedded_broker() as other,
        connect(one, client_id="both", subscriptions={"a": inbox}) as first,
        connect(other, client_id="party") as second,
    ):
        await second.publish("a", b"elsewhere")
        await first.publish("a", b"here")
        await inbox.wait_for(1)
    assert inbox.payloads == [b"here"]


async def test_silence_and_no_task_left(caplog: pytest.LogCaptureFixture, inbox: Inbox) -> None:
    before = asyncio.all_tasks()
    caplog.set_level(logging.DEBUG, "root")
    async with (
        embedded_broker() as url,
        connect(url, client_id="both", subscriptions={"a": inbox}) as transport,
    ):
        await transport.publish("a", b"")
        await inbox.wait_for(1)
    noise = [r for r in caplog.records if r.levelno >= logging.INFO or r.name != "asyncio"]
    assert noise == []
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("received", [1, 50, 300])
async def test_stopping_under_load(received: int, caplog: pytest.LogCaptureFixture) -> None:
    before = asyncio.all_tasks()
    inbox = Inbox()
    running = embedded_broker()
    url = await running.__aenter__()
    async with connect(url, client_id="both", subscriptions={"a": inbox}) as transport:
        publishing = [asyncio.create_task(transport.publish("a", b"")) for _ in range(1000)]
        await inbox.wait_for(received)
        async with asyncio.timeout(GUARD):
            await running.__aexit__(None, None, None)
    results = await asyncio.gather(*publishing, return_exceptions=True)
    assert {type(result) for result in results} <= {TransportError, bool}
    assert asyncio.all_tasks() == before
    assert {record.name for record in caplog.records} <= {"esme_emulator.transport"}
    assert "did not stop" not in caplog.text


async def test_subscriber_may_leave_under_load(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    async with embedded_broker() as url, connect(url, client_id="party") as party:
        async with connect(url, client_id="leaver", subscriptions={"a": inbox}):
            publishing = [asyncio.create_task(party.publish("a", b"")) for _ in range(1000)]
            await inbox.wait_for(100)
        await asyncio.gather(*publishing)
        assert party.counters.published == 1000
    assert caplog.records == []


async def test_shared_subscription_of_any_client_is_refused() -> None:
    async with embedded_broker() as url:
        port = int(url.rpartition(":")[2])
        async with aiomqtt.Client("127.0.0.1", port) as client:
            granted = await client.subscribe([("$share/g/a", 1), ("a", 1)])
    assert [code.value for code in granted if not isinstance(code, int)] == [0x80, 1]


async def test_lack_of_descriptors_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, inbox: Inbox
) -> None:
    monkeypatch.setattr("esme_emulator.runtime.accepting.PAUSE", 0)
    async with (
        embedded_broker() as url,
        connected_without_descriptors(int(url.rpartition(":")[2])),
        connect(url, client_id="both", subscriptions={"a": inbox}) as transport,
    ):
        await transport.publish("a", b"")
        await inbox.wait_for(1)
    assert caplog.messages == [
        "the embedded broker accepts no connections for now: too many open files"
    ]
