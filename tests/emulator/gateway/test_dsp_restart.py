"""What the front door for DUIS still knows after a restart: RequestIDs, schedules, missed runs."""

from dataclasses import replace

import pytest

from esme_emulator.cache.store.base import StoreError
from esme_emulator.gateway.outbox import PAUSE, FirstAnswer, Outbox
from esme_emulator.pytest_plugin.clock import SteppedClock
from tests.support.dsp_bench import (
    DAILY,
    ESTATE,
    KEYS,
    NON_DEVICE,
    READ,
    SEND,
    TARGET,
    Starter,
    a_read,
    for_the_dsp,
)
from tests.support.duis_user import Receiver, answered, post
from tests.support.estate import UNIX_NOW
from tests.support.waiting import until

DAY = 86_400
DELETE = "<sr:DeleteSchedule><sr:DSPScheduleID>{}</sr:DSPScheduleID></sr:DeleteSchedule>"


async def test_a_replayed_request_gets_the_first_answer_and_asks_no_meter(
    starter: Starter, user: Receiver
) -> None:
    octets = a_read(1)
    async with starter.run(via="direct") as bench:
        first = (await post(bench.client, SEND, octets)).content
        await user.wait_for(1)
        await until(lambda: not bench.dsp.dsp.deliveries.waiting)
        assert bench.hits("4.8.1") == 1
    async with starter.run(via="direct") as bench:
        again = await post(bench.client, SEND, octets)
        assert (again.status_code, again.content) == (200, first)
        # Another request under the same RequestID is no repetition.
        other = a_read(1, body=READ.replace("2026-01-14", "2026-01-13"))
        assert (await post(bench.client, SEND, other)).status_code == 400
        await post(bench.client, SEND, a_read(2))
        await user.wait_for(2)
        assert bench.hits("4.8.1") == 1
        assert bench.dsp.dsp.tally.requests == {
            ("serviceS", "repeated"): 1,
            ("serviceS", "reused-id"): 1,
            ("serviceS", "I99"): 1,
        }


async def test_a_schedule_is_created_once_though_its_request_is_replayed(starter: Starter) -> None:
    octets = for_the_dsp(1, "5.1", DAILY)
    async with starter.run() as bench:
        first = (await post(bench.client, NON_DEVICE, octets)).content
        assert answered(KEYS, first).text("DSPScheduleID") == "1"
    async with starter.run() as bench:
        assert (await post(bench.client, NON_DEVICE, octets)).content == first
        assert bench.dsp.dsp.schedules == 1


async def test_a_number_of_a_schedule_is_not_used_again(starter: Starter) -> None:
    async with starter.run() as bench:
        await post(bench.client, NON_DEVICE, for_the_dsp(1, "5.1", DAILY))
        await post(bench.client, NON_DEVICE, for_the_dsp(2, "5.3", DELETE.format(1)))
        assert bench.dsp.dsp.schedules == 0
    async with starter.run() as bench:
        assert bench.dsp.dsp.schedules == 0
        answer = await post(bench.client, NON_DEVICE, for_the_dsp(3, "5.1", DAILY))
        assert answered(KEYS, answer.content).text("DSPScheduleID") == "2"


async def test_each_run_that_was_missed_is_made_once_at_the_restart(
    starter: Starter, user: Receiver
) -> None:
    async with starter.run() as bench:
        await post(bench.client, NON_DEVICE, for_the_dsp(1, "5.1", DAILY))
        await bench.clock.advance(DAY)
        await user.wait_for(1)
        await until(lambda: not bench.dsp.dsp.deliveries.waiting)
    # The process is down while five runs are due.
    later = SteppedClock(UNIX_NOW + 6 * DAY, starter.traffic, 0.0)
    async with replace(starter, clock=later).run() as bench:
        await user.wait_for(6)
        assert bench.hits("4.8.1") == 5
    async with replace(starter, clock=later).run() as bench:
        await later.advance(DAY)
        messages = [answered(KEYS, octets) for octets in await user.wait_for(7)]
        assert bench.hits("4.8.1") == 1
        assert {one.text("DSPScheduleID") for one in messages} == {"1"}
        # ResponseIDs tell the runs apart, so none was made twice.
        assert len({one.text("ResponseID") for one in messages}) == 7


async def test_a_request_that_could_not_be_kept_may_come_again(
    starter: Starter, user: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StoreError("the disk is full")

    async with starter.run() as bench:
        with monkeypatch.context() as patched:
            patched.setattr(Outbox, "accept", full)
            patched.setattr(Outbox, "add_schedule", full)
            assert (await post(bench.client, SEND, a_read(1))).status_code == 503
            schedule = for_the_dsp(2, "5.1", DAILY)
            assert (await post(bench.client, NON_DEVICE, schedule)).status_code == 503
            assert bench.dsp.dsp.schedules == 0
        assert (await post(bench.client, SEND, a_read(1))).status_code == 200
        assert (await post(bench.client, NON_DEVICE, schedule)).status_code == 200
        await user.wait_for(1)
        await bench.clock.advance(DAY)
        await user.wait_for(2)
        assert bench.hits("4.8.1") == 2
        read = f"<sr:ReadSchedule><sr:DeviceID>{TARGET}</sr:DeviceID></sr:ReadSchedule>"
        answer = await post(bench.client, NON_DEVICE, for_the_dsp(3, "5.2", read))
        assert len(answered(KEYS, answer.content).root.findall(".//{*}DSPSchedules")) == 1


@pytest.mark.parametrize("write", ["finish", "start_runs", "remove"])
async def test_a_full_disk_delays_what_was_acknowledged_and_loses_nothing(
    starter: Starter, user: Receiver, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    failures = 0

    async def full(*_: object) -> None:
        nonlocal failures
        failures += 1
        raise StoreError("the disk is full")

    async with starter.run() as bench:
        await post(bench.client, NON_DEVICE, for_the_dsp(1, "5.1", DAILY))
        with monkeypatch.context() as patched:
            patched.setattr(Outbox, write, full)
            await bench.clock.advance(DAY)
            await until(lambda: failures)
        await until(lambda: bench.machine.next_wake() is not None)
        await bench.machine.advance(PAUSE)
        await user.wait_for(1)
        await bench.clock.advance(DAY)
        await user.wait_for(2)
        dsp = bench.dsp.dsp
        await until(lambda: not dsp.jobs + dsp.deliveries.waiting)
    async with starter.run():
        assert len(await user.wait_for(2)) == 2  # nothing was left to deliver again


async def test_the_oldest_answers_are_dropped(
    starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esme_emulator.gateway.outbox.MAX_ANSWERS", 2)
    outbox = Outbox(starter.options.outbox, ESTATE.name)
    try:
        for name in (b"a", b"b", b"c"):
            await outbox.keep(FirstAnswer(name, b"digest", b"body of " + name))
        assert (await outbox.kept()).answered == ((b"b", b"digest"), (b"c", b"digest"))
        assert await outbox.first_answer(b"a") is None
        assert await outbox.first_answer(b"c") == b"body of c"
    finally:
        outbox.close()


async def test_an_outbox_belongs_to_one_front_door_at_a_time(
    starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esme_emulator.cache.store.sqlite_file.LOCK_TIMEOUT", 0.0)
    async with starter.run() as bench:
        with pytest.raises(StoreError, match="another process uses it: name another file"):
            Outbox(starter.options.outbox, ESTATE.name)
        assert (await post(bench.client, SEND, a_read(1))).status_code == 200
    Outbox(starter.options.outbox, ESTATE.name).close()
