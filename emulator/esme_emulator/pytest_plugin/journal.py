"""The journal of a test: commands received by meters, decisions of the cache, faults fired.

Pure. It decodes commands only to show them, which happens when a test fails.
"""

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping
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
    Party,
)
from esme_emulator.faults.engine import FaultFired
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
"""EUIs of the emulated parties by their names in tests."""

MAX_EVENTS = 100_000
"""Events that a journal keeps; older ones are dropped."""

LINES_BELOW_FAILURE = 200
"""Lines shown below a failed test; the latest ones."""

LINES_IN_MESSAGE = 5
"""Lines shown in an assertion message; pytest truncates it after 8."""

_CACHE_VERBS = {
    Decision.HIT: "answered it",
    Decision.COLLAPSED: "answered it with another's reply",
    Decision.FORWARDED: "forwarded it",
    Decision.REFUSED: "refused it",
    Decision.FAILED: "gave it up",
}


Event: TypeAlias = CommandReceived | Decided | FaultFired


class Journal:
    """Events of a test, oldest first."""

    def __init__(self, now: Callable[[], float], parties: Iterable[Party]) -> None:
        """Prepare; `now` returns the time of the clock of the test.

        `parties` have their names, except for those with a name of their own in tests.
        """
        self._now = now
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._names = {party.eui: party.name for party in parties}
        self._names |= {eui: name for name, eui in NAMES.items()}

    def add(self, event: Event) -> None:
        """Append an event; drop the oldest one if there are `MAX_EVENTS`."""
        if isinstance(event, CommandReceived):
            # Octets of replies are never shown, and most of the memory.
            bare = tuple(replace(reply, octets=b"") for reply in event.replies)
            event = replace(event, replies=bare)
        self.events.append(event)

    def outcome(self, command: Command, octets: bytes) -> str:
        """Return how cache and meter last handled a command; empty if it reached neither."""
        handled = {}
        for event in self.events:
            match event:
                case Decided(device=device, counter=counter) if (device, counter) == (
                    command.device,
                    command.originator_counter,
                ) and event.party == command.remote_party:
                    reason = f" ({event.reason})" if event.reason else ""
                    handled["cache"] = f"the cache {_CACHE_VERBS[event.decision]}{reason}"
                case CommandReceived(device=command.device, octets=received) if received == octets:
                    what = event.outcome + self._waiting(event)
                    handled["meter"] = f"the meter received it ({what})"
        return ", ".join(handled.values())

    def lines(
        self,
        devices: Container[EUI] | None = None,
        srv: str | None = None,
        shown: int = LINES_BELOW_FAILURE,
    ) -> list[str]:
        """Return a line for each of the last `shown` events of these devices and this SRV.

        None stands for all devices or all SRVs. Hits are numbered.
        """
        selected = [
            event
            for event in self.events
            if (devices is None or event.device in devices) and srv in (None, event.srv)
        ]
        is_hit = [int(isinstance(event, CommandReceived)) for event in selected]
        lines = [
            _line(event, number, self._names) + self._waiting(event)
            for event, number in islice(
                zip(selected, accumulate(is_hit), strict=True), max(0, len(selected) - shown), None
            )
        ]
        left = len(selected) - len(lines)
        return [f"… {left} earlier", *lines] if left else lines

    def _waiting(self, event: Event) -> str:
        """Return when a reply is due that was not sent yet, and the time; else nothing."""
        if not isinstance(event, CommandReceived):
            return ""
        now = self._now()
        due = min((reply.due for reply in event.replies if reply.due > now), default=None)
        if due is None:
            return ""
        shown = (iso(due), iso(now))
        if shown[0][:10] == shown[1][:10]:
            shown = (shown[0][11:-1], shown[1][11:-1])
        return ", reply due at {}; the clock stands at {}".format(*shown)


class Hits(int):
    """A number of device hits that lists these hits if an assertion about it fails."""

    subject: str
    _lines: Callable[[int], list[str]]

    def __new__(cls, number: int, subject: str, lines: Callable[[int], list[str]]) -> "Hits":
        """Return `number` hits of `subject`; `lines(n)` returns lines of the last n events."""
        hits = super().__new__(cls, number)
        hits.subject = subject
        hits._lines = lines
        return hits

    def __repr__(self) -> str:
        return f"{int(self)} device hit{'' if self == 1 else 's'}"

    def explain(self) -> list[str]:
        """Return lines that name the subject and list its latest events."""
        lines = self._lines(LINES_IN_MESSAGE) or ["none"]
        return [f"{self.subject}:", *[f"  {line}" for line in lines]]


def _line(event: Event, number: int, names: Mapping[EUI, str]) -> str:
    match event:
        case CommandReceived(outcome=outcome, octets=octets):
            what = f"hit {number}, {outcome}"
            party, window = _request(octets)
        case Decided(decision=decision, reason=reason):
            verb = "from the cache" if decision is Decision.HIT else str(decision)
            what = f"{verb}, {reason}" if reason else verb
            party, window = event.party, event.window
        case FaultFired(rule=rule):
            what, party, window = f"fault {rule}", None, None
    words = [iso(event.time), f"{what:<16}", f"{event.srv:<5}", str(event.device)]
    if party is not None:
        words.append(names.get(party, str(party)))
    if window is not None:
        words.append(_short(window))
    return " ".join(words)


def _request(octets: bytes) -> tuple[EUI | None, Window | None]:
    """Return the requester and the window of a command; None for what it does not have."""
    try:
        message = decode(octets)
    except GbcsError:
        return None, None
    read = profile_read_of(message)
    return message.remote_party, read.window if read else None


def _short(window: Window) -> str:
    """Return a window in few characters: as days if it goes from midnight to midnight."""
    if window.start % DAY == window.end % DAY == 0:
        return f"{to_iso(window.start)[:10]}/{to_iso(window.end)[5:10]}"
    return f"{to_iso(window.start)[:16]}/{to_iso(window.end)[:16]}"
