"""What becomes of a meter's response: passed on, kept and shared, or compared.

Pure. Knows which readings may be kept: those of a success, of a window that was over when the meter
was asked, and of a device that was not flushed since.
"""

from emulator.cache import status
from emulator.cache.accounts import Accounts
from emulator.cache.effects import Effect
from emulator.cache.entry import Entry, Key
from emulator.cache.flights import Flights
from emulator.cache.minting import FLUSHED, Minter
from emulator.cache.reads import Read, readings_of
from emulator.cache.requests import Flight, Kind, Landed, Leg, Request
from emulator.cache.settings import CacheSettings
from emulator.cache.transactions import Past, Stage
from gbcs import GbcsError, Keystore, Message
from gbcs.instants import EPOCH_UNIX

UNREADABLE = "reply-unreadable"


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
            said = status.forwarded(flight.why, detail=UNREADABLE)
            ended = self._flights.end(flight, UNREADABLE, now)
            return [*ended, *self._flights.relay(request, message, octets, said, now)]
        detail = self._why_not_kept(flight, past, readings, now)
        return self._flights.land(flight, Landed(readings, now, detail, message, octets), now)

    def _why_not_kept(self, flight: Flight, past: Past, readings: bytes | int, now: float) -> str:
        if isinstance(readings, int):
            return "failure-not-kept"
        if not flight.keeps or self._was_flushed(flight.key, past, now):
            return FLUSHED
        if not self._settings.literal and _was_open(flight.key, past, now):
            return "open-window"
        return ""

    def late(self, past: Past, message: Message, now: float) -> list[Effect]:
        """Keep what came late, where it may be kept; nobody waits for it any more."""
        leg = past.given_up
        past.stage, past.given_up = Stage.ANSWERED, None
        self._accounts.note("late-reply")
        if leg is None or leg.kind is not Kind.FLIGHT or past.reused:
            return []
        key, read = leg.request.key, leg.request.read
        if key is None or read is None or _was_open(key, past, now):
            return []
        if self._was_flushed(key, past, now):
            return []
        try:
            readings = self._readings(leg.request, read, message)
        except GbcsError:
            return self._accounts.note(UNREADABLE)
        return self._flights.put(key, Entry(readings, now)) if isinstance(readings, bytes) else []

    def _was_flushed(self, key: Key, past: Past, now: float) -> bool:
        """Return whether a device was flushed, or changed hands, since it was asked."""
        asked, changed = past.first_sent or 0.0, self._accounts.registry.changed(key.device, now)
        return not past.keeps or asked < changed

    def _readings(self, request: Request, read: Read, message: Message) -> bytes | int:
        return readings_of(message, request.command, read, self._keystore)


def _was_open(key: Key, past: Past, now: float) -> bool:
    """Return whether a window may not have been over when the meter answered.

    It may have answered the first of commands that are alike, and before a clock was set back.
    """
    return past.first_sent is None or key.end > min(past.first_sent, now) - EPOCH_UNIX
