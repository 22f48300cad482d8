"""The policy of the reading cache: which request is answered from where.

Pure: octets and the time in, effects out. Knows requests in flight and what they wait for; knows
no store, no broker and no clock.

One flight a key: the first request looks the key up and, where it is not there, goes on to the
meter; whoever asks the same meanwhile waits for it. A reply is minted anew for each requester,
with the function that the meter itself uses.
"""

from dataclasses import dataclass

from emulator.cache.effects import Effect, Forward, Keep, Look, Reply, Reserve
from emulator.cache.entry import CACHED_SRVS, Entry, Key
from emulator.cache.ledger import Decision, Ledger
from emulator.own_counter import CACHE, OwnCounter
from emulator.reception import Discard, Discarded, accept
from emulator.transaction import Transaction, transaction_of
from gbcs import (
    EUI,
    Alert,
    Command,
    GbcsError,
    Keystore,
    KeystoreError,
    Message,
    Response,
    Status,
    decode,
)
from gbcs.instants import EPOCH_UNIX
from gbcs.tables.profile_logs import ProfileLog
from gbcs.usecases.profile_read import (
    answer_profile_read,
    buffer_of,
    profile_read_of,
    takes_own_counter,
)
from gbcs.usecases.responding import refuse

RESERVED_SECONDS = 60
"""Own counters are reserved for so long ahead, so that the store is not asked for each."""

NAME = "s1sp"
"""Of this cache in Cache-Status."""


@dataclass(slots=True)
class _Flight:
    """Requests that wait for the same key; the first one leads."""

    log: ProfileLog
    waiting: list[Command]
    octets: bytes
    """Of the leader's command."""
    forwarded: float = 0.0
    """When it went on to the meter, Unix time in seconds."""


@dataclass(slots=True)
class _Passing:
    """Commands that were forwarded in one transaction, and when they are given up.

    `keys` has one item for each of them, None where it is not a cached read. Only a party that
    uses a counter twice makes them several.
    """

    srv: str
    deadline: float
    keys: list[Key | None]


class CachePolicy:
    """What an S1SP's reading cache does.

    `retention` and `reply_timeout` are seconds; `reserved` is the highest own counter that an
    earlier run may have used.
    """

    def __init__(
        self,
        keystore: Keystore,
        *,
        retention: float,
        reply_timeout: float,
        reserved: int = 0,
    ) -> None:
        self._keystore = keystore
        self.retention = retention
        self._reply_timeout = reply_timeout
        self._own_counter = OwnCounter(CACHE, reserved)
        self._reserved = reserved
        self._latest = 0.0
        self._flights: dict[Key, _Flight] = {}
        self._passing: dict[Transaction, _Passing] = {}
        self.ledger = Ledger()

    def command(self, device: EUI, octets: bytes, now: float) -> list[Effect]:
        """Return what to do with a command for `device`."""
        self.ledger.requests += 1
        accepted = accept(device, octets, self._keystore)
        if isinstance(accepted, Discarded):
            if accepted.reason is Discard.NO_KEY:
                return self._pass_on(decode(octets), accepted.srv, octets, now)
            self.ledger.count(accepted.srv, Decision.REFUSED)
            self.ledger.reasons[accepted.reason] += 1
            return []
        command, srv = accepted.command, accepted.srv
        read = profile_read_of(command)
        if read is None or read.log.srv not in CACHED_SRVS or not self._can_mint(command, read.log):
            return self._pass_on(command, srv, octets, now)
        key = Key(device, read.log.srv, read.window.start, read.window.end)
        flight = self._flights.get(key)
        if flight is not None:
            flight.waiting.append(command)
            return []
        self._flights[key] = _Flight(read.log, [command], octets)
        return [Look(key)]

    def found(self, key: Key, entry: Entry | None, now: float) -> list[Effect]:
        """Return what to do now that the store has, or has not, an `entry` for `key`."""
        flight = self._flights[key]
        if entry is not None and 0 <= now - entry.received < self.retention:
            del self._flights[key]
            ttl = int(entry.received + self.retention - now)
            status = f"hit; ttl={ttl}"
            return self._mint(flight.log, flight.waiting, entry.buffer, Decision.HIT, status, now)
        flight.forwarded = now
        leader = flight.waiting[0]
        return self._pass_on(leader, flight.log.srv, flight.octets, now, key)

    def response(self, octets: bytes, now: float) -> list[Effect]:
        """Return what to do with octets that a device sent."""
        try:
            message = decode(octets, self._keystore)
        except GbcsError:
            return self._drop("reply-malformed")
        if message.mac_status is Status.INVALID:
            return self._drop("reply-mac-invalid")
        if isinstance(message, Alert):
            return [Reply(message.originator, message.recipient, octets, NAME)]
        transaction = transaction_of(message)
        passing = self._passing.get(transaction)
        if passing is None or not isinstance(message, Response):
            return self._drop("reply-unsolicited")
        if any(passing.keys) and message.mac_status is not Status.VALID:
            return self._drop(f"reply-mac-{message.mac_status}")
        if len(passing.keys) == 1:
            del self._passing[transaction]
        else:
            self._abandon(passing)
        key = passing.keys.pop()
        if key is None:
            return [_relay(message, octets, "fwd=bypass")]
        return self._land(key, self._flights.pop(key), message, octets, now)

    def expire(self, now: float) -> None:
        """Give up every command whose reply has not come in time, and who waits for it."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            transaction = next(iter(self._passing))
            passing = self._passing.pop(transaction)
            self.ledger.reasons["no-reply"] += len(passing.keys)
            self._abandon(passing)

    def next_deadline(self) -> float | None:
        """Return when `expire` has something to do next, or None while nothing is on its way."""
        return next((passing.deadline for passing in self._passing.values()), None)

    def _pass_on(
        self, command: Message, srv: str, octets: bytes, now: float, key: Key | None = None
    ) -> list[Effect]:
        transaction = transaction_of(command)
        deadline = now + self._reply_timeout
        if now < self._latest:  # the clock was set back: nothing waits for longer than it would
            for passing in self._passing.values():
                passing.deadline = min(passing.deadline, deadline)
        self._latest = now
        earlier = self._passing.pop(transaction, None)
        keys = [*(earlier.keys if earlier else ()), key]
        self._passing[transaction] = _Passing(srv, deadline, keys)
        self.ledger.count(srv, Decision.FORWARDED, command)
        return [Forward(command.recipient, octets)]

    def _land(
        self, key: Key, flight: _Flight, response: Message, octets: bytes, now: float
    ) -> list[Effect]:
        """Return what to do with the reply that a flight was waiting for."""
        leader, followers = flight.waiting[0], flight.waiting[1:]
        try:
            if leader.supplementary and leader.supplementary.certificate:
                response = decode(octets, self._keystore, leader.supplementary.certificate)
            readings = buffer_of(response, flight.log)
        except GbcsError:
            self._drop("reply-unreadable")
            self._fail(followers, key.srv)
            return [_relay(response, octets, "fwd=miss")]
        kept: list[Effect] = []
        stored = ""
        if isinstance(readings, int):
            self.ledger.reasons["failure-not-kept"] += 1
        elif key.end > flight.forwarded - EPOCH_UNIX:
            self.ledger.reasons["open-window"] += 1
        else:
            kept, stored = [Keep(key, Entry(readings, now))], "; stored"
        status = f"fwd=miss; collapsed{stored}"
        return [
            *kept,
            _relay(response, octets, f"fwd=miss{stored}"),
            *self._mint(flight.log, followers, readings, Decision.COLLAPSED, status, now),
        ]

    def _can_mint(self, command: Command, log: ProfileLog) -> bool:
        """Return whether there are keys to verify and to make replies for this requester."""
        device, party = command.recipient, command.remote_party
        certificate = command.supplementary.certificate if command.supplementary else b""
        try:
            if log.protection and self._keystore.shared_secret(device, party, certificate) is None:
                return False
        except KeystoreError:
            return False
        return self._keystore.shared_secret(device, command.originator) is not None

    def _mint(
        self,
        log: ProfileLog,
        commands: list[Command],
        readings: bytes | int,
        decision: Decision,
        status: str,
        now: float,
    ) -> list[Effect]:
        """Return the reply to each of `commands` that the meter would have sent."""
        replies: list[Effect] = []
        for command in commands:
            octets = self._reply(command, log, readings, now)
            self.ledger.count(log.srv, decision, command)
            replies.append(
                Reply(command.recipient, command.originator, octets, f"{NAME}; {status}")
            )
        if self._own_counter.last > self._reserved:
            ahead = self._own_counter.last + 2_000_000 * RESERVED_SECONDS
            self._reserved = ahead
            replies.insert(0, Reserve(ahead))
        return replies

    def _reply(self, command: Command, log: ProfileLog, readings: bytes | int, now: float) -> bytes:
        if isinstance(readings, int):
            return refuse(command, readings, self._keystore)
        own_counter = self._own_counter.next(now) if takes_own_counter(command, log) else None
        return answer_profile_read(command, log, readings, self._keystore, own_counter)

    def _abandon(self, passing: _Passing) -> None:
        """Fail who waits for any of these commands: there is no telling whose reply is whose."""
        for key in filter(None, passing.keys):
            self._fail(self._flights.pop(key).waiting[1:], passing.srv)
        passing.keys = [None] * len(passing.keys)

    def _fail(self, commands: list[Command], srv: str) -> None:
        for command in commands:
            self.ledger.count(srv, Decision.FAILED, command)

    def _drop(self, reason: str) -> list[Effect]:
        self.ledger.reasons[reason] += 1
        return []


def _relay(response: Message, octets: bytes, status: str) -> Reply:
    return Reply(response.originator, response.recipient, octets, f"{NAME}; {status}")
