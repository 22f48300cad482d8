"""What holds on every transport: one suite over memory, the embedded amqtt and mosquitto."""

import asyncio
import logging
import os
import re
from functools import partial

import pytest

from esme_emulator.transport import (
    RESPONSE_TOPIC,
    Handler,
    Outcome,
    Transport,
    TransportError,
    connect,
)
from tests.emulator.transport.brokers import GUARD, Inbox, Kind


async def tasks_of_clients() -> "set[asyncio.Task[object]]":
    """The tasks that transports run, directly or through aiomqtt, but for those just ending."""
    for _ in range(3):
        await asyncio.sleep(0)
    ours = re.compile(r"/emulator/transport/(?!embedded)|/aiomqtt/")
    return {
        task
        for task in asyncio.all_tasks()
        if ours.search(task.get_stack(limit=1)[0].f_code.co_filename)
        and task is not asyncio.current_task()
    }


async def test_payload_arrives_unchanged(kind: Kind, inbox: Inbox) -> None:
    payloads = [b"", b"\x00", bytes(range(256)) * 3, b"\xdf" * 100_000]
    async with (
        connect(kind.broker, client_id="meter", subscriptions={"esme/a/command": inbox}) as meter,
        connect(kind.broker, client_id="party") as party,
    ):
        for payload in payloads:
            await party.publish("esme/a/command", payload)
        await inbox.wait_for(len(payloads))
        assert inbox.payloads == payloads
        assert {message.topic for message in inbox.messages} == {"esme/a/command"}
        assert party.counters.published == len(payloads)
        assert meter.counters.received == len(payloads)


async def test_wildcards_select_the_handler(kind: Kind) -> None:
    commands, responses, other = Inbox(), Inbox(), Inbox()
    subscriptions = {"esme/+/command": commands, "esme/+/response/#": responses, "s1sp/#": other}
    async with connect(kind.broker, client_id="all", subscriptions=subscriptions) as transport:
        for topic in (
            "esme/A/command",
            "esme/A/response/B",
            "esme/B/response",
            "esme/A/B/command",
            "s1sp",
            "s1sp/A/command",
            "esme/Z/command",
        ):
            await transport.publish(topic, topic.encode())
        await commands.wait_for(2)
    assert commands.payloads == [b"esme/A/command", b"esme/Z/command"]
    assert responses.payloads == [b"esme/A/response/B", b"esme/B/response"]
    assert other.payloads == [b"s1sp", b"s1sp/A/command"]


async def test_order_of_a_topic_is_kept(kind: Kind, inbox: Inbox) -> None:
    numbers = [b"%d" % number for number in range(500)]
    async with connect(kind.broker, client_id="both", subscriptions={"a/b": inbox}) as transport:
        await asyncio.gather(*(transport.publish("a/b", number) for number in numbers))
        await inbox.wait_for(len(numbers))
    assert inbox.payloads == numbers


async def test_user_properties_arrive_if_the_protocol_has_them(kind: Kind, inbox: Inbox) -> None:
    status = {"cache-status": "S1SP; hit; ttl=3600", "näme": "wært", RESPONSE_TOPIC: "a/c"}
    async with connect(kind.broker, client_id="both", subscriptions={"a/b": inbox}) as transport:
        await transport.publish("a/b", b"1", status)
        await transport.publish("a/b", b"2")
        await transport.publish("a/b", b"3", {RESPONSE_TOPIC: "a/c"})
        await inbox.wait_for(3)
    assert inbox.payloads == [b"1", b"2", b"3"]
    assert inbox.messages[0].user_properties == (status if kind.user_properties else {})
    assert inbox.messages[1].user_properties == {}
    named = {RESPONSE_TOPIC: "a/c"} if kind.user_properties else {}
    assert inbox.messages[2].user_properties == named


async def test_many_tasks_publish_at_once(kind: Kind, inbox: Inbox) -> None:
    payloads = {b"%d" % number for number in range(2500)}
    async with (
        connect(kind.broker, client_id="meters", subscriptions={"esme/+/command": inbox}),
        connect(kind.broker, client_id="party") as party,
    ):
        await asyncio.gather(*(party.publish(f"esme/{p.hex()}/command", p) for p in payloads))
        await inbox.wait_for(len(payloads))
        assert party.counters.published == len(payloads)
        assert party.counters.reconnections == 0
    assert set(inbox.payloads) == payloads
    assert len(inbox.messages) == len(payloads)


async def test_request_and_reply(kind: Kind, inbox: Inbox) -> None:
    def answer(topic: str, payload: bytes, _: object) -> None:
        tasks.create_task(meters.publish(topic.replace("command", "response/P"), payload[::-1]))

    async with (
        connect(kind.broker, client_id="f", subscriptions={"esme/+/command": answer}) as meters,
        connect(kind.broker, client_id="p", subscriptions={"esme/+/response/P": inbox}) as party,
        asyncio.TaskGroup() as tasks,  # a reply may arrive before the broker acknowledged it
    ):
        await asyncio.gather(*(party.publish(f"esme/{n}/command", b"ab") for n in range(100)))
        await inbox.wait_for(100)
    assert {message.topic for message in inbox.messages} == {
        f"esme/{number}/response/P" for number in range(100)
    }
    assert set(inbox.payloads) == {b"ba"}


async def test_handlers_run_only_while_the_body_does(kind: Kind) -> None:
    inside = False
    seen: list[bool] = []
    enough = asyncio.Event()

    def look(*_: object) -> None:
        seen.append(inside)
        if len(seen) >= 20:
            enough.set()

    async def flood(transport: Transport) -> None:
        while True:
            await transport.publish("flood", b"")

    async with connect(kind.broker, client_id="flood") as publisher:
        flooding = asyncio.create_task(flood(publisher))
        async with connect(kind.broker, client_id="late", subscriptions={"flood": look}):
            inside = True
            async with asyncio.timeout(GUARD):
                await enough.wait()
            inside = False
        for _ in range(20):
            await publisher.publish("flood", b"")
        flooding.cancel()
        await asyncio.wait([flooding])
    assert all(seen)


async def test_failing_handler_harms_no_other(
    kind: Kind, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("the handler's own")

    subscriptions: dict[str, Handler] = {"bad": fail, "good": inbox}
    with caplog.at_level(logging.WARNING, "esme_emulator.transport"):
        async with connect(kind.broker, client_id="both", subscriptions=subscriptions) as transport:
            for topic in ("bad", "good", "bad", "good"):
                await transport.publish(topic, b"")
            await inbox.wait_for(2)
            assert transport.counters.failed == 2
            assert transport.counters.received == 4
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the handler of a message to bad failed" in caplog.text


async def test_shared_subscription_gives_every_message_to_one_member(kind: Kind) -> None:
    first, second = Inbox(), Inbox()
    shared = "$share/fleet/esme/+/command"
    if not kind.shared_subscriptions:
        with pytest.raises(TransportError, match=r"refuses the subscription \$share/fleet"):
            async with connect(kind.broker, client_id="one", subscriptions={shared: first}):
                pass
        return
    async with (
        connect(kind.broker, client_id="one", subscriptions={shared: first}),
        connect(kind.broker, client_id="two", subscriptions={shared: second}),
        connect(kind.broker, client_id="party") as party,
    ):
        for number in range(20):
            await party.publish(f"esme/{number}/command", b"%d" % number)
        await first.wait_for(10)
        await second.wait_for(10)
    assert sorted(first.payloads + second.payloads) == sorted(b"%d" % n for n in range(20))


async def test_posting_needs_no_task(kind: Kind, inbox: Inbox) -> None:
    outcomes: dict[int, Outcome] = {}
    told = asyncio.Event()

    def tell(number: int, outcome: Outcome) -> None:
        outcomes[number] = outcome
        if len(outcomes) == 100:
            told.set()

    async with connect(kind.broker, client_id="both", subscriptions={"a/b": inbox}) as transport:
        tasks = asyncio.all_tasks()
        for number in range(100):
            transport.post("a/b", b"%d" % number, partial(tell, number))
        assert asyncio.all_tasks() == tasks
        assert outcomes == {}  # an outcome is told later, never within the call
        async with asyncio.timeout(GUARD):
            await told.wait()
        await inbox.wait_for(100)
        assert transport.counters.published == 100
    assert outcomes == dict.fromkeys(range(100), True)
    assert inbox.payloads == [b"%d" % number for number in range(100)]


async def test_posts_and_publishes_keep_their_order(kind: Kind, inbox: Inbox) -> None:
    async with connect(kind.broker, client_id="both", subscriptions={"a/b": inbox}) as transport:
        for number in range(0, 100, 2):
            transport.post("a/b", b"%d" % number, lambda _: None, {"n": str(number)})
            await transport.publish("a/b", b"%d" % (number + 1))
        await inbox.wait_for(100)
    assert inbox.payloads == [b"%d" % number for number in range(100)]
    assert inbox.messages[2].user_properties == ({"n": "2"} if kind.user_properties else {})


async def test_posting_after_the_end_tells_an_error(kind: Kind) -> None:
    outcomes: list[Outcome] = []
    async with connect(kind.broker, client_id="party") as party:
        with pytest.raises(ValueError, match="topic"):
            party.post("a/+", b"", outcomes.append)
    party.post("a/b", b"", outcomes.append)
    assert outcomes == []
    await asyncio.sleep(0)
    assert [str(outcome) for outcome in outcomes] == [
        "cannot publish to a/b: the transport is closed"
    ]
    assert party.counters.abandoned == 1


async def test_failing_callback_harms_no_other(
    kind: Kind, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Outcome) -> None:
        raise ZeroDivisionError("the callback's own")

    async with connect(kind.broker, client_id="both", subscriptions={"a": inbox}) as transport:
        for _ in range(3):
            transport.post("a", b"", fail)
        await transport.publish("a", b"")
        await inbox.wait_for(4)
        assert transport.counters.reconnections == 0
    [record] = caplog.records
    assert "what follows a message to a failed" in record.getMessage()


async def test_sockets_are_closed(kind: Kind) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        async with connect(kind.broker, client_id="party", subscriptions={"a": print}) as party:
            await party.publish("b", b"")
    for _ in range(10):
        await asyncio.sleep(0)  # the embedded broker closes its side
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_publishing_after_the_end_is_an_error(kind: Kind) -> None:
    async with connect(kind.broker, client_id="party") as party:
        pass
    with pytest.raises(TransportError, match="cannot publish to a/b: the transport is closed"):
        await party.publish("a/b", b"")
    assert party.counters.abandoned == 1


async def test_leaving_with_publishes_pending_ends_them_all(kind: Kind) -> None:
    async with connect(kind.broker, client_id="party") as party:
        pending = [asyncio.create_task(party.publish("a/b", b"x" * 600)) for _ in range(3000)]
        await asyncio.sleep(0)
    async with asyncio.timeout(GUARD):
        results = await asyncio.gather(*pending, return_exceptions=True)
    failed = [result for result in results if not isinstance(result, bool)]
    assert all(isinstance(result, TransportError) for result in failed)
    assert party.counters.abandoned == len(failed)
    assert party.counters.published == len(results) - len(failed)


async def test_cancelled_publish_leaves_the_others_alone(kind: Kind, inbox: Inbox) -> None:
    async with connect(kind.broker, client_id="both", subscriptions={"a/+": inbox}) as transport:
        called_off = [asyncio.create_task(transport.publish("a/x", b"")) for _ in range(50)]
        await asyncio.sleep(0)
        for task in called_off:
            task.cancel()
        await asyncio.gather(*(transport.publish("a/y", b"%d" % n) for n in range(50)))
        await inbox.wait_for(50)
        async with asyncio.timeout(GUARD):
            while sum(message.topic == "a/y" for message in inbox.messages) < 50:
                await inbox.wait_for(len(inbox.messages) + 1)
    assert [m.payload for m in inbox.messages if m.topic == "a/y"] == [b"%d" % n for n in range(50)]


async def test_no_task_is_left_behind(kind: Kind, inbox: Inbox) -> None:
    async with connect(kind.broker, client_id="both", subscriptions={"a/b": inbox}) as transport:
        await transport.publish("a/b", b"")
        await inbox.wait_for(1)
        # Only aiomqtt runs a task while it is connected.
        runs_one = kind.name in ("amqtt", "mosquitto-3.1.1")
        assert bool(await tasks_of_clients()) is runs_one
    assert not await tasks_of_clients()


@pytest.mark.parametrize("turns", range(12))
async def test_cancelling_at_any_turn_leaves_no_task_behind(kind: Kind, turns: int) -> None:
    async def run() -> None:
        async with connect(kind.broker, client_id="body", subscriptions={"a/b": print}) as party:
            while True:
                await party.publish("a/c", b"")

    running = asyncio.create_task(run())
    for _ in range(turns * turns):
        await asyncio.sleep(0)
    running.cancel()
    async with asyncio.timeout(GUARD):
        await asyncio.wait([running])
    assert running.cancelled()
    assert not await tasks_of_clients()


@pytest.mark.parametrize(
    "subscriptions", [("a/+", "a/b"), ("#", "$share/g/a"), ("a/#", "a"), ("a/b", "$share/g/a/b")]
)
async def test_overlapping_filters_are_refused(kind: Kind, subscriptions: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="overlap"):
        async with connect(
            kind.broker, client_id="two", subscriptions=dict.fromkeys(subscriptions, print)
        ):
            pass


async def test_invalid_topics_and_properties_are_refused(kind: Kind, inbox: Inbox) -> None:
    async with connect(kind.broker, client_id="both", subscriptions={"a/b": inbox}) as transport:
        for topic in ("", "a/+", "a/#", "$SYS/x", "a\0", "x" * 70_000, "\ud800"):
            with pytest.raises(ValueError, match=r"topic|surrogates"):
                await transport.publish(topic, b"")
        for properties in ({"a": "x" * 70_000}, {"\ud800": "a"}):
            with pytest.raises(ValueError, match=r"user property|surrogates"):
                await transport.publish("a/b", b"", properties)
        await transport.publish("a/b", b"still works")
        await inbox.wait_for(1)
