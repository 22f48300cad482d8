"""The engine applies the fault rules of a fleet to each call, and logs those that fired.

The log is ground truth for tests and users.

It orders the rules and keeps their contexts, their counts and the log. Without rules it is false,
so `if faults:` costs nothing.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from esme_emulator.device.meter import NORMAL, Behaviour
from esme_emulator.faults.base import Call, Delivery, Detail, FaultContext, FaultError
from esme_emulator.faults.selector import FaultRule, matcher
from esme_emulator.runtime.events import Events
from gbcs import EUI
from gbcs.instants import EPOCH, EPOCH_UNIX


@dataclass(frozen=True, slots=True)
class FaultFired:
    """A fault changed one call or its reply."""

    time: float
    """Unix time in seconds."""
    rule: str
    kind: str
    device: EUI
    srv: str
    number: int
    """Number of the command among those of its SRV to this meter, from 1."""
    detail: Detail

    def __str__(self) -> str:
        done = "".join(f" {name}={value}" for name, value in self.detail.items())
        call = f"{self.device} {self.srv} call {self.number}"
        return f"{iso(self.time)} {self.rule} ({self.kind}) {call}{done}"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; `time` is ISO 8601 in UTC, to the microsecond."""
        return {
            "time": iso(self.time),
            "rule": self.rule,
            "kind": self.kind,
            "device": str(self.device),
            "srv": self.srv,
            "number": self.number,
            "detail": dict(self.detail),
        }


class FaultLog:
    """The newest `size` faults that fired. Raises `ValueError` if `size` is negative."""

    def __init__(self, size: int) -> None:
        self._kept: deque[FaultFired] = deque(maxlen=size)
        self.dropped = 0
        """Number of older ones that were dropped."""

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[FaultFired]:
        return iter(self._kept)

    def append(self, fired: FaultFired) -> None:
        """Add a fault; drop the oldest if the log is full."""
        if len(self._kept) == self._kept.maxlen:
            self.dropped += 1
        self._kept.append(fired)

    def clear(self) -> None:
        """Remove all, and count dropped ones from 0 again."""
        self._kept.clear()
        self.dropped = 0

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object with the oldest fault first."""
        return {"dropped": self.dropped, "fired": [fired.to_json() for fired in self]}


def iso(time: float) -> str:
    """Return a Unix time as ISO 8601 in UTC, to the microsecond.

    >>> iso(946684800.25)
    '2000-01-01T00:00:00.250000Z'
    """
    when = EPOCH + timedelta(seconds=time - EPOCH_UNIX)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


LOG_SIZE = 10_000
MEMORY_SIZE = 100_000
"""Subjects that a rule remembers: meters, or pairs of meter and SRV."""


class _ArmedRule:
    __slots__ = ("context", "fault", "fired", "matches", "rule")

    def __init__(self, rule: FaultRule, seed: str, memory_size: int) -> None:
        self.rule = rule
        self.fault = rule.fault
        self.context = FaultContext(seed, rule.name, memory_size)
        self.matches = matcher(rule.where, self.context)
        self.fired = 0


class Faults:
    """Applies `rules` to the calls of a fleet, with draws from `seed`.

    Rules apply in the order of their fault's stage, and within a stage in the order in which they
    were added. Publishes `FaultFired` for every fault that fires.
    """

    def __init__(
        self,
        seed: str,
        rules: Iterable[FaultRule] = (),
        *,
        events: Events | None = None,
        log_size: int = LOG_SIZE,
        memory_size: int = MEMORY_SIZE,
    ) -> None:
        """Add `rules`. Raises `FaultError` for a duplicate name, `ValueError` for bad sizes."""
        if memory_size < 1:
            raise ValueError(f"memory size {memory_size}: give 1 or more")
        self._seed = seed
        self._memory_size = memory_size
        self._events = events or Events()
        self._armed: dict[str, _ArmedRule] = {}
        self._behaving: list[_ArmedRule] = []
        self._delivering: list[_ArmedRule] = []
        self.log = FaultLog(log_size)
        for rule in rules:
            self.add(rule)

    def __bool__(self) -> bool:
        return bool(self._armed)

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules, in the order in which they were added."""
        return tuple(armed.rule for armed in self._armed.values())

    @property
    def fired(self) -> dict[str, int]:
        """How often each rule has fired since it was added."""
        return {name: armed.fired for name, armed in self._armed.items()}

    def add(self, rule: FaultRule) -> None:
        """Apply a rule from now on. Raises `FaultError` if its name is taken."""
        if rule.name in self._armed:
            raise FaultError("another rule has this name", "name", f"fault {rule.name!r}")
        self._armed[rule.name] = _ArmedRule(rule, self._seed, self._memory_size)
        self._arrange()

    def remove(self, name: str) -> FaultRule:
        """Remove a rule and its memory. Raises `KeyError` if there is no such rule."""
        rule = self._armed.pop(name).rule
        self._arrange()
        return rule

    def clear(self) -> None:
        """Remove all rules; the log stays."""
        self._armed.clear()
        self._arrange()

    def behaviour(self, call: Call) -> Behaviour:
        """Return how the meter answers."""
        behaviour = NORMAL
        for armed in self._behaving:
            if armed.matches(call):
                changed = armed.fault.behave(call, behaviour, armed.context)
                if changed is not None:
                    behaviour, detail = changed
                    self._record(armed, call, detail)
                    if behaviour.silent or behaviour.refusal is not None:
                        break
        return behaviour

    def deliver(self, call: Call, octets: bytes) -> tuple[Delivery, ...]:
        """Return what becomes of the reply `octets` of a meter that was not silent."""
        deliveries: tuple[Delivery, ...] = (Delivery(octets),)
        for armed in self._delivering:
            if armed.matches(call):
                changed = armed.fault.deliver(call, deliveries, armed.context)
                if changed is not None:
                    deliveries, detail = changed
                    self._record(armed, call, detail)
                    if not deliveries:
                        break
        return deliveries

    def _arrange(self) -> None:
        ordered = sorted(self._armed.values(), key=lambda armed: armed.fault.stage)
        self._behaving = [armed for armed in ordered if armed.fault.stage.changes_behaviour]
        self._delivering = [armed for armed in ordered if not armed.fault.stage.changes_behaviour]

    def _record(self, armed: _ArmedRule, call: Call, detail: Detail) -> None:
        armed.fired += 1
        rule = armed.rule
        fired = FaultFired(
            call.now, rule.name, rule.kind, call.device, call.srv, call.number, detail
        )
        self.log.append(fired)
        self._events.publish(fired)
