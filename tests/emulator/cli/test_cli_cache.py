"""`esme cache` as processes: sharing a store, killed at any moment, and what its store holds."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from esme_emulator.cache.entry import CACHED_SRVS
from esme_emulator.cli.main import main as esme_command
from esme_emulator.estate.estate import derived_estate
from esme_emulator.messaging.client import NoReplyError
from esme_emulator.messaging.topics import CACHED, DIRECT, command_topic
from esme_emulator.transport import connect
from gbcs import EUI, Command, decode
from gbcs.instants import to_iso
from gbcs.tables.roles import Role
from gbcs.usecases.profile_read import Row, Window
from tests.emulator.cli.test_cli_processes import GUARD, Running, assert_one_line, esme, running
from tests.support import command_line
from tests.support.asker import METERS, YESTERDAY, Asker, asking, day, decisions_of, told
from tests.support.estate import own_counter_in, readings_in
from tests.support.mosquitto import Mosquitto
from tests.support.valkey import ValkeyServer

ROUNDS = int(os.environ.get("ESME_KILL_ROUNDS", "5"))
ASKING = 4
"""Requests at once while caches are killed; more would hold up the caches that start."""
FIGURES = os.environ.get("ESME_KILL_FIGURES")
"""Where the figures of the kill rounds are to be written, if anywhere."""


NAME = derived_estate("1", 1).name
"""Of the estate that all processes here are of."""


@pytest.fixture(params=["sqlite", "valkey"])
def store(request: pytest.FixtureRequest) -> str:
    """Where several processes can keep readings."""
    if request.param == "sqlite":
        return "store.sqlite"
    server: ValkeyServer = request.getfixturevalue("valkey")
    return server.url


def here(*args: object) -> str:
    """What a command that succeeds says, run in this process, which is not that of the cache."""
    said = command_line.esme(*args)
    assert (said.exit_code, said.stderr) == (0, "")
    return said.stdout


def inspected(store: str, *more: object) -> list[dict[str, Any]]:
    said = here("cache", "inspect", store, "--json", *more)
    return [json.loads(line) for line in said.splitlines()]


# Several at once


async def test_20_requests_at_once_to_two_caches_are_one_device_hit(
    store: str, mosquitto: Mosquitto
) -> None:
    part = ("--meters", 5, "--broker", mosquitto.url)
    cache = ("cache", *part, "--shared", "--store", store, "--decisions")
    with (
        running("fleet", *part, "--latency", "100ms") as fleet,
        running(*cache, "first") as first,
        running(*cache, "second") as second,
    ):
        async with asking(mosquitto.url) as asker:
            roles = [(Role.IS, Role.ED, Role.OU)[number % 3] for number in range(20)]
            replies = await asyncio.gather(*[asker.ask(role=role) for role in roles])
            truth = asker.truth(METERS[0], "4.8.1", YESTERDAY)
            assert all(readings_in(reply.response, "4.8.1") == truth for reply in replies)
            assert asker.strays(CACHED) == 0
        assert fleet.stop(signal.SIGINT)["device_hits"] == 1
        counted = [process.stop(signal.SIGINT) for process in (first, second)]
    assert all(form["requests"] for form in counted), "both are asked"
    decided = Counter((*told("first", "decision"), *told("second", "decision")))
    assert decided["forwarded"] == 1
    assert decided.total() == decided["forwarded"] + decided["collapsed"] + decided["hits"] == 20


# What the store holds


async def test_inspect_and_purge_work_on_the_store_of_a_running_cache(
    store: str, mosquitto: Mosquitto
) -> None:
    part = ("--meters", 5, "--broker", mosquitto.url)
    with running("fleet", *part), running("cache", *part, "--store", store) as cache:
        async with asking(mosquitto.url) as asker:
            for device in METERS[:2]:
                for srv in ("4.6.1", "4.8.1"):
                    reply = await asker.ask(device, srv)
                    assert reply.cache_status == "s1sp; fwd=miss; stored"
            await asyncio.to_thread(inspect_and_purge, store)
            again = [(await asker.ask(device)).cache_status or "" for device in METERS[:2]]
            assert again[0] == "s1sp; fwd=miss; stored"
            assert again[1].startswith("s1sp; hit")
        cache.stop(signal.SIGINT)
    assert esme("cache", "purge", store).stdout == f"3 entries dropped; estate {NAME}\n".encode()
    said = esme("cache", "inspect", store)
    assert (said.returncode, said.stdout[:9]) == (0, b"0 entries")


def inspect_and_purge(store: str) -> None:
    rows = inspected(store)
    assert [(row["device"], row["srv"]) for row in rows] == [
        (str(device), srv) for device in METERS[:2] for srv in ("4.6.1", "4.8.1")
    ]
    assert {row["from"] for row in rows} == {to_iso(YESTERDAY.start)}
    assert {row["to"] for row in rows} == {to_iso(YESTERDAY.end)}
    assert all(row["octets"] > 0 for row in rows)
    assert len(inspected(store, "--device", METERS[1])) == 2
    assert len(inspected(store, "--srv", "4.6.1", "--device", METERS[1])) == 1
    assert here("cache", "inspect", store).splitlines()[-1].startswith("4 entries, ")
    dropped = here("cache", "purge", store, "--device", METERS[0], "--json")
    assert json.loads(dropped) == {"estate": NAME, "dropped": 2}
    assert {row["device"] for row in inspected(store)} == {str(METERS[1])}


@pytest.mark.processes
def test_a_store_has_one_key_and_one_estate(store: str) -> None:
    for name, digits in (("key", "ab"), ("other", "cd")):
        Path(name).write_text(digits * 32)
        Path(name).chmod(0o600)
    assert read_through(store, "key") == (1, [])
    assert len(inspected(store, "--store-key", "key")) == 1
    for wrong in ((), ("--store-key", "other")):
        said = esme("cache", "inspect", store, *wrong)
        assert (said.returncode, len(said.stderr.splitlines())) == (0, 1)
        assert b"an entry of the store cannot be read" in said.stderr
        assert said.stdout.startswith(b"1 entry")
        assert said.stdout.endswith(f", 1 unreadable; estate {NAME}\n".encode())
        assert inspected(store, *wrong) == [{"unreadable": 1}]
    other = esme("cache", "inspect", store, "--seed", "2")
    if "://" in store:  # a server has room for several
        assert (other.returncode, other.stderr) == (0, b"")
        assert other.stdout.startswith(b"0 entries")
    else:
        assert_one_line(other, 1, b"keeps readings of another estate")
        assert_one_line(esme("cache", "purge", store, "--seed", "2"), 1, b"another estate")
    hits, (complaint,) = read_through(store, "other")
    assert hits == 1, "as if it were not there"
    assert b"cannot be read" in complaint


def read_through(store: str, key: str) -> tuple[int, list[bytes]]:
    """Read a meter once through a cache on `store`; return device hits and complaints."""
    args = ("--meters", 5, "--store", store, "--store-key", key)
    with running("serve", "--port", 0, *args) as serve:

        async def ask() -> None:
            async with asking(serve.started["broker"]) as asker:
                await asker.ask()

        asyncio.run(ask())
        serve.process.send_signal(signal.SIGINT)
        out, err = serve.process.communicate(timeout=GUARD)
    return json.loads(out)["device_hits"], err.splitlines()


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("inspect", "none.sqlite"), 2, "no such file"),
        (("purge", "sqlite:none.sqlite"), 2, "no such file"),
        (("inspect",), 2, "Missing argument"),
        (("inspect", "/etc"), 1, "/etc"),
        (("inspect", "text"), 1, "not a store of readings"),
        (("inspect", "valkey://127.0.0.1:1"), 1, "127.0.0.1:1"),
        (("inspect", "ftp://x"), 1, "no kind of store"),
        (("inspect", "text", "--store-key", "text"), 2, "64 hexadecimal digits"),
        (("inspect", "text", "--device", "zz"), 2, "zz"),
        (
            ("--seed", "2", "inspect", "text"),
            2,
            "--seed: write the options of inspect",
        ),
        (("--store", "a", "--json", "purge", "text"), 2, "of purge behind purge"),
        (("peek", "text"), 2, "peek"),
        (("--store", "memory:", "--broker", "mqtt://127.0.0.1:1"), 1, "no MQTT broker"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_one_line(
    args: tuple[str, ...], code: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text").write_text("not a database, but a text that is long enough to be one" * 20)
    with pytest.raises(SystemExit) as exited:
        esme_command(["cache", *args])
    said = capsys.readouterr()
    assert (exited.value.code, said.out) == (code, "")
    assert said.err.startswith("esme: ")
    assert said.err.count("\n") == 1
    assert reason in said.err
    assert [path.name for path in Path().iterdir()] == ["text"], "nothing is made by looking"


# Stores that fail


async def test_a_cache_survives_the_loss_of_its_store(
    mosquitto: Mosquitto, valkey: ValkeyServer
) -> None:
    part = ("--meters", 5, "--broker", mosquitto.url)
    with (
        running("fleet", *part) as fleet,
        running("cache", *part, "--store", valkey.url) as cache,
    ):
        async with asking(mosquitto.url) as asker:
            truth = asker.truth(METERS[0], "4.8.1", YESTERDAY)
            statuses = []
            for meanwhile in (None, None, valkey.kill, None, valkey.start):
                if meanwhile is not None:
                    meanwhile()
                reply = await asker.ask()
                assert readings_in(reply.response, "4.8.1") == truth
                statuses.append((reply.cache_status or "").partition("; ttl")[0])
            hit = "s1sp; hit"
            failed = "s1sp; fwd=bypass; detail=store-failed"
            assert statuses[:4] == ["s1sp; fwd=miss; stored", hit, failed, failed]
            hits = 3
            while statuses[-1] != hit:
                assert statuses[-1].replace("; stored", "") == failed, "until it has noticed"
                hits += 1
                statuses.append(((await asker.ask()).cache_status or "").partition("; ttl")[0])
        assert fleet.stop(signal.SIGINT)["device_hits"] == hits
        cache.process.send_signal(signal.SIGINT)
        out, err = cache.process.communicate(timeout=GUARD)
    assert json.loads(out)["decisions"]["4.8.1 forwarded"] == hits
    assert len(err.splitlines()) == 1
    assert err.endswith(b"requests are forwarded meanwhile\n")


# Caches that are killed


@dataclass
class Load:
    """Requests without end, and what became of them."""

    asker: Asker
    draw: random.Random
    stopped: bool = False
    asked: int = 0
    unanswered: int = 0
    answered: set[tuple[str, str, int]] = field(default_factory=set)
    """Meter, party and counter of each request that had a reply."""
    stored: set[tuple[str, str, str, str]] = field(default_factory=set)
    """What was said to be stored: meter, SRV, from, to."""
    own_counters: list[int] = field(default_factory=list)
    """Of replies that a cache minted."""
    recent: list[tuple[EUI, str, Window]] = field(default_factory=list)
    truths: dict[tuple[EUI, str, Window], list[Row]] = field(default_factory=dict)
    fresh: int = 0

    async def go_on(self) -> None:
        while not self.stopped:
            await self.ask_one()

    async def ask_one(self) -> None:
        device, srv, window = look = self.look()
        parties = {role: self.asker.party(role) for role in (Role.IS, Role.ED, Role.OU)}
        role = self.draw.choice([role for role, one in parties.items() if one.may_ask(srv)])
        party = parties[role]
        counter = party.counter
        self.asked += 1
        try:
            reply = await self.asker.ask(device, srv, role, window=window, patience=1.0)
        except NoReplyError:
            self.unanswered += 1
            return
        self.answered.add((str(device), str(party.eui), counter))
        if look not in self.truths:
            self.truths[look] = self.asker.truth(*look)
        assert readings_in(reply.response, srv) == self.truths[look]
        own = own_counter_in(reply.octets)
        if own is not None and own % 2:
            self.own_counters.append(own)
        if "stored" in (reply.cache_status or ""):
            key = str(device), srv, to_iso(window.start), to_iso(window.end)
            self.stored.add(key)

    def look(self) -> tuple[EUI, str, Window]:
        """Something new to ask for, or what was asked for lately."""
        if self.recent and self.draw.random() < 0.6:
            return self.draw.choice(self.recent)
        self.fresh += 1
        device = METERS[self.fresh % 500]
        srv = self.draw.choice(sorted(CACHED_SRVS))
        look = device, srv, day(self.fresh // 500)
        self.recent = [*self.recent[-30:], look]
        return look


@asynccontextmanager
async def commands_on(broker: str) -> AsyncIterator[Counter[tuple[str, str, int]]]:
    """Count the commands that go to meters, by meter, party and counter."""
    seen: Counter[tuple[str, str, int]] = Counter()

    def receive(topic: str, octets: bytes, _: Mapping[str, str]) -> None:
        command = decode(octets)
        assert isinstance(command, Command)
        counter = command.originator_counter
        seen[str(command.recipient), str(command.remote_party), counter] += 1

    subscriptions = {command_topic(DIRECT, "+"): receive}
    async with connect(broker, client_id="observer", subscriptions=subscriptions):
        yield seen


def forwarded_in(journal: Path) -> list[tuple[str, str, int]]:
    rows = told(journal, "decision", "device", "party", "counter")
    return [row[1:] for row in rows if row[0] == "forwarded"]


async def test_caches_killed_at_any_moment_lose_no_reading_and_count_right(
    store: str, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """A cache joins another on the same store, which is killed; so on, while parties ask.

    What meters received is what journals say was forwarded, less what a killed cache had written
    down and not yet handed to the broker: the last of its lines, and requests without a reply.
    """
    part = ("--meters", 500, "--broker", mosquitto.url)
    shared = ("cache", *part, "--shared", "--store", store, "--decisions")
    draw = random.Random(ROUNDS)
    journals = [tmp_path / f"decisions-{number}" for number in range(ROUNDS + 1)]
    began = time.monotonic()
    with ExitStack() as stack:
        fleet = stack.enter_context(running("fleet", *part, "--latency", "uniform:1ms,30ms"))
        cache = stack.enter_context(running(*shared, journals[0]))
        async with commands_on(mosquitto.url) as seen, asking(mosquitto.url) as asker:
            load = Load(asker, draw)
            async with asyncio.TaskGroup() as group:
                for _ in range(ASKING):
                    group.create_task(load.go_on())
                try:
                    for number in range(1, ROUNDS + 1):
                        following = await asyncio.to_thread(Running, *shared, journals[number])
                        stack.callback(following.process.communicate)
                        stack.callback(following.process.kill)
                        await asyncio.sleep(draw.uniform(0, 0.1))
                        cache.process.kill()
                        cache.process.communicate()
                        cache = following
                finally:
                    load.stopped = True
        last = cache.stop(signal.SIGINT)
        hits = fleet.stop(signal.SIGINT)["device_hits"]
    seconds = time.monotonic() - began

    assert seen.total() == hits, "the fleet counts what is on the broker"
    assert max(seen.values()) == 1, "nothing is sent twice"
    forwarded = {journal: forwarded_in(journal) for journal in journals}
    everything = Counter(sent for sents in forwarded.values() for sent in sents)
    assert not seen - everything, "whatever is sent was written down before"
    in_flight = everything - seen
    for sents in forwarded.values():
        missing = [sent in in_flight for sent in sents]
        assert missing == sorted(missing), "what is missing is the end of a journal"
    assert not any(sent in in_flight for sent in forwarded[journals[-1]]), "it was not killed"
    assert not load.answered & set(in_flight)
    assert hits == everything.total() - in_flight.total()
    assert last["retries"] == last["shadow"] == 0

    asked_again = forwarded_twice(journals)
    assert asked_again <= {journal.name for journal in journals[:-1]}

    rows = await asyncio.to_thread(inspected, store)
    kept = {(row["device"], row["srv"], row["from"], row["to"]) for row in rows}
    assert load.stored <= kept, "what was said to be stored is there"
    assert load.stored
    assert len(set(load.own_counters)) == len(load.own_counters)
    assert load.own_counters
    if FIGURES:
        figures = (
            f"{'valkey' if '://' in store else 'sqlite'}: {ROUNDS} rounds, {seconds:.0f} s, "
            f"{load.asked} requests, {len(load.answered)} answered, {load.unanswered} not, "
            f"{hits} device hits, {everything.total()} forwarded, {in_flight.total()} in flight, "
            f"{len(load.stored)} acknowledged, {len(load.own_counters)} own counters\n"
        )
        with open(FIGURES, "a") as file:  # noqa: ASYNC230
            file.write(figures)


def forwarded_twice(journals: list[Path]) -> set[str]:
    """The journals of all but the last cache that forwarded a key, of keys forwarded again."""
    by_key: defaultdict[tuple[Any, ...], list[tuple[float, str]]] = defaultdict(list)
    for journal in journals:
        for line in decisions_of(journal):
            if line["decision"] == "forwarded":
                key = line["device"], line["srv"], line["from"], line["to"]
                by_key[key].append((line["time"], journal.name))
    return {name for sent in by_key.values() for _, name in sorted(sent)[:-1]}
