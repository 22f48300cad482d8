"""What becomes of a meter's response: passed on, kept and shared, or compared.

Pure. Knows which readings may be kept: those of a success, of a window that was over, for the cache
when it asked and for the meter when it answered, and of a device that was not flushed since. Knows
when two replies to one command contradict each other.
"""

from hashlib import sha256

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy import status
from esme_emulator.cache.policy.accounts import Accounts
from esme_emulator.cache.policy.effects import Effect
from esme_emulator.cache.policy.flights import Flights
from esme_emulator.cache.policy.reads import (
    Read,
    certificate_of,
    entries_of,
    reaches_end,
    readings_of,
)
from esme_emulator.cache.policy.replies import FLUSHED, Minter
from esme_emulator.cache.policy.requests import Flight, Kind, Landed, Leg, Request
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.policy.transactions import Brought, Past, Stage
from gbcs import GbcsError, Keystore, Message
from gbcs.instants import EPOCH_UNIX

UNREADABLE = "reply-unreadable"
INCOMPLETE = "incomplete-window"


class Landing:
    """Takes the responses that were waited for."""

    def __init__(
        self,
        keystore: Keystore,
        settings: CacheSettings,
        accounts: Accounts,
        flights: Flights,
        minter: Minter,
    ) -> None:
        self._keystore = keystore
        self._settings = settings
        self._accounts = accounts
        self._flights = flights
        self._minter = minter

    def take(
        self, past: Past, leg: Leg, message: Message, octets: bytes, now: float
    ) -> list[Effect]:
        """Return what to do with the response to a command that is under way."""
        request, flight = leg.request, leg.flight
        if leg.kind is Kind.SHADOW:
            return self._minter.compare(leg, message)
        if flight is None:
            said = status.forwarded("bypass", detail=leg.detail)
            return self._flights.relay(request, message, octets, said, now)
        try:
            readings = self._readings(request, flight.read, message)
        except GbcsError:
            self._accounts.note(UNREADABLE)
            self._remember(past, request, flight.read, octets, final=False)
            said = status.forwarded(flight.why, detail=UNREADABLE)
            ended = self._flights.end(flight, UNREADABLE, now)
            return [*ended, *self._flights.relay(request, message, octets, said, now)]
        gap = self._gap(flight.key, flight.read, past, readings, now)
        self._remember(past, request, flight.read, readings, final=not gap)
        detail = self._why_not_kept(flight, past, readings, gap, now)
        was_open = not self._settings.literal and _was_open(flight.key, past, now)
        landed = Landed(readings, now, detail, was_open, message, octets)
        return self._flights.land(flight, landed, now)

    def _why_not_kept(
        self, flight: Flight, past: Past, readings: bytes | int, gap: str, now: float
    ) -> str:
        if isinstance(readings, int):
            return "failure-not-kept"
        if not flight.keeps or self._was_flushed(flight.key, past, now):
            return FLUSHED
        return "" if self._settings.literal else gap

    def _gap(self, key: Key, read: Read, past: Past, readings: bytes | int, now: float) -> str:
        """Return why readings may lack the end of their window; empty if they cannot.

        The window has to be over by the cache's clock and by the meter's: a log that it had not
        finished lacks its last entry, however late the cache says that it is. Such a reply is
        not wrong, only no answer to who asks later. A meter that has lost its last entry for good
        is asked each time, which is the safe side.
        """
        if _was_open(key, past, now):
            return "open-window"
        reached = reaches_end(readings, read, now) if isinstance(readings, bytes) else None
        if reached is None and _was_open(key, past, now, self._settings.clock_skew):
            return "open-window"
        return INCOMPLETE if reached is False else ""

    def late(self, past: Past, message: Message, octets: bytes, now: float) -> list[Effect]:
        """Keep what came late, where it may be kept; nobody waits for it any more."""
        leg = past.given_up
        past.stage, past.given_up = Stage.ANSWERED, None
        self._accounts.note("late-reply")
        if leg is None or leg.kind is not Kind.FLIGHT or past.reused:
            return []
        key, read = leg.request.key, leg.request.read
        if key is None or read is None:
            return []
        try:
            readings = self._readings(leg.request, read, message)
        except GbcsError:
            self._remember(past, leg.request, read, octets, final=False)
            return self._accounts.note(UNREADABLE)
        gap = self._gap(key, read, past, readings, now)
        self._remember(past, leg.request, read, readings, final=not gap)
        if gap == INCOMPLETE:
            self._accounts.note(gap)
        if gap or isinstance(readings, int) or self._was_flushed(key, past, now):
            return []
        return self._flights.put(key, Entry(readings, now))

    def contradicts(self, past: Past, message: Message, octets: bytes) -> bool:
        """Return whether a valid reply says something else than the first one to its command.

        A meter answers a command once, and says the same if it is sent again after its window was
        over. So one of the two is not the meter's: whoever has the requester's key, which makes the
        same MAC, may have answered in its stead. What a meter refuses it may refuse once more for
        another reason. The own counter of the device is not compared.
        """
        brought = past.brought
        if brought is None:
            return False
        once = past.sends == 1 and not self._settings.shared
        if not once and not brought.final:
            return False
        try:
            said = readings_of(message, brought.certificate, brought.read, self._keystore)
        except GbcsError:
            return _digest(octets) != brought.digest
        if once or isinstance(said, int):
            return once and _digest(said) != brought.digest
        return _digest(entries_of(said)) != brought.entries

    def _remember(
        self, past: Past, request: Request, read: Read, said: bytes | int, *, final: bool
    ) -> None:
        """Remember what the meter replied first."""
        if past.brought is not None or past.contradicted:
            return
        final = final and isinstance(said, bytes)
        entries = entries_of(said) if final and isinstance(said, bytes) else b""
        certificate = certificate_of(request.command)
        past.brought = Brought(_digest(said), _digest(entries), final, read, certificate)

    def _was_flushed(self, key: Key, past: Past, now: float) -> bool:
        """Return whether a device was flushed, or changed hands, since it was asked."""
        asked, changed = past.first_sent or 0.0, self._accounts.registry.changed(key.device, now)
        return not past.keeps or asked < changed

    def _readings(self, request: Request, read: Read, message: Message) -> bytes | int:
        return readings_of(message, certificate_of(request.command), read, self._keystore)


def _was_open(key: Key, past: Past, now: float, skew: float = 0.0) -> bool:
    """Return whether a window may not have been over, for `skew` seconds, when the meter answered.

    It may have answered the first of commands that are alike, and before a clock was set back.
    """
    return past.first_sent is None or key.end > min(past.first_sent, now) - EPOCH_UNIX - skew


def _digest(said: bytes | int) -> bytes:
    return sha256(b"code %d" % said if isinstance(said, int) else said).digest()
