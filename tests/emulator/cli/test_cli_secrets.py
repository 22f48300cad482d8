"""Passwords and keys: where they come from, that nothing shows them, and who can read them."""

import asyncio
import os
from datetime import date
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from esme_emulator.cache.registry.file import Changes
from esme_emulator.cache.registry.registration import ChangeOfTenancy, ReceivedChange
from esme_emulator.cache.store import open_store
from esme_emulator.cli.options import STORE_PASSWORD, broker_option
from esme_emulator.estate.estate import derived_estate
from esme_emulator.runtime.files import journal
from esme_emulator.runtime.urls import user_of, with_password, without_credentials
from tests.support.command_line import esme
from tests.support.estate import METER

SECRET = "hunter2"
MISTYPED = (
    f"mqtt:/me:{SECRET}@host",
    f"mqtt:me:{SECRET}@host",
    f"me:{SECRET}@host:1883",
    f"mqqt://me:{SECRET}@host",
    f"mqtt://me:{SECRET}",
    f"mqtt://me:{SECRET}.host",
    f"mqtt://me:{SECRET}/host",
    f"mqtt://me:{SECRET}@host:x",
    f"mqtt://me:{SECRET}@host/path",
    f"mqtt://host?password={SECRET}",
    f"mqtt://me:a@{SECRET}@host:x",
)


@pytest.fixture(autouse=True)
def _no_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESME_BROKER_PASSWORD", raising=False)
    monkeypatch.delenv("ESME_STORE_PASSWORD", raising=False)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mqtt://me:pw@host:1883", "mqtt://host:1883"),
        ("mqtt://me@host", "mqtt://host"),
        ("mqtts://[::1]:8883", "mqtts://[::1]:8883"),
        ("valkey://:pw@host:6379/0", "valkey://host:6379/0"),
        ("mqtt://host:port", "mqtt://host:…"),
        ("nonsense", "nonsense"),
        ("http://x", "http://x"),
    ],
)
def test_a_url_is_shown_without_its_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@pytest.mark.parametrize("url", MISTYPED)
def test_a_mistyped_url_does_not_show_its_password(url: str) -> None:
    for args in (
        ("read", str(METER), "4.3", "--broker", url),
        ("prove", "--broker", url),
        ("load", "--seconds", "0.1", "--broker", url),
        ("serve", "--broker", url, "--store", "memory:"),
        ("fleet", "--broker", url),
        ("cache", "--broker", "mqtt://127.0.0.1:1", "--store", url.replace("mqtt", "valkey")),
        ("cache", "inspect", url.replace("mqtt", "valkey")),
    ):
        result = esme(*args)
        assert result.exit_code in (1, 2), args
        assert SECRET not in result.output, args
        assert len(result.stderr.splitlines()) == 1


def test_a_password_is_quoted_into_a_url() -> None:
    assert with_password("mqtt://me@host:1", "a@b:c/d") == "mqtt://me:a%40b%3Ac%2Fd@host:1"
    assert with_password("valkey://host/0", "pw") == "valkey://:pw@host/0"
    assert (user_of("mqtt://me:pw@host"), user_of("mqtt://host"), user_of("x")) == ("me", "", "")
    with pytest.raises(ValueError, match="has a password already"):
        with_password("mqtt://me:pw@host", "pw")


@click.command()
@broker_option
@click.option("--store", callback=STORE_PASSWORD.into_url)
@STORE_PASSWORD.option()
def shown(broker: str | None, store: str | None) -> None:
    click.echo(f"{broker} {store}")


def ask(*args: str, **environment: str) -> Result:
    return CliRunner().invoke(shown, args, env=environment)


def secret_file(name: str = "pw", text: str = f"{SECRET}\n") -> str:
    Path(name).write_text(text)
    Path(name).chmod(0o600)
    return name


def test_a_password_comes_from_a_file_or_the_environment() -> None:
    file = secret_file()
    there = f"mqtt://me:{SECRET}@host"
    url = ("--broker", "mqtt://me@host")
    assert ask(*url, "--broker-password-file", file).stdout == f"{there} None\n"
    assert ask("--broker-password-file", file, *url).stdout == f"{there} None\n"
    assert ask(*url, ESME_BROKER_PASSWORD=SECRET).stdout == f"{there} None\n"
    given = ask("--broker", "mqtt://me:own@host", ESME_BROKER_PASSWORD=SECRET)
    assert given.stdout == "mqtt://me:own@host None\n"
    assert ask(ESME_BROKER_PASSWORD=SECRET).stdout == "None None\n"
    assert ask("--store", "valkey://h", ESME_STORE_PASSWORD="x").stdout == "None valkey://:x@h\n"
    assert ask("--store", "a.sqlite", ESME_STORE_PASSWORD="x").stdout == "None a.sqlite\n"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--broker", "mqtt://host"), "--broker-password-file: name the user in the URL"),
        (("--broker", f"mqtt://me:{SECRET}@host"), "the URL has a password already"),
        ((), "give the URL of a server too"),
    ],
)
def test_a_password_without_a_url_is_an_error(args: tuple[str, ...], says: str) -> None:
    result = ask(*args, "--broker-password-file", secret_file())
    assert result.exit_code == 2
    assert says in result.stderr
    assert SECRET not in result.output


def test_an_empty_or_missing_password_file_is_an_error() -> None:
    for file, says in (
        (secret_file("empty", "\n"), "is empty"),
        ("absent", "No such file"),
    ):
        result = ask("--broker", "mqtt://me@host", "--broker-password-file", file)
        assert (result.exit_code, says in result.stderr) == (2, True)


def mode(path: str) -> int:
    return os.stat(path).st_mode & 0o777


def test_created_files_are_private(tmp_path: Path) -> None:
    async def use() -> set[int]:
        store = open_store("store.sqlite", "estate")
        await store.size()
        modes = {mode(name) for name in os.listdir() if name.startswith("store.sqlite")}
        await store.close()
        return modes

    before = os.umask(0)
    try:
        assert asyncio.run(use()) == {0o600}
        with journal(Path("decisions.jsonl"), dict) as write:
            assert write is not None
        with Changes(Path("registry.toml.changes"), lambda _octets, _before: []) as changes:
            assert changes.keep(ReceivedChange(ChangeOfTenancy(METER, date(2026, 1, 15)))) == ""
    finally:
        os.umask(before)
    assert mode("decisions.jsonl") == mode("registry.toml.changes") == 0o600


def test_a_readable_secret_file_is_warned_of() -> None:
    Path("keys.json").write_text(esme("keys", "--meters", "1").stdout)
    Path("public.json").write_text("{}")
    for file, others, warned in (
        ("keys.json", 0o644, True),
        ("keys.json", 0o640, True),
        ("keys.json", 0o600, False),
        ("public.json", 0o644, False),
    ):
        Path(file).chmod(others)
        result = esme("decode", "--keystore", file, "DF09")
        said = f"esme: {file}: others can read its private keys: chmod 600 {file}\n"
        assert result.stderr.startswith(said) is warned
        assert "chmod" in result.stderr or not warned


def test_a_readable_store_or_key_is_warned_of() -> None:
    estate = derived_estate("1", 100).name
    asyncio.run(open_store("a.sqlite", estate).close())
    Path("key").write_text("ab" * 32)
    nowhere = ("cache", "--broker", "mqtt://127.0.0.1:x", "--store", "a.sqlite")
    for others, warned in ((0o644, True), (0o600, False)):
        Path("a.sqlite").chmod(others)
        Path("key").chmod(others)
        said = esme(*nowhere, "--store-key", "key").stderr
        assert ("esme: key: others can read this key: chmod 600 key\n" in said) is warned
        said = esme(*nowhere).stderr
        readable = "esme: a.sqlite: others can read its readings: chmod 600 a.sqlite\n"
        assert (readable in said) is warned
