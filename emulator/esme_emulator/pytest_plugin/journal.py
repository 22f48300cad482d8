"""The journal of a test: what meters received, what the cache decided, which faults fired.

Pure; it reads commands only when somebody wants to see the lines, which is when a test fails.
"""

from collections import deque
from collections.abc import Callable, Container
from dataclasses import replace
from itertools import accumulate, islice
from typing import TypeAlias

from esme_emulator.cache.policy.ledger import Decided, Decision
from esme_emulator.estate.parties import (
    DISTRIBUTOR,
    EXPORT_SUPPLIER,
    NEW_SUPPLIER,
    OTHER_USER,
    SUPPLIER,
)
from esme_emulator.faults.log import FaultFired
from esme_emulator.fleet.fleet import CommandReceived
from esme_emulator.runtime.clock import iso
from gbcs import EUI, Command, GbcsError, decode
from gbcs.instants import DAY, to_iso
from gbcs.usecases.profile_read import Window, profile_read_of

NAMES = {
    "supplier": SUPPLIER,
    "export_supplier": EXPORT_SUPPLIER,
    "distributor": DISTRIBUTOR,
    "other_user": OTHER_USER,
    "new_supplier": NEW_SUPPLIER,
}
"""What the emulated parties are called in tests."""

_BY_EUI = {eui: name for name, eui in NAMES.items()}

KEPT = 100_000
"""Events that a journal keeps; the oldest go first."""

SHOWN = 200
"""Lines that are shown below a failure; the newest."""

_DID = {
    Decision.HIT: "answered it",
    Decision.COLLAPSED: "answered it with another's reply",
    Decision.FORWARDED: "forwarded it",
    Decision.REFUSED: "refused it",
    Decision.FAILED: "gave it up",
}

IN_MESSAGE = 5
"""Lines that are in its message, which pytest cuts off after 8."""


Event: TypeAlias = CommandReceived | Decided | FaultFired


class Journal:
    """What happened, in order."""

    def __init__(self) -> None:
        self.events: deque[Event] = deque(maxlen=KEPT)

    def add(self, event: Event) -> None:
        """Keep an event; the newest `KEPT` are."""
        if isinstance(event, CommandReceived):
            event = replace(event, replies=())  # never shown, and most of the memory
        self.events.append(event)

    def fate(self, command: Command, octets: bytes) -> str:
        """Return what cache and meter made of a command, last; empty where neither had it."""
        said = {}
        for event in self.events:
            match event:
                case Decided(device=device, counter=counter) if (device, counter) == (
                    command.device,
                    command.originator_counter,
                ) and event.party == command.remote_party:
                    reason = f" ({event.reason})" if event.reason else ""
                    said["cache"] = f"the cache {_DID[event.decision]}{reason}"
                case CommandReceived(device=command.device, octets=received) if received == octets:
                    said["meter"] = f"the meter received it ({event.outcome})"
        return ", ".join(said.values())

    def lines(
        self, devices: Container[EUI] | None = None, srv: str | None = None, shown: int = SHOWN
    ) -> list[str]:
        """Return a line for each event of these devices and this SRV; None fits all.

        Hits are numbered. Of more than `shown` events the last ones are shown.
        """
        fitting = [
            event
            for event in self.events
            if (devices is None or event.device in devices) and srv in (None, event.srv)
        ]
        is_hit = [int(isinstance(event, CommandReceived)) for event in fitting]
        lines = [
            _line(event, number)
            for event, number in islice(
                zip(fitting, accumulate(is_hit), strict=True), max(0, len(fitting) - shown), None
            )
        ]
        left = len(fitting) - len(lines)
        return [f"… {left} earlier", *lines] if left else lines


class Hits(int):
    """A number of device hits that can say, where a test fails, which these were."""

    subject: str
    _lines: Callable[[int], list[str]]

    def __new__(cls, number: int, subject: str, lines: Callable[[int], list[str]]) -> "Hits":
        """Return `number`, the hits of `subject`; `lines` gives the last so many of their lines."""
        hits = super().__new__(cls, number)
        hits.subject = subject
        hits._lines = lines
        return hits

    def __repr__(self) -> str:
        return f"{int(self)} device hit{'' if self == 1 else 's'}"

    def explain(self) -> list[str]:
        """Return lines that say of what these are, and what happened there."""
        return [f"{self.subject}:", *[f"  {line}" for line in self._lines(IN_MESSAGE) or ("none",)]]


def party_name(party: EUI | None) -> str:
    """Return what a party is called in tests, or its EUI."""
    return "nobody" if party is None else _BY_EUI.get(party, str(party))


def _line(event: Event, number: int) -> str:
    match event:
        case CommandReceived(outcome=outcome, octets=octets):
            did = f"hit {number}, {outcome}"
            party, window = _asked(octets)
        case Decided(decision=decision, reason=reason):
            verb = "from the cache" if decision is Decision.HIT else str(decision)
            did = f"{verb}, {reason}" if reason else verb
            party, window = event.party, event.window
        case FaultFired(rule=rule):
            did, party, window = f"fault {rule}", None, None
    words = [iso(event.time), f"{did:<16}", f"{event.srv:<5}", str(event.device)]
    if party is not None:
        words.append(party_name(party))
    if window is not None:
        words.append(_short(window))
    return " ".join(words)


def _asked(octets: bytes) -> tuple[EUI | None, Window | None]:
    """Return who asks in a command, and for which window."""
    try:
        message = decode(octets)
    except GbcsError:
        return None, None
    read = profile_read_of(message)
    return message.remote_party, read.window if read else None


def _short(window: Window) -> str:
    """Return a window in few characters: days where it is from midnight to midnight."""
    if window.start % DAY == window.end % DAY == 0:
        return f"{to_iso(window.start)[:10]}/{to_iso(window.end)[5:10]}"
    return f"{to_iso(window.start)[:16]}/{to_iso(window.end)[:16]}"
