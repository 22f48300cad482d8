"""Mistakes of a user: each is one line that says what is wrong and what to give instead."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from esme_emulator.cli import messages
from esme_emulator.cli.main import main
from gbcs import text_messages
from tests.support.mosquitto import DEAD_PORT

SHORT = 1000
"""Limit of an input in these tests, in octets."""


def esme(*arguments: object, given: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], input=given)


def assert_one_line(result: Result, text: str, code: int = 2) -> None:
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert result.stderr.startswith("esme: ")
    assert result.stderr.count("\n") == 1
    assert text in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["prove", "--seed", ""], "--seed is empty: give a value, or leave it out"),
        (["prove", "--seed="], "--seed is empty"),
        (["prove", ""], "an argument is empty"),
        (["decode", ""], "an argument is empty"),
        (["cache", "--store", ""], "--store is empty"),
        (["cache", "inspect", ""], "an argument is empty"),
        (["scenario", "show", ""], "an argument is empty"),
        (
            ["decode", "--json", "--explain", "00"],
            "--csv, --explain and --json: give one of the three",
        ),
        (["cache", "inspect", "memory:"], "memory: ends with the process that uses it"),
        (["cache", "purge", "empty"], "empty: this file is empty, so it is not a store"),
        (["prove", "--report", "empty"], "'empty' is a file: name a folder"),
        (["load", "--report", "empty"], "'empty' is a file: name a folder"),
        (["decode", "--keystore", ".", "00"], "'.' is a folder: name a file"),
        (["load", "--rate", "fast"], "'fast' is not a number"),
        (["load", "--workers", "many"], "many: give a whole number"),
        (["serve", "--port", "70000"], "70000: give a whole number from 0 to 65535"),
        (["prove", "--meters", "0"], "0: give a whole number from 1"),
        (["counters", "http://127.0.0.1:99999"], "give the URL of a control interface"),
        (["counters", "http://"], "give the URL of a control interface"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_give(arguments: list[str], text: str) -> None:
    empty = Path("empty")
    empty.touch()
    assert_one_line(esme(*arguments), text)
    assert empty.read_bytes() == b""


@pytest.mark.parametrize("command", ["counters http://", "cache inspect valkey://"])
def test_an_unreachable_server_is_named_without_the_number_of_the_error(command: str) -> None:
    if "valkey" in command:
        pytest.importorskip("valkey")
    *words, url = command.split()
    result = esme(*words, f"{url}127.0.0.1:{DEAD_PORT}")
    assert_one_line(result, "connection refused", 1)
    assert "rrno" not in result.stderr
    assert "Error" not in result.stderr


@pytest.mark.parametrize("text", [b'{"a":', b'{"a":\n', b"x", b'\n{"a":\n\n'])
def test_a_document_that_ends_early_is_blamed_on_its_own_line(text: bytes) -> None:
    line = text.splitlines().index(text.split()[0]) + 1
    assert_one_line(esme("encode", given=text), f"esme: line {line}: not JSON", 1)


@pytest.mark.parametrize(
    ("command", "endless"),
    [
        ("decode", b"\0" * 9 * SHORT),
        ("decode", b"DF 09\n" * SHORT),
        ("encode", b"\0" * 9 * SHORT),
        ("encode", b"{\n" + b" 1\n" * SHORT),
        ("encode", "x".encode("utf-16") * SHORT),
    ],
)
def test_an_input_without_end_is_refused(
    command: str, endless: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MAX_OCTETS", SHORT)
    monkeypatch.setattr(text_messages, "_UNDECIDED", SHORT)
    assert_one_line(esme(command, given=endless), "the input is longer than", 1)


def test_a_device_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_OCTETS", SHORT)
    assert_one_line(esme("decode", "/dev/zero"), "/dev/zero: the input is longer than", 1)
