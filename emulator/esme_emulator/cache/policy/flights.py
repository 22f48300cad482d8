"""Flights: requests that wait for the same readings, from the look into the store to the replies.

Pure. One flight a key and process; through the store's leases one for all processes. A flight asks
the store, and where nothing is there the meter, for the first of its requests; the others wait.
"""

import math
from itertools import count

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy import status
from esme_emulator.cache.policy.accounts import Accounts
from esme_emulator.cache.policy.dispatch import NO_REPLY, Sender
from esme_emulator.cache.policy.effects import (
    Abandon,
    Claim,
    Claimed,
    Cover,
    Effect,
    Put,
    Reply,
    Settle,
    Wait,
)
from esme_emulator.cache.policy.invalidation import Flushing
from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.cache.policy.reads import Read, cut, reaches_end
from esme_emulator.cache.policy.replies import (
    COUNTER_REUSED,
    FLUSHED,
    STORE_FAILED,
    WITHHELD_REUSED,
    Minter,
    Order,
)
from esme_emulator.cache.policy.requests import Due, Flight, Kind, Landed, Leg, Request
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.cache.policy.status import CacheStatus
from esme_emulator.cache.policy.timers import Agenda
from esme_emulator.cache.policy.transactions import Past, Transactions
from gbcs import EUI, Message
from gbcs.instants import EPOCH_UNIX


class Flights:
    """All flights of a cache."""

    def __init__(
        self,
        settings: CacheSettings,
        accounts: Accounts,
        agenda: Agenda[Due],
        transactions: Transactions,
        sender: Sender,
        minter: Minter,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._agenda = agenda
        self._transactions = transactions
        self._sender = sender
        self._minter = minter
        self._numbers = count(1)
        self._flights: dict[int, Flight] = {}
        self._by_key: dict[Key, Flight] = {}
        self._putting: dict[int, EUI] = {}
        """Of which device the store is keeping what came late; none where it was flushed since."""
        self.flushing = Flushing()
        """What the store has still to drop."""

    def join(self, request: Request, read: Read, key: Key, now: float) -> list[Effect]:
        """Have a request wait for what it reads."""
        flight = self._by_key.get(key)
        if flight is not None:
            flight.waiting.append(request)
            return []
        flight = Flight(next(self._numbers), key, read, [request])
        self._flights[flight.number] = flight
        if self._settings.collapse:
            self._by_key[key] = flight
        return self._claim(flight, now)

    def flush(self, device: EUI, now: float) -> list[Effect]:
        """Drop what is kept of a device, and keep nothing that was asked before."""
        for flight in self._flights.values():
            flight.keeps &= flight.key.device != device
        self._putting = {number: of for number, of in self._putting.items() if of != device}
        self._minter.distrust(device)
        return [self.flushing.device(device, now)]

    def set_back(self, latest: float, now: float) -> None:
        """Have dropped what was received before the clock, at `latest`, was set back to `now`."""
        for flight in self._flights.values():
            flight.keeps &= flight.landed is None
        self._putting.clear()
        self._minter.distrust(None)
        self.flushing.set_back(latest, now)

    def put(self, key: Key, entry: Entry) -> list[Effect]:
        """Keep what came late."""
        number = next(self._numbers)
        self._putting[number] = key.device
        return [Put(number, key, entry)]

    # What the store says

    def was_put(self, put: Put, now: float) -> list[Effect]:
        """Drop once more what a store has kept late where its device was flushed meanwhile."""
        if self._putting.pop(put.number, None) is not None:
            return []
        return [self.flushing.device(put.key.device, now)]

    def claimed(self, number: int, found: Entry | Claimed, now: float) -> list[Effect]:
        """Go on with what the store has for a flight."""
        flight = self._flights.get(number)
        if flight is None:
            return [Abandon(number)] if found is Claimed.LEASED else []
        if isinstance(found, Entry):
            if not flight.keeps:  # flushed while it was looked up
                flight.keeps = True
                return self._claim(flight, now)
            if self._is_fresh(found, flight.key, now):
                self._forget(flight)
                return self._serve(flight, found.buffer, found.received, "", now)
            flight.why = "stale"
            return [self._ask(flight, math.inf)]  # it is no obstacle to a lease
        if found is Claimed.HELD:
            return self._wait(flight, now)
        if found is Claimed.FAILED:
            return self._without_store(flight, now)
        flight.leased = found is Claimed.LEASED
        if self._settings.sub_window:
            return [Cover(number, flight.key, self._received_after(flight.key, now))]
        return self._lead(flight, now)

    def covered(self, number: int, found: tuple[Key, Entry] | None, now: float) -> list[Effect]:
        """Go on with the wider entry that the store has, or has not."""
        flight = self._flights.get(number)
        if flight is None:
            return []
        if found is None or not flight.keeps or not self._holds(*found, flight.read, now):
            return self._lead(flight, now)
        entry = found[1]
        readings = cut(entry.buffer, flight.read.window)
        return self._settle(flight, Landed(readings, entry.received))

    def settled(
        self, number: int, came: bool | None, readings: bytes | int | None, now: float
    ) -> list[Effect]:
        """Go on with what another cache settled.

        `came` is False where none has, and None where the store cannot be used.
        """
        flight = self._flights.get(number)
        if flight is None:
            return []
        if came is None:
            return self._without_store(flight, now)
        if not came:
            return self._claim(flight, now)
        if readings is None:
            self._accounts.note(NO_REPLY)
            return self.end(flight, NO_REPLY, now)
        self._forget(flight)
        said = status.forwarded("miss", collapsed=True, detail="elsewhere")
        return self._give(flight, Decision.COLLAPSED, readings, said, now)

    def kept(self, number: int, kept: bool | None, now: float) -> list[Effect]:
        """Answer all of a flight that was settled; `kept` is None where the store failed."""
        flight = self._flights.get(number)
        if flight is None or flight.landed is None:
            return []
        landed = flight.landed
        again: list[Effect] = []
        if kept is not False and not flight.keeps:  # a store that failed may have kept it
            again = [self.flushing.device(flight.key.device, now)]
        if landed.response is None and not flight.keeps:  # flushed while it was cut
            flight.landed, flight.ticket, flight.leased, flight.keeps = None, None, False, True
            return [*again, *self._claim(flight, now)]
        self._forget(flight)
        if landed.response is None:
            return self._serve(flight, landed.readings, landed.received, "sub-window", now)
        detail = landed.detail
        if not detail and not kept:
            detail = STORE_FAILED if kept is None else "lease-lost"
        elif not detail and not flight.keeps:
            detail = FLUSHED
            self._accounts.note(detail)
        stored, detail = not detail, detail or flight.detail
        said = status.forwarded(flight.why, stored=stored, detail=detail)
        relayed: list[Effect] = []
        if flight.leader is not None:
            relayed = self.relay(flight.leader, landed.response, landed.octets, said, now)
        said = status.forwarded(flight.why, collapsed=True, stored=stored, detail=detail)
        later: list[Request] = []
        if landed.open:  # whoever asked once the window was over asked for all of it
            later = [one for one in flight.waiting if _is_over(flight.key, one.asked)]
            flight.waiting = [one for one in flight.waiting if not _is_over(flight.key, one.asked)]
        given = self._give(flight, Decision.COLLAPSED, landed.readings, said, now)
        anew = [effect for one in later for effect in self.join(one, flight.read, flight.key, now)]
        return [*again, *relayed, *given, *anew]

    # What meters say

    def land(self, flight: Flight, landed: Landed, now: float) -> list[Effect]:
        """Keep what came for a flight, then answer."""
        if landed.detail:
            self._accounts.note(landed.detail)
        abandoned: list[Effect] = []
        if landed.open and flight.leased and _is_over(flight.key, now):
            # others elsewhere may have asked since the end, so they are to ask the meter anew
            abandoned, flight.leased = [Abandon(flight.number)], False
        if flight.leased or not landed.detail:
            return self._settle(flight, landed)
        flight.landed = landed
        return [*abandoned, *self.kept(flight.number, False, now)]

    def relay(
        self, request: Request, response: Message, octets: bytes, said: CacheStatus, now: float
    ) -> list[Effect]:
        """Pass a response on as it came, where its requester is still entitled to it."""
        refusal = self._accounts.refusal(request, now)
        if refusal:
            return self._accounts.note(f"withheld-{refusal}")
        named = response.supplementary
        own = named.originator_counter if named is not None else None
        # one without a MAC is signed and in clear, so no key is used twice
        if response.mac is not None and not self._transactions.may_say(
            request.transaction, octets, own
        ):
            return self._accounts.note(WITHHELD_REUSED)
        self._accounts.replied(request, said, now)
        return [Reply(response.originator, response.recipient, octets, str(said))]

    def end(self, flight: Flight, reason: str, now: float) -> list[Effect]:
        """Fail who waits in a flight, here and elsewhere."""
        self._forget(flight)
        for request in flight.waiting:
            self._accounts.decide(request, Decision.FAILED, now, reason)
        return [Settle(flight.number, flight.key, None, None)] if flight.leased else []

    def overdue(self, flight: Flight, now: float) -> list[Effect]:
        """Wait for another cache as often as its meter may be waited for, and once for its turn."""
        flight.waits += 1
        if flight.waits <= self._settings.retries + 1:
            flight.ticket = self._agenda.at(now + self._settings.reply_timeout, flight)
            return []
        self._accounts.note(NO_REPLY)
        return self.end(flight, NO_REPLY, now)

    def waiting(self) -> list[Request]:
        """Return who waits in a flight, except for those whose command leads it."""
        return [request for flight in self._flights.values() for request in flight.waiting]

    def abandon(self) -> list[Effect]:
        """Forget all flights, so that other caches may ask the meters at once."""
        flights = list(self._flights.values())
        for flight in flights:
            self._forget(flight)
        return [Abandon(flight.number) for flight in flights if flight.leased]

    # Transactions that turn out to be used for several reads

    def part(self, past: Past, now: float) -> list[Effect]:
        """Have no flight rely on what is under way in a transaction."""
        effects: list[Effect] = []
        for leg in past.legs:
            effects += self.leave(leg, now)
        return effects

    def leave(self, leg: Leg, now: float) -> list[Effect]:
        """Have a flight go on without the command that was sent for it."""
        flight, leg.flight = leg.flight, None
        if flight is None:
            return []
        leg.kind = Kind.BYPASS
        return self._lead(flight, now)

    # Steps of a flight

    def _received_after(self, key: Key, now: float) -> float:
        return max(
            now - self._settings.retention,
            self.flushing.since(key.device),
            self._accounts.registry.changed(key.device, now),
        )

    def _is_fresh(self, entry: Entry, key: Key, now: float) -> bool:
        """Return whether an entry may be served: one of the future is of a clock set back."""
        fresh = self._received_after(key, now) < entry.received <= now
        return fresh and not self.flushing.was_ahead(entry.received)

    def _holds(self, wider: Key, entry: Entry, read: Read, now: float) -> bool:
        """Return whether a wider entry may be served, and has all that there is in a window."""
        if not self._is_fresh(entry, wider, now):
            return False
        if not self._settings.literal:
            return True  # the whole window of the entry was over at the meter, so each part was
        longest = self._settings.reply_timeout * (self._settings.retries + 1)
        asked = entry.received - longest - EPOCH_UNIX
        reached = reaches_end(entry.buffer, read, entry.received)
        if reached is None:
            reached = read.window.end <= asked - self._settings.clock_skew
        return reached and read.window.end <= asked

    def _claim(self, flight: Flight, now: float) -> list[Effect]:
        return [self._ask(flight, self._received_after(flight.key, now))]

    def _ask(self, flight: Flight, received_after: float) -> Claim:
        return Claim(flight.number, flight.key, received_after, self._settings.collapse)

    def _wait(self, flight: Flight, now: float) -> list[Effect]:
        if flight.ticket is None:
            flight.ticket = self._agenda.at(now + self._settings.reply_timeout, flight)
        return [Wait(flight.number)]

    def _without_store(self, flight: Flight, now: float) -> list[Effect]:
        flight.why, flight.detail = "bypass", STORE_FAILED
        return self._lead(flight, now)

    def _lead(self, flight: Flight, now: float) -> list[Effect]:
        """Send the first of those who wait whose transaction is its own to the meter."""
        if flight.ticket is not None:
            flight.ticket.drop()
        flight.keeps = True
        for request in flight.waiting:
            past = self._transactions.get(request.transaction)
            if past is None or not past.reused:
                flight.leader = request
                flight.waiting.remove(request)
                return self._sender.send(Leg(request, Kind.FLIGHT, flight, flight.detail), now)
        self._forget(flight)
        effects: list[Effect] = [Abandon(flight.number)] if flight.leased else []
        for request in flight.waiting:
            effects += self._sender.send(Leg(request, Kind.BYPASS, detail=COUNTER_REUSED), now)
        return effects

    def _settle(self, flight: Flight, landed: Landed) -> list[Effect]:
        if flight.ticket is not None:
            flight.ticket.drop()
        flight.landed = landed
        entry = None
        if not landed.detail and isinstance(landed.readings, bytes):
            entry = Entry(landed.readings, landed.received)
        return [Settle(flight.number, flight.key, landed.readings, entry)]

    def _serve(
        self, flight: Flight, readings: bytes | int, received: float, detail: str, now: float
    ) -> list[Effect]:
        said = status.hit(int(received + self._settings.retention - now), detail)
        return self._give(flight, Decision.HIT, readings, said, now, int(now - received))

    def _give(
        self,
        flight: Flight,
        decision: Decision,
        readings: bytes | int,
        said: CacheStatus,
        now: float,
        age: int | None = None,
    ) -> list[Effect]:
        orders = [Order(request, readings, decision, said, age) for request in flight.waiting]
        return self._minter.mint(orders, now)

    def _forget(self, flight: Flight) -> None:
        del self._flights[flight.number]
        if self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]
        if flight.ticket is not None:
            flight.ticket.drop()


def _is_over(key: Key, now: float) -> bool:
    """Return whether a window has ended by the cache's clock."""
    return key.end <= now - EPOCH_UNIX
