"""Recordings: what crossed a broker, as JSON lines.

Each line is a message: when it was received (`at`, ISO 8601, in UTC), its topic, its octets in hex,
and its Cache-Status if it had one. Pure: takes and returns text.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from esme_emulator.messaging.topics import device_of
from esme_emulator.runtime.errors import UserError


class RecordingError(UserError):
    """A recording that cannot be read. The text is one line that names file, line and reason."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message on a topic."""

    at: float
    """Unix time in seconds."""
    topic: str
    octets: bytes
    cache_status: str = ""
    """Cache-Status of RFC 9211, empty if the message had none."""

    @property
    def prefix(self) -> str:
        """The first level of the topic."""
        return self.topic.partition("/")[0]

    @property
    def kind(self) -> str:
        """The third level of the topic: `command`, `response` or `alert`."""
        return self.topic.split("/")[2]

    @property
    def stamp(self) -> str:
        """The time in ISO 8601, with microseconds."""
        at = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="microseconds")
        return at.replace("+00:00", "Z")

    @property
    def is_command(self) -> bool:
        """Whether the topic is one of commands."""
        return self.topic.endswith("/command")


def line_of(message: Recorded) -> str:
    """Return the line of a message, without a line break."""
    return json.dumps(form_of(message))


def form_of(message: Recorded) -> dict[str, str]:
    """Return the JSON object of a message."""
    form = {
        "at": message.stamp,
        "topic": message.topic,
        "message": message.octets.hex().upper(),
    }
    if message.cache_status:
        form["cache_status"] = message.cache_status
    return form


def read_recording(name: str, lines: Iterable[str]) -> Iterator[Recorded]:
    """Yield the messages of a recording one by one; `name` is its file, for errors.

    Empty lines are skipped. Raises `RecordingError`.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _parse(line)
            except (ValueError, RecursionError) as error:
                raise RecordingError(f"{name}, line {number}: {error}") from None


def is_recording(line: str) -> bool:
    """Return whether the first line of a text begins a recording rather than a trace in CSV."""
    return line.lstrip().startswith("{")


def _parse(line: str) -> Recorded:
    try:
        form = json.loads(line)
    except ValueError:
        form = None
    if not isinstance(form, dict):
        raise ValueError("not a line of esme record: a JSON object with at, topic and message")
    topic, status = _text(form, "topic"), form.get("cache_status", "")
    if device_of(topic) is None:
        raise ValueError(f"topic: {topic!r:.60} is none of commands, responses or alerts")
    if not isinstance(status, str):
        raise ValueError("cache_status: not a text")
    try:
        octets = bytes.fromhex(_text(form, "message"))
    except ValueError:
        raise ValueError("message: not hexadecimal") from None
    return Recorded(_time(_text(form, "at")), topic, octets, status)


def _text(form: dict[str, object], name: str) -> str:
    value = form.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is missing" if name not in form else f"{name}: not a text")
    return value


def _time(text: str) -> float:
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"at: {text!r:.40}: write a time such as 2026-01-15T12:00:00Z") from None
