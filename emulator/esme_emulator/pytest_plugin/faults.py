"""Faults of a test: rules that are in force while a `with` block runs.

Knows fault rules and the engine that applies them. docs/faults.md describes each kind of fault.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from esme_emulator.faults.base import Fault, FaultError
from esme_emulator.faults.engine import FaultFired, Faults
from esme_emulator.faults.kind import FAULTS
from esme_emulator.faults.lint import Meters, lint
from esme_emulator.faults.loading import rule_from
from esme_emulator.pytest_plugin.journal import Journal
from esme_emulator.runtime.clock import Clock
from esme_emulator.runtime.config import closest, written
from esme_emulator.runtime.events import Events
from gbcs import EUI

if TYPE_CHECKING:
    from esme_emulator.pytest_plugin.system import EsmeMeter

# Keys of a rule that cannot be keywords (`from`), or that read better in Python.
_RULE_KEYS = {"srv": "srvs", "start": "from", "end": "to"}


class SelectorKeys(TypedDict, total=False):
    """Which commands a rule affects. All keys given must match."""

    meters: "EsmeMeter | EUI | str | Iterable[EsmeMeter | EUI | str]"
    """Meters, EUIs, or EUI patterns with `?` and `*`."""
    profile: str | Iterable[str]
    """Names of meter profiles."""
    srv: str | Iterable[str]
    calls: int | str
    """Which commands of an SRV to a meter, counted from 1: 2, "1-3", "5-", "every 3"."""
    fraction: float
    """Share of those meters, drawn by seed and rule name."""
    probability: float
    """Probability of each command, drawn likewise."""
    start: str
    """First time at which the rule applies, in ISO 8601."""
    end: str
    """Time from which the rule no longer applies, in ISO 8601."""
    name: str
    """Name of the rule, on which draws depend. Default: the kind and a number."""


class ArmedFault:
    """A fault rule that is in force while its `with` block runs; records what it changed."""

    def __init__(self, faults: "EsmeFaults", table: Mapping[str, Any]) -> None:
        self._faults = faults
        self._table = table
        self.name = ""
        """Name of the rule; empty until the `with` block is entered."""
        self.entered = False
        """Whether its `with` block was entered."""
        self.fired: list[FaultFired] = []
        """Each time that it changed something."""

    @property
    def kind(self) -> str:
        """Kind of fault, as in docs/faults.md."""
        return str(self._table["kind"])

    def __enter__(self) -> Self:
        """Put the rule in force. Raises `FaultError` if it is invalid or can match no command."""
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
        """Remove the rule and the state it kept."""
        self._faults.disarm(self.name)

    def __repr__(self) -> str:
        return f"<fault {self.name or self.kind}, fired {len(self.fired)} times>"


class EsmeFaults:
    """Makes the meters of a test misbehave; several rules may be in force at once.

    Write `with esme_faults(LateReply(seconds=90), srv="4.8.1"):` with a class of
    `esme_emulator.faults.kind`. A type checker knows its parameters.

    `meters` returns the meters that exist when a rule is put in force.
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
        self._made: list[ArmedFault] = []
        self._armed: dict[str, ArmedFault] = {}
        events.subscribe(FaultFired, self._on_fired)
        self.engine = Faults(seed, events=events)
        """Engine that the fleet asks about each command."""

    def __call__(self, fault: Fault, **where: Unpack[SelectorKeys]) -> ArmedFault:
        """Return a rule that applies `fault` to the commands that `where` selects.

        Raises `TypeError` if `fault` is not a fault, or has a parameter of the wrong type.
        """
        if not isinstance(fault, Fault):
            raise TypeError(f"{fault!r} is not a fault. Give an instance, such as NoReply().")
        try:
            parameters = written(fault)
        except (AttributeError, KeyError, TypeError, ValueError):
            # A dataclass does not check its fields, so written may fail on a wrong type in
            # any way. Values of the right type are checked when the rule is entered.
            raise TypeError(f"{fault!r} has a parameter of the wrong type") from None
        return self.rule(fault.kind, **parameters, **where)

    def __getattr__(self, name: str) -> Callable[..., ArmedFault]:
        """Return a function that makes rules of one kind: `esme_faults.no_reply(srv="4.8.1")`.

        It takes parameters and selector keys alike, checked when the rule is entered.
        """
        kind = name.replace("_", "-")
        if kind not in FAULTS:
            raise AttributeError(f"no fault is called {name}; {closest(kind, FAULTS)}")
        return partial(self.rule, kind)

    def rule(self, kind: str, **keys: Any) -> ArmedFault:
        """Return a rule of the kind with this name, to be entered with `with`.

        `keys` are those of docs/faults.md, except that `srv` stands for `srvs`, `start` for `from`
        and `end` for `to`.
        """
        table = {
            _RULE_KEYS.get(key, key): _as_toml(value)
            for key, value in keys.items()
            if value is not None
        }
        armed = ArmedFault(self, {"kind": kind, **table})
        self._made.append(armed)
        return armed

    def arm(self, armed: ArmedFault, table: Mapping[str, Any]) -> str:
        """Put the rule of `table` in force and return its name. Raises `FaultError`."""
        rule = rule_from(table, self._armed)
        now = self._clock.now()
        # A rule that can match no command would let a test pass because of a typing mistake.
        for reason in lint([rule], self._meters(), now=now, seed=self._seed):
            raise FaultError(reason)
        self.engine.add(rule)
        self._armed[rule.name] = armed
        return rule.name

    def disarm(self, name: str) -> None:
        """Remove a rule, unless it was removed at the end of its test."""
        if self._armed.pop(name, None) is not None:
            self.engine.remove(name)

    def end_test(self) -> tuple[str, ...]:
        """Remove all rules; return the kinds of those that were made without a `with` block."""
        for name in tuple(self._armed):
            self.disarm(name)
        made, self._made = self._made, []
        return tuple(armed.kind for armed in made if not armed.entered)

    @property
    def fired(self) -> tuple[FaultFired, ...]:
        """Each time that a fault changed something in this test, oldest first."""
        return tuple(event for event in self._journal.events if isinstance(event, FaultFired))

    def _on_fired(self, fired: FaultFired) -> None:
        self._journal.add(fired)
        self._armed[fired.rule].fired.append(fired)


def _as_toml(value: object) -> object:
    """Return `value` as a rule's table holds it: meters and EUIs as strings, several as a list."""
    if isinstance(value, str | int | float) and not isinstance(value, Enum):
        return value
    if isinstance(value, EUI | Enum) or not isinstance(value, Iterable):
        return str(value)
    return [str(one) for one in value]
