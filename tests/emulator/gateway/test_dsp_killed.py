"""`esme serve --duis`, killed between acknowledgement and delivery, again and again."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.dsp_bench import KEYS, SEND, TARGET, USER, a_read
from tests.support.duis_user import answered, post, receiver
from tests.support.rtds import ROOT

pytestmark = pytest.mark.processes

ROUNDS = int(os.environ.get("ESME_KILL_ROUNDS", "4"))
PER_ROUND = 5
GUARD = 60.0


@asynccontextmanager
async def serving(outbox: Path, url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "cli.py"), "serve", "--meters", "3", "--port", "0"),
        *("--store", "memory:", "--duis", "0", "--outbox", str(outbox), "--respond-to", url),
        *("--respond-after", "100ms", "--latency", "50ms", "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(GUARD):
            started = json.loads(await process.stdout.readline())
        yield process, started["duis"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_no_acknowledged_request_stays_without_a_response(tmp_path: Path) -> None:
    moments = random.Random(7)
    outbox = tmp_path / "outbox.sqlite"
    acknowledged: set[str] = set()
    answers: dict[bytes, bytes] = {}
    async with receiver() as user, httpx.AsyncClient(trust_env=False) as client:

        def unanswered() -> set[str]:
            roots = [answered(KEYS, octets) for octets in user.received]
            return acknowledged - {str(root.text("RequestID")) for root in roots}

        survived = 0
        for number in range(ROUNDS):
            async with serving(outbox, user.url) as (process, url):
                for each in range(PER_ROUND):
                    counter = number * PER_ROUND + each + 1
                    request = a_read(counter)
                    answer = await post(client, url + SEND, request)
                    answers[request] = answer.content
                    assert answered(KEYS, answer.content).code == "I99"
                    acknowledged.add(f"{USER}:{TARGET}:{counter}")
                await asyncio.sleep(moments.uniform(0.0, 0.2))
                process.send_signal(signal.SIGKILL)
            survived += len(unanswered())
        assert survived, "no process was killed between an acknowledgement and its response"
        async with serving(outbox, user.url) as (_, url):
            async with asyncio.timeout(GUARD):
                await user.until(lambda: not unanswered())
            for request, first in answers.items():
                assert (await post(client, url + SEND, request)).content == first
        codes = {answered(KEYS, octets).code for octets in user.received}
        assert codes == {"I0"}
