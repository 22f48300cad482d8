"""Latencies that were measured, from files: the one place that opens these."""

from collections.abc import Callable
from pathlib import Path

from esme_emulator.fleet.latency import Latency, parse_latency

MAX_OCTETS = 64 * 1024 * 1024
"""The longest file that is read."""


def load_latency(text: str, find: Callable[[str], str] = str) -> Latency:
    """Return the latency that `text` names, be it in a file; `find` gives the path of one named.

    Raises `ValueError` that says in one line what may be given, or what is wrong with the file.
    """
    return parse_latency(text, lambda path: _read(find(path)))


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if len(octets) > MAX_OCTETS:
        raise ValueError(f"{path} is longer than {MAX_OCTETS} octets")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8") from None
