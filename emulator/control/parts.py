"""What the control interface and the live view look at: the parts that run in this process.

Knows the parts by what they count and tell; knows no HTTP and no terminal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from emulator.cache.ledger import Decision, Ledger
from emulator.clock import Clock
from emulator.counters import Counters
from emulator.device.physics import Nature
from emulator.errors import UserError
from emulator.faults.engine import Faults
from gbcs import EUI
from profiles import MeterProfile


class ControlError(UserError):
    """A control interface that cannot be had; the text is one line for the user."""


class AbsentError(Exception):
    """A part that does not run in this process; the text says which."""


@dataclass(frozen=True, slots=True)
class ControlledFleet:
    """The meters of this process, drawn from `seed`."""

    seed: str
    meters: Sequence[EUI]
    counters: Counters
    nature_of: Callable[[EUI], Nature]
    profiles: Sequence[MeterProfile]
    """Kinds that meters are drawn from, by their shares."""
    faults: Faults


@dataclass(frozen=True, slots=True)
class Controlled:
    """What runs in this process; `fleet` or `ledger`, that of the cache, is None where it does not.

    `broker` is shown, so it is to be without a password.
    """

    clock: Clock
    broker: str
    is_connected: Callable[[], bool]
    fleet: ControlledFleet | None = None
    ledger: Ledger | None = None


def fleet_of(parts: Controlled) -> ControlledFleet:
    """Return the fleet. Raises `AbsentError`."""
    if parts.fleet is None:
        raise AbsentError("no meters run in this process")
    return parts.fleet


def ledger_of(parts: Controlled) -> Ledger:
    """Return the ledger of the cache. Raises `AbsentError`."""
    if parts.ledger is None:
        raise AbsentError("no cache runs in this process")
    return parts.ledger


def avoided_ratio(ledger: Ledger) -> float | None:
    """Return which part of the requests taken meters were spared; None where none was taken.

    Below 0 where the cache sent more than it was asked, such as retries.
    """
    taken = sum(map(ledger.total, (Decision.HIT, Decision.COLLAPSED, Decision.FORWARDED)))
    return 1 - ledger.sent() / taken if taken else None


def fired_lately(faults: Faults, number: int) -> tuple[int, list[str]]:
    """Return how many faults fired since the start, and the newest of them, newest first."""
    log = faults.log
    newest = islice(log, max(len(log) - number, 0), None)
    return len(log) + log.dropped, [str(fired) for fired in newest][::-1]
