"""Worker processes: their messages, how they end, and that none of them is left."""

import asyncio
import os
import signal
from multiprocessing import active_children
from typing import Any

import pytest

from esme_emulator.runtime.processes import Ended, Pipe, Workers

GUARD = 30.0
"""Timeout of a test that hangs, in seconds. No test relies on it."""


def echo(pipe: Pipe, job: str) -> None:
    """Send the job and its first message back, until told to end."""
    pipe.send(job)
    pipe.send(pipe.recv())


def sleep(pipe: Pipe, _: None) -> None:
    """Wait until the parent closes the pipe or sends something."""
    pipe.send("ready")
    pipe.poll(None)


def end(_: Pipe, code: int) -> None:
    """End with an exit code, or by a signal if it is below 0."""
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)


async def test_messages_go_both_ways() -> None:
    got: list[tuple[int, Any]] = []
    async with asyncio.timeout(GUARD), Workers(echo, ["a", "b"]) as workers:
        async for place, message in workers.messages():
            got.append((place, message))
            if {each for _, each in got} == {"a", "b"}:
                workers.send("both")
    assert sorted(got[:2]) == [(0, "a"), (1, "b")]
    for place in (0, 1):
        assert [each for other, each in got[2:] if other == place] == ["both", Ended(0)]
    assert active_children() == []


@pytest.mark.parametrize(
    ("code", "text"), [(0, "exit code 0"), (3, "exit code 3"), (-signal.SIGKILL, "signal 9")]
)
async def test_a_worker_reports_how_it_ended(code: int, text: str) -> None:
    async with asyncio.timeout(GUARD), Workers(end, [code]) as workers:
        [(place, ended)] = [item async for item in workers.messages()]
    assert (place, ended, str(ended)) == (0, Ended(code), text)


async def test_workers_can_be_terminated() -> None:
    async with asyncio.timeout(GUARD), Workers(sleep, [None, None]) as workers:
        got = []
        async for _, message in workers.messages():
            got.append(message)
            if got == ["ready", "ready"]:
                workers.terminate()
    assert got[2:] == [Ended(-signal.SIGTERM)] * 2


async def test_no_worker_outlives_the_block() -> None:
    async with asyncio.timeout(GUARD), Workers(sleep, [None, None]) as workers:
        async for _ in workers.messages():
            break
    assert active_children() == []


async def test_a_worker_sees_the_end_of_its_pipe() -> None:
    async with asyncio.timeout(GUARD), Workers(sleep, [None]) as workers:
        async for _, message in workers.messages():
            if message == "ready":
                workers.send("end")
    assert active_children() == []
