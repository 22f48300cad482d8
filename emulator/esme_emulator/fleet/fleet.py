"""A fleet of many meters, without I/O.

A fleet counts every command when it receives it, and returns each reply with the time to send it.
A meter handles one command at a time; meters do not wait for each other. Only meters that received
commands take memory.

Two fleets with the same identity give the same readings for the same meter and window, so a cache
may serve readings of one fleet for the other. Keys are not part of the identity: a store names its
estate.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from esme_emulator.device.meter import NORMAL, Answer, Behaviour, answer
from esme_emulator.device.model import profile_of
from esme_emulator.faults.base import Call, Delivery
from esme_emulator.faults.selector import FaultRule
from esme_emulator.fleet.counters import NOT_HOSTED, AntiReplay, CallNumbers, Counters, Stage
from esme_emulator.fleet.queueing import MeterState, MeterStates, Reply
from esme_emulator.fleet.wan import Wan, WanLink
from esme_emulator.messaging.identity import DIGITS
from esme_emulator.messaging.transaction import METER, DeviceCounter
from esme_emulator.messaging.validation import UNKNOWN_SRV, Discarded, accept
from esme_emulator.profiles import MeterMix, MeterProfile, meter_profiles
from esme_emulator.profiles.fleet_file import COMMISSIONED
from esme_emulator.profiles.latency import NONE, Latency
from esme_emulator.runtime.draws import draw_unit
from esme_emulator.runtime.events import Events
from gbcs import EUI, Keystore

QUEUE = 16
"""Default for the most commands that wait at a busy meter."""


class Dropped(StrEnum):
    """Why a meter did not answer an authentic command."""

    LOST = "lost"
    """The WAN lost the command."""
    QUEUE_FULL = "queue-full"
    REPLAYED = "replayed"
    """Its originator counter is not above that of an earlier command that the meter took."""
    SILENT = "silent"
    """A fault makes the meter ignore the command."""
    FAILED = "failed"
    """An internal error, which is raised as well."""


class Faults(Protocol):
    """The interface of `faults.engine.Faults`."""

    def behaviour(self, call: Call) -> Behaviour:
        """Return how the meter answers."""
        ...

    def deliver(self, call: Call, octets: bytes) -> tuple[Delivery, ...]:
        """Return what becomes of the reply `octets`."""
        ...


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """Event: the fleet received and counted a command."""

    time: float
    """Unix time in seconds."""
    device: EUI
    srv: str
    outcome: str
    octets: bytes
    replies: tuple[Reply, ...] = ()
    """The replies to send, each with the time at which it is due."""
    party: EUI | None = None
    """The party that asks, None if the command was discarded unread."""


@dataclass(frozen=True, slots=True)
class ReplySent:
    """Event: the broker took a reply."""

    time: float
    """Unix time in seconds."""
    reply: Reply


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of a command, and the replies to send."""

    srv: str
    outcome: str
    replies: tuple[Reply, ...] = ()
    reason: str = ""
    """Why the meter could not reply to a command that it took; else empty."""

    @property
    def reply(self) -> bytes | None:
        """The octets of the first reply, or None."""
        return self.replies[0].octets if self.replies else None


class Fleet:
    """The meters `hosted`, with keys from `keystore` and everything else drawn from `seed`.

    `latency` is the time in which a meter answers one command; up to `queue` other commands wait
    meanwhile. A `strict` meter drops a command whose originator counter is not above all that it
    took from that party; other meters answer it again. `profiles` are the kinds of meters; None is
    the shipped mix. Publishes `CommandReceived` on `events`, and `serve_fleet` publishes
    `ReplySent`.
    """

    def __init__(
        self,
        hosted: Container[EUI],
        keystore: Keystore,
        seed: str,
        latency: Latency,
        *,
        wan: Wan | None = None,
        faults: Faults | None = None,
        strict: bool = False,
        queue: int = QUEUE,
        profiles: tuple[MeterProfile, ...] | None = None,
        events: Events | None = None,
    ) -> None:
        self.hosted = hosted
        self.events = events or Events()
        self.counters = Counters()
        """Commands are counted here; replies are counted by `serve_fleet`, which sends them."""
        self.wan: Wan | None
        self.latency: Latency
        self._instant: bool
        """Whether meters answer at once, so that none is ever busy."""
        self.set_network(latency, wan)
        self.busy_seconds = 0.0
        """Seconds that all meters together spent answering."""
        self._keystore = keystore
        self._seed = seed
        self._faults = faults
        self._strict = strict
        self._queue = queue
        self._profiles = profiles
        self._call_numbers = CallNumbers()
        self._own_counters: dict[int, int] = {}
        self._anti_replay = AntiReplay()
        self._states = MeterStates()

    def reset(self) -> None:
        """Count from 0 again, for fault rules and draws too. Counters in messages go on."""
        self.counters.reset()
        self._call_numbers = CallNumbers()
        self.busy_seconds = 0.0
        if self.wan is not None:
            self.wan.reset()

    def set_network(self, latency: Latency, wan: Wan | None) -> None:
        """Let meters answer further commands with `latency`, behind `wan`."""
        self.latency, self.wan = latency, wan
        self._instant = latency == NONE and wan is None

    @property
    def busy_meters(self) -> int:
        """Number of meters that are answering or awake behind a WAN, as of the last command."""
        return len(self._states)

    def receive(self, device: EUI, octets: bytes, now: float) -> Receipt:
        """Handle a command for `device` at `now`, Unix time in seconds."""
        if device not in self.hosted or not self._is_there(device):
            receipt = Receipt(UNKNOWN_SRV, NOT_HOSTED)
            self._record(device, octets, now, receipt)
            return receipt
        party = None
        accepted = accept(device, octets, self._keystore, now)
        srv, meter = accepted.srv, int(device)
        number = self._call_numbers.next(meter, srv)
        if isinstance(accepted, Discarded):
            receipt = Receipt(srv, accepted.reason)
        else:
            party = accepted.command.remote_party
            call = Call(
                *(device, srv, number, now, accepted.command, self._keystore),
                lambda: profile_of(self._seed, device, self._profiles).name,
            )
            try:
                receipt = self._take(call, meter, len(octets))
            except Exception:
                self._record(device, octets, now, Receipt(srv, Dropped.FAILED), party)
                raise
        self._record(device, octets, now, receipt, party)
        return receipt

    def _is_there(self, device: EUI) -> bool:
        """Return whether a meter is commissioned: others are like none."""
        return not isinstance(self._profiles, MeterMix) or (
            self._profiles.state(device) == COMMISSIONED
        )

    def _record(
        self, device: EUI, octets: bytes, now: float, receipt: Receipt, party: EUI | None = None
    ) -> None:
        """Count and publish a command."""
        srv, outcome = receipt.srv, receipt.outcome
        counted = None if outcome == NOT_HOSTED else device
        self.counters.count(Stage.RECEIVED, counted, srv, outcome)
        if self.events.wants(CommandReceived):
            about = now, device, srv, str(outcome), octets, receipt.replies, party
            self.events.publish(CommandReceived(*about))

    def _take(self, call: Call, meter: int, size: int) -> Receipt:
        """Handle an authentic command of `size` octets."""
        state = _ALWAYS_FREE if self._instant else self._states.at(meter, call.now)
        start = self._reach(call, size, meter, state)
        if isinstance(start, Dropped):
            return Receipt(call.srv, start)
        begun = call if start == call.now else replace(call, now=start)
        behaviour = self._faults.behaviour(begun) if self._faults else NORMAL
        if behaviour.silent:
            return Receipt(call.srv, Dropped.SILENT)
        if self._strict:
            self._anti_replay.take(meter, call.command)
        finish = start
        if not self._instant:
            drawn = draw_unit(self._seed, "latency", _subject(call).encode())
            latency = self.latency.seconds(drawn)
            self.busy_seconds += latency
            finish += latency
            state.occupy(start, finish, call.now)
        answered = self._answer(begun, meter, behaviour)
        replies = () if answered.octets is None else self._replies(begun, answered, finish, state)
        return Receipt(call.srv, answered.outcome, replies, answered.reason)

    def _reach(self, call: Call, size: int, meter: int, state: MeterState) -> float | Dropped:
        """Return when the meter begins with a command, or why it never does."""
        arrives: float | None = call.now
        link = self._link(call)
        if link is not None:
            arrives = link.command(state.radio, _subject(call), size, call.now)
        if arrives is None:
            return Dropped.LOST
        start = state.turn(arrives, self._queue)
        if start is None:
            return Dropped.QUEUE_FULL
        if self._strict and self._anti_replay.is_replayed(meter, call.command):
            return Dropped.REPLAYED
        return start

    def _replies(
        self, call: Call, answered: Answer, finish: float, state: MeterState
    ) -> tuple[Reply, ...]:
        """Return the replies of a meter that has answered at `finish`, with their arrivals."""
        octets = answered.octets or b""
        deliveries: tuple[Delivery, ...] = (Delivery(octets),)
        if self._faults:
            deliveries = self._faults.deliver(call, octets)
        link = self._link(call)
        replies = []
        for place, delivery in enumerate(deliveries):
            octets, due = delivery.octets, finish + delivery.delay
            if link is not None:
                arrives = link.reply(state.radio, _subject(call), place, len(octets), due)
                if arrives is None:
                    continue
                due = arrives
            recipient, overtaken = call.command.originator, delivery.overtaken
            replies.append(
                Reply(call.device, recipient, call.srv, answered.outcome, octets, due, overtaken)
            )
        return tuple(replies)

    def _link(self, call: Call) -> WanLink | None:
        return None if self.wan is None else self.wan.of(call.device)

    def _answer(self, call: Call, meter: int, behaviour: Behaviour) -> Answer:
        def own_counter() -> int:
            last = self._own_counters.get(meter, 0)
            number = self._own_counters[meter] = DeviceCounter(METER, last).next(call.now)
            return number

        return answer(
            self._seed,
            call.command,
            self._keystore,
            call.now,
            own_counter,
            behaviour,
            self._profiles,
        )


def _subject(call: Call) -> str:
    """Return the subject of a call's draws."""
    return f"{call.device} {call.srv} {call.number}"


_ALWAYS_FREE = MeterState()
"""Stands for the state of meters that take no time; nothing is ever kept in it."""


MODEL = 1
"""Version of the readings. Raise it with every change of a reading for the same seed and profiles;
the test of this module fails until then."""

_NOT_READINGS = {"title", "sources", "wan"}
"""Fields of profiles that do not change readings."""


def identity_of(
    seed: str,
    profiles: tuple[MeterProfile, ...] | None = None,
    rules: Iterable[FaultRule] = (),
) -> str:
    """Return the identity of the readings of a fleet, as 16 hexadecimal digits.

    `profiles` count by content and order; None is the shipped mix. Of `rules` only those count
    whose faults change logs: a silent or late meter still has the same readings.
    """
    altering = tuple(rule for rule in rules if rule.fault.stage.changes_logs)
    decides: tuple[object, ...] = (
        MODEL,
        seed,
        _content(profiles or meter_profiles()),
        _content(altering),
    )
    if isinstance(profiles, MeterMix) and profiles.digest:
        decides += (profiles.digest,)
    return sha256(repr(decides).encode()).hexdigest()[:DIGITS]


def _content(value: object) -> object:
    """Return `value` as tuples and plain values, whose text is the same in every run."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value) if each.name not in _NOT_READINGS]
        if getattr(value, "chance", None) == 1:
            names.remove("chance")  # the default, with the readings of before there was this key
        return type(value).__name__, *((name, _content(getattr(value, name))) for name in names)
    if isinstance(value, tuple):
        return tuple(map(_content, value))
    return value
