"""The engine: rules put to work on each call of a fleet.

Knows in which order rules come and keeps their means, their counts and the log; what a fault does
is its own. Without rules it is false, so that who asks `if faults:` pays nothing.
"""

from collections.abc import Iterable

from esme_emulator.device.behaviour import GOOD_ORDER, Conduct
from esme_emulator.faults.base import Call, Delivery, Detail
from esme_emulator.faults.context import Means
from esme_emulator.faults.errors import FaultError
from esme_emulator.faults.log import FaultFired, FaultLog
from esme_emulator.faults.rule import FaultRule
from esme_emulator.faults.selector import matcher
from esme_emulator.runtime.events import Events

LOG_SIZE = 10_000
MEMORY_SIZE = 100_000
"""Meters, or meters and SRVs, that a rule remembers."""


class _Armed:
    """A rule at work: its means, and how often it has fired."""

    __slots__ = ("fault", "fired", "matches", "means", "rule")

    def __init__(self, rule: FaultRule, seed: str, memory_size: int) -> None:
        self.rule = rule
        self.fault = rule.fault
        self.means = Means(seed, rule.name, memory_size)
        self.matches = matcher(rule.where, self.means)
        self.fired = 0


class Faults:
    """The faults of a fleet: what `rules` make of each call, drawn from `seed`.

    Rules have their turn by the stage of their fault, and in one stage in the order in which they
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
        """Arm `rules`. Raises `FaultError` where two have one name, `ValueError` for bad sizes."""
        if memory_size < 1:
            raise ValueError(f"{memory_size}: a memory has at least 1 entry")
        self._seed = seed
        self._memory_size = memory_size
        self._events = events or Events()
        self._armed: dict[str, _Armed] = {}
        self._conducting: list[_Armed] = []
        self._delivering: list[_Armed] = []
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
        """Put a rule to work. Raises `FaultError` where another has its name."""
        if rule.name in self._armed:
            raise FaultError("another rule has this name", "name", f"fault {rule.name!r}")
        self._armed[rule.name] = _Armed(rule, self._seed, self._memory_size)
        self._arrange()

    def remove(self, name: str) -> FaultRule:
        """Take a rule out, with all that it remembers. Raises `KeyError` where there is none."""
        rule = self._armed.pop(name).rule
        self._arrange()
        return rule

    def clear(self) -> None:
        """Take all rules out; the log stays."""
        self._armed.clear()
        self._arrange()

    def conduct(self, call: Call) -> Conduct:
        """Return how the meter is to answer."""
        conduct = GOOD_ORDER
        for armed in self._conducting:
            if armed.matches(call):
                imposed = armed.fault.conduct(call, conduct, armed.means)
                if imposed is not None:
                    conduct, detail = imposed
                    self._record(armed, call, detail)
                    if conduct.silent or conduct.refusal is not None:
                        break
        return conduct

    def deliver(self, call: Call, octets: bytes) -> tuple[Delivery, ...]:
        """Return what becomes of the reply `octets` of a meter that was not silent."""
        deliveries: tuple[Delivery, ...] = (Delivery(octets),)
        for armed in self._delivering:
            if armed.matches(call):
                altered = armed.fault.deliver(call, deliveries, armed.means)
                if altered is not None:
                    deliveries, detail = altered
                    self._record(armed, call, detail)
                    if not deliveries:
                        break
        return deliveries

    def _arrange(self) -> None:
        ordered = sorted(self._armed.values(), key=lambda armed: armed.fault.stage)
        self._conducting = [armed for armed in ordered if armed.fault.stage.changes_conduct]
        self._delivering = [armed for armed in ordered if not armed.fault.stage.changes_conduct]

    def _record(self, armed: _Armed, call: Call, detail: Detail) -> None:
        armed.fired += 1
        rule = armed.rule
        fired = FaultFired(
            call.now, rule.name, rule.kind, call.device, call.srv, call.number, detail
        )
        self.log.append(fired)
        self._events.publish(fired)
