"""An SRV stands for all its names in a store; one that is never cached is refused."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.store.base import Store, drop_entries, entries_of
from esme_emulator.cache.store.memory import MemoryStore
from esme_emulator.cache.store.sqlite import SqliteStore
from esme_emulator.cli.main import main
from esme_emulator.estate.estate import EstateSource
from tests.support.estate import METER, OTHER_METER

ESTATE_NAME = EstateSource().estate().name
NAMES = ("4.8.1", "4.8.1-literal", "4.8.3", "ECS23", "ECS23b", "ECS23-literal")
FOUND = [
    ("4.8.1", {"4.8.1", "4.8.1-literal"}),
    ("4.8.1-literal", {"4.8.1-literal"}),
    ("4.10", {"ECS23", "ECS23b", "ECS23-literal"}),
    ("4.6.1", set()),
    (None, set(NAMES)),
]


async def fill(store: Store) -> None:
    for device in (METER, OTHER_METER):
        for name in NAMES:
            await store.put(Key(device, name, 0, 1), Entry(b"readings", 1e9))


@pytest.mark.parametrize(("srv", "names"), FOUND)
async def test_an_srv_stands_for_all_its_names_in_a_store(srv: str | None, names: set[str]) -> None:
    store = MemoryStore()
    await fill(store)
    assert {key.srv async for key, _ in entries_of(store, METER, srv)} == names
    assert await drop_entries(store, METER, srv) == len(names)
    assert {key.srv async for key, _ in store.entries(METER)} == set(NAMES) - names
    assert (await store.size()).entries == 2 * len(NAMES) - len(names)


def test_literal_entries_are_purged_with_their_srv(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"

    async def keep() -> None:
        store = SqliteStore(path, ESTATE_NAME)
        await fill(store)
        await store.close()

    asyncio.run(keep())
    for command, said in (("inspect", "4.8.1-literal"), ("purge", "4 entries dropped")):
        done = CliRunner().invoke(main, ["cache", command, str(path), "--srv", "4.8.1"])
        assert (done.exit_code, said in done.stdout) == (0, True), done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["here", "--srv", "4.8"], "'4.8' is never cached. Choose one of 4.4.2, 4.4.4"),
        (["n" * 300], "File name too long"),
        (["nowhere"], "nowhere: no such file"),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "purge"])
def test_an_srv_that_is_never_cached_is_refused_in_one_line(
    command: str,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    asyncio.run(SqliteStore(Path("here"), ESTATE_NAME).close())
    done = CliRunner().invoke(main, ["cache", command, *arguments])
    assert done.exit_code == 2
    assert said in done.output
    assert isinstance(done.exception, SystemExit)
