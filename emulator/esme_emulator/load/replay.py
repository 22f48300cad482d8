"""A recording again: its commands under new counters, and how the answers compare.

Pure. Commands get new originator counters, and so new MACs (message authentication codes): meters
and caches refuse a counter that was used. A command that was recorded twice is sent twice with the
same octets, as a repetition. An answer is what a reply says, without counters, MAC and encryption.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256

from esme_emulator.load.in_flight import Origin, origin_of
from esme_emulator.messaging.recording import Recorded
from esme_emulator.messaging.transaction import Transaction, transaction_of
from gbcs import (
    EUI,
    Command,
    GbcsError,
    Keystore,
    Message,
    Response,
    Status,
    decode,
    encode,
)
from gbcs.dlms.access import AccessRequest, AccessResponse
from gbcs.message import UNSEALED
from gbcs.tables.reading_services import BY_CODE
from gbcs.usecases.read_request import read_requests_of, reading_command
from gbcs.usecases.responding import invoke_id
from gbcs.usecases.values import values_of

MOST_LISTED = 1000
"""Differences that are kept; further ones are only counted."""


class LeftOut(StrEnum):
    """Why a recorded command is not sent again."""

    MALFORMED = "malformed"
    """It is not a GBCS command."""
    SIGNED = "signed"
    """It is critical: only its originator can sign it under another counter."""
    NO_KEY = "no-key"
    """The key of its MAC is unknown."""


class Comparison(StrEnum):
    """How the reply to a request compares with the recorded one."""

    SAME = "same"
    DIFFERENT = "different"
    MOVED_ON = "moved-on"
    """Other values of a read without a window, which gives those of its moment."""
    UNREADABLE = "unreadable"
    """A reply could not be read, so the answers were not compared."""
    NO_REPLY = "no-reply"
    """Only the recording has a reply."""
    NEW_REPLY = "new-reply"
    """Only the replay has a reply."""
    SILENT = "silent"
    """Neither has a reply."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, as far as two of them are compared."""

    content: bytes | None
    """Digest of its readings; None if it cannot be read."""
    of_the_moment: bytes
    """Digest of the part that does not depend on the time of the read: results without values.

    Empty for a log, whose content the window decides."""
    status: str
    """Its Cache-Status, empty if it has none."""


@dataclass(frozen=True, slots=True)
class ReplayedRequest:
    """One request to send."""

    number: int
    """From 1."""
    seconds: float
    """When to send it, in seconds after the first request of the recording."""
    transaction: Transaction
    """Its `originator` is the recipient of the reply."""
    octets: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """A request whose reply is not the recorded one."""

    number: int
    seconds: float
    device: EUI
    party: EUI
    srv: str
    comparison: Comparison


class Replay:
    """The requests of a recording that were made under `prefix`, and the replies to them.

    `first_counter` is the originator counter of the first request.
    """

    def __init__(self, prefix: str, keystore: Keystore, first_counter: int) -> None:
        self._prefix = prefix
        self._keystore = keystore
        self._next_counter = first_counter
        self._requests: dict[Transaction, ReplayedRequest] = {}
        """By the recorded transaction."""
        self._recorded: dict[Transaction, Answer] = {}
        """Recorded answers, by the recorded transaction."""
        self._originals: dict[Transaction, Transaction] = {}
        """Recorded transactions, by the new ones."""
        self._received: dict[Transaction, Answer] = {}
        """New answers, by the recorded transaction."""
        self._first: float | None = None
        self.left_out: Counter[LeftOut] = Counter()
        """Commands that are not sent again, by reason."""
        self.repetitions = 0
        """Commands that were recorded more than once."""
        self.schedule: list[ReplayedRequest] = []
        """All requests in the order of their times."""

    def load(self, recording: Iterable[Recorded]) -> None:
        """Take commands and replies from a recording. Call it once."""
        for message in recording:
            if message.prefix == self._prefix:
                if message.is_command:
                    self._add(message)
                else:
                    self._add_reply(message)

    def _add(self, recorded: Recorded) -> None:
        try:
            command = decode(recorded.octets)
        except GbcsError:
            self.left_out[LeftOut.MALFORMED] += 1
            return
        if not isinstance(command, Command):
            self.left_out[LeftOut.MALFORMED] += 1
            return
        if command.signature or command.signature is None:
            self.left_out[LeftOut.SIGNED] += 1
            return
        first = recorded.at if self._first is None else self._first
        original = transaction_of(command)
        known = self._requests.get(original)
        if known is None:
            again = with_counter(command, self._next_counter)
            try:
                octets = encode(again, self._keystore)
            except GbcsError:
                self.left_out[LeftOut.NO_KEY] += 1
                return
            self._next_counter += 1
            transaction = transaction_of(again)
            self._originals[transaction] = original
        else:
            self.repetitions += 1
            transaction, octets = known.transaction, known.octets
        self._first = first
        request = ReplayedRequest(
            len(self.schedule) + 1,
            round(max(recorded.at - first, 0.0), 6),
            transaction,
            octets,
        )
        self._requests.setdefault(original, request)
        self.schedule.append(request)

    def _add_reply(self, recorded: Recorded) -> None:
        try:
            message = decode(recorded.octets, self._keystore)
        except GbcsError:
            return
        original = transaction_of(message)
        if isinstance(message, Response) and original in self._requests:
            answer = _answer(message, recorded.cache_status)
            self._recorded.setdefault(original, answer)

    def receive(self, octets: bytes, status: str) -> bool:
        """Take a reply; return whether it is the first to one of the requests, with a valid MAC."""
        try:
            message = decode(octets, self._keystore)
        except GbcsError:
            return False
        original = self._originals.get(transaction_of(message))
        if original is None or original in self._received or not isinstance(message, Response):
            return False
        if message.mac_status is not Status.VALID:
            return False
        self._received[original] = _answer(message, status)
        return True

    @property
    def unanswered(self) -> int:
        """The number of requests without a reply so far."""
        return len(self._requests) - len(self._received)

    def compared(self) -> Iterator[tuple[ReplayedRequest, Comparison]]:
        """Yield each request, without repetitions, with the comparison of its replies."""
        for original, request in self._requests.items():
            yield request, _compare(self._recorded.get(original), self._received.get(original))

    def decisions(self) -> Counter[tuple[Origin, Origin]]:
        """Return the number of requests that have both replies, by origin then and now."""
        return Counter(
            (origin_of(answer.status), origin_of(self._received[original].status))
            for original, answer in self._recorded.items()
            if original in self._received
        )

    def differences(self) -> list[Difference]:
        """Return the requests whose replies differ, at most `MOST_LISTED`."""
        found: list[Difference] = []
        for request, comparison in self.compared():
            if comparison in DIFFERENCES and len(found) < MOST_LISTED:
                transaction = request.transaction
                service = BY_CODE.get(transaction.message_code)
                found.append(
                    Difference(
                        request.number,
                        request.seconds,
                        transaction.device,
                        transaction.party,
                        service.srv if service else f"{transaction.message_code:04X}",
                        comparison,
                    )
                )
        return found


DIFFERENCES = (Comparison.DIFFERENT, Comparison.NO_REPLY, Comparison.NEW_REPLY)


def _compare(recorded: Answer | None, received: Answer | None) -> Comparison:
    if recorded is None:
        return Comparison.SILENT if received is None else Comparison.NEW_REPLY
    if received is None:
        return Comparison.NO_REPLY
    if recorded.content is None or received.content is None:
        return Comparison.UNREADABLE
    if recorded.content == received.content:
        return Comparison.SAME
    moved_on = recorded.of_the_moment and recorded.of_the_moment == received.of_the_moment
    return Comparison.MOVED_ON if moved_on else Comparison.DIFFERENT


def with_counter(command: Command, counter: int) -> Command:
    """Return `command`, unsealed, under another originator counter.

    What a reading command protects names its transaction, so such a command is written anew.
    """
    behind = command.supplementary
    if behind is not None and behind.party_counter is not None:
        behind = replace(behind, party_counter=counter)
    payload = command.payload
    if isinstance(payload, AccessRequest):
        payload = AccessRequest(invoke_id(counter), payload.accesses, payload.date_time)
    again = replace(
        command, originator_counter=counter, supplementary=behind, payload=payload, mac=UNSEALED
    )
    service, requests = BY_CODE.get(command.message_code), read_requests_of(command)
    if service is None or requests is None or not any(each.protected for each in requests):
        return again
    windows = (item.window for request in requests for item in request.attributes)
    return reading_command(
        service,
        device=command.device,
        originator=command.originator,
        counter=counter,
        window=next((window for window in windows if window is not None), None),
        supplementary=behind,
    )


def _answer(response: Message, status: str) -> Answer:
    if response.mac_status is Status.INVALID:
        return Answer(None, b"", status)
    service, payload = BY_CODE.get(response.message_code), response.payload
    if service is None:
        content: object = payload
        if isinstance(payload, AccessResponse):
            content = payload.results  # without the invoke id, which follows from the counter
        return Answer(None if response.protected else _digest(content), b"", status)
    try:
        readings = values_of(response)
    except GbcsError:
        return Answer(None, b"", status)
    codes = b"" if service.windowed else _digest([(item.name, item.code) for item in readings])
    return Answer(_digest([(item.name, item.code, item.data) for item in readings]), codes, status)


def _digest(content: object) -> bytes:
    return sha256(repr(content).encode()).digest()
