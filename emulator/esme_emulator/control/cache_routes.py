"""Endpoints of the cache: settings, ledger, replies, and the entries of its store.

Shows that readings are stored, never the readings.
"""

from collections import Counter
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Response

from esme_emulator.cache.entry import Entry, Key
from esme_emulator.cache.policy.ledger import Decision, Ledger, Replied, audit_of
from esme_emulator.cache.policy.settings import SETTINGS, CacheSettings
from esme_emulator.cache.store.base import Store, StoreError, drop_entries, entries_of
from esme_emulator.control.models import (
    AgeCount,
    CacheCount,
    CacheState,
    Chosen,
    ChosenSome,
    EntriesState,
    EntryState,
    HitState,
    PartyCount,
    Problem,
    Removed,
    RepliesState,
    ReplyState,
    SettingsState,
    StoreState,
)
from esme_emulator.control.routing import (
    PURGE_TIMEOUT,
    STORE_TIMEOUT,
    cached_srv,
    counted_srv,
    eui_of,
    first_of,
    within,
)
from esme_emulator.monitor.parts import HitAges, RunningParts, avoided_ratio, cache_of
from esme_emulator.runtime.clock import iso
from gbcs import EUI
from gbcs.instants import to_iso

SHADOW = "shadow-"
"""Prefix of the reasons that say how a shadow audit ended."""

_AWAY = {"model": Problem, "description": "The store cannot be used"}


def cache_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints; they answer 404 without a cache, and 503 if its store is down."""
    router = APIRouter(tags=["cache"])

    @router.get("/cache", responses={503: {"model": CacheState}})
    async def get_cache(response: Response) -> CacheState:
        """Return ledger, settings and store of the cache; 503 if the store cannot be used."""
        cache = cache_of(parts)
        store = await _store(cache.store)
        if store.error is not None:
            response.status_code = 503
        ledger = cache.ledger
        audit = audit_of(ledger)
        return CacheState(
            requests=ledger.requests,
            undecided=ledger.undecided(),
            avoided_ratio=avoided_ratio(ledger),
            retries=ledger.retries,
            shadow=audit.asked,
            shadow_outcomes={
                reason.removeprefix(SHADOW): number
                for reason, number in sorted(ledger.reasons.items())
                if reason.startswith(SHADOW)
            },
            shadow_compared=audit.compared,
            shadow_different=audit.different,
            shadow_difference_ratio=audit.difference_ratio,
            decisions=[
                CacheCount(srv=srv, decision=decision.value, number=number)
                for (srv, decision), number in sorted(ledger.decisions.items())
            ],
            by_party=[
                PartyCount(
                    party=None if party is None else str(party),
                    srv=srv,
                    decision=decision.value,
                    number=number,
                )
                for (party, srv, decision), number in ledger.by_party.items()
            ],
            hits=_hits(ledger, cache.hit_ages),
            reasons=dict(sorted(ledger.reasons.items())),
            settings=_settings(cache.policy.settings),
            store=store,
        )

    @router.get("/cache/entries", responses={503: _AWAY})
    async def get_entries(wanted: Annotated[ChosenSome, Query()]) -> EntriesState:
        """List the stored entries, without their readings."""
        cache = cache_of(parts)
        found = entries_of(cache.store, *_chosen(wanted))
        entries = await within(STORE_TIMEOUT, first_of(found, wanted.limit + 1))
        now, retention = parts.clock.now(), cache.policy.settings.retention
        rows = [_entry(key, entry, now, retention) for key, entry in entries.items()]
        return EntriesState(entries=rows[: wanted.limit], left_off=len(rows) > wanted.limit)

    @router.get("/cache/replies")
    async def get_replies(wanted: Annotated[ChosenSome, Query()]) -> RepliesState:
        """List the newest replies, newest first, with how each came about."""
        latest = cache_of(parts).latest_replies
        device = None if wanted.device is None else eui_of(wanted.device, "device")
        found = islice(latest.newest(device, counted_srv(wanted.srv)), wanted.limit)
        return RepliesState(total=latest.total, replies=[_reply(replied) for replied in found])

    @router.delete("/cache/entries", responses={503: _AWAY})
    async def purge_entries(wanted: Annotated[Chosen, Query()]) -> Removed:
        """Drop stored entries. Reads in flight are stored when their replies arrive."""
        cache = cache_of(parts)
        device, srv = _chosen(wanted)
        number = await within(PURGE_TIMEOUT, drop_entries(cache.store, device, srv))
        return Removed(removed=number)

    return router


async def _store(store: Store) -> StoreState:
    kind = type(store).__name__.removesuffix("Store").lower()
    try:
        size = await within(STORE_TIMEOUT, store.size())
    except StoreError as error:
        return StoreState(kind=kind, error=str(error))
    return StoreState(
        kind=kind,
        entries=size.entries,
        octets=size.octets,
        evicted=size.evicted,
        unreadable=size.unreadable,
    )


def _hits(ledger: Ledger, ages: HitAges) -> HitState:
    by_party: Counter[str] = Counter()
    for (party, _, decision), number in ledger.by_party.items():
        if decision is Decision.HIT and party is not None:
            by_party[str(party)] += number
    return HitState(
        by_srv={
            srv: number
            for (srv, decision), number in sorted(ledger.decisions.items())
            if decision is Decision.HIT
        },
        by_party=dict(sorted(by_party.items())),
        by_age=[AgeCount(hours=hours, number=number) for hours, number in ages.numbers().items()],
    )


def _settings(settings: CacheSettings) -> SettingsState:
    values = {name: getattr(settings, name) for name in SETTINGS}
    return SettingsState.model_validate(values, from_attributes=True)


def _chosen(wanted: Chosen) -> tuple[EUI | None, str | None]:
    device = None if wanted.device is None else eui_of(wanted.device, "device")
    return device, cached_srv(wanted.srv)


def _reply(replied: Replied) -> ReplyState:
    said = replied.as_dict()
    return ReplyState(start=said.pop("from"), end=said.pop("to"), **said)


def _entry(key: Key, entry: Entry, now: float, retention: float) -> EntryState:
    return EntryState(
        device=str(key.device),
        srv=key.srv,
        start=to_iso(key.start),
        end=to_iso(key.end),
        received=iso(entry.received),
        age=int(now - entry.received),
        remaining=max(0, int(entry.received + retention - now)),
        octets=len(entry.buffer),
        identity=key.identity,
    )
