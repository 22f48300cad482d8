"""Faults of a test: rules that are in force as long as a context lasts.

Knows rules and the engine; what each kind is called and takes is in `fault_kinds.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import TracebackType
from typing import Any, Self

from esme_emulator.faults.base import FaultError
from esme_emulator.faults.engine import Faults
from esme_emulator.faults.lint import Meters, lint
from esme_emulator.faults.loading import rule_from
from esme_emulator.faults.log import FaultFired
from esme_emulator.pytest_plugin.fault_kinds import FaultKinds
from esme_emulator.pytest_plugin.journal import Journal
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.events import Events
from gbcs import EUI

_KEYS = {"srv": "srvs", "start": "from", "end": "to"}
"""Keys of rules that have another name in Python."""


class Armed:
    """A rule: in force as long as its context lasts, and what it did."""

    def __init__(self, faults: "EsmeFaults", table: Mapping[str, Any]) -> None:
        self._faults = faults
        self._table = table
        self.name = ""
        """Given by the rule, or made of its kind and a number; draws depend on it."""
        self.entered = False
        """Whether it was to be in force at all."""
        self.fired: list[FaultFired] = []
        """Each time that it changed something."""

    @property
    def kind(self) -> str:
        """What it does, in the words of docs/faults.md."""
        return str(self._table["kind"])

    def __enter__(self) -> Self:
        """Put it in force. Raises `FaultError` where it cannot be, or can match no call."""
        __tracebackhide__ = True
        self.entered = True
        try:
            self.name = self._faults.arm(self, self._table)
        except FaultError as error:
            raise error.with_traceback(None) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take it out of force, with all that it remembers."""
        self._faults.disarm(self.name)

    def __repr__(self) -> str:
        return f"<fault {self.name or self.kind}, fired {len(self.fired)} times>"


class EsmeFaults(FaultKinds):
    """Makes the meters of a test misbehave; several rules may be in force at once.

    `meters` are those there are, by the time that a rule is put in force.
    """

    def __init__(
        self,
        seed: str,
        meters: Callable[[], Meters],
        clock: Clock,
        journal: Journal,
        events: Events,
    ) -> None:
        self._seed = seed
        self._meters = meters
        self._clock = clock
        self._journal = journal
        self._made: list[Armed] = []
        self._armed: dict[str, Armed] = {}
        events.subscribe(FaultFired, self._note)
        self.engine = Faults(seed, events=events)
        """What the fleet asks."""

    def rule(self, kind: str, **keys: Any) -> Armed:
        """Return a rule of any kind, to be entered with `with`.

        `keys` are those of docs/faults.md, save that the SRVs are `srv`, and the times between
        which it holds are `start` and `end`.
        """
        table = {
            _KEYS.get(key, key): _plain(value) for key, value in keys.items() if value is not None
        }
        armed = Armed(self, {"kind": kind, **table})
        self._made.append(armed)
        return armed

    def arm(self, armed: Armed, table: Mapping[str, Any]) -> str:
        """Put the rule of `table` in force, and return its name. Raises `FaultError`."""
        rule = rule_from(table, self._armed)
        now = self._clock.now()
        for reason in lint([rule], self._meters(), now=now, seed=self._seed):
            raise FaultError(reason)
        self.engine.add(rule)
        self._armed[rule.name] = armed
        return rule.name

    def disarm(self, name: str) -> None:
        """Take a rule out of force."""
        self.engine.remove(name)
        del self._armed[name]

    @property
    def never_entered(self) -> tuple[str, ...]:
        """The kinds of rules that were made and never put in force, as when a `with` is missing."""
        return tuple(armed.kind for armed in self._made if not armed.entered)

    @property
    def fired(self) -> tuple[FaultFired, ...]:
        """Every fault that changed something in this test, in order, removed rules' too."""
        return tuple(event for event in self._journal.events if isinstance(event, FaultFired))

    def _note(self, fired: FaultFired) -> None:
        self._journal.add(fired)
        self._armed[fired.rule].fired.append(fired)


def _plain(value: object) -> object:
    """Return what a table holds for `value`: meters and EUIs as texts, several of them as list."""
    if isinstance(value, str | int | float) and not isinstance(value, Enum):
        return value
    if isinstance(value, EUI | Enum) or not isinstance(value, Iterable):
        return str(value)
    return [str(one) for one in value]
