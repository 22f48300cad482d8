"""Endpoints of the journal: the latest requests, one of them explained, and any other message."""

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from esme_emulator.cache.policy.ledger import Decision
from esme_emulator.control.explaining import explained
from esme_emulator.control.journal_models import (
    Explanation,
    Octets,
    ReceiptState,
    RequestDetail,
    RequestQuery,
    RequestsState,
    RequestState,
)
from esme_emulator.control.routing import counted_srv, eui_of
from esme_emulator.monitor.journal import DIRECT, Record, Wanted
from esme_emulator.monitor.parts import RunningParts
from esme_emulator.runtime.clock import ClockError, instant, iso
from gbcs import GbcsError
from gbcs.instants import to_iso
from gbcs.sources import SourceError, messages_in

MAX_MESSAGES = 20
"""Most messages that one request has explained."""

DECISIONS = (*map(str, Decision), DIRECT)


def journal_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter(tags=["journal"])
    journal = parts.journal

    @router.get("/requests")
    async def get_requests(query: Annotated[RequestQuery, Query()]) -> RequestsState:
        """List the latest requests, newest first, in pages."""
        found = list(islice(journal.newest(_wanted(query), query.before), query.limit + 1))
        page = found[: query.limit]
        more = len(found) > query.limit and page
        return RequestsState(
            total=journal.total,
            kept=len(journal),
            requests=[RequestState(**_state(record)) for record in page],
            next=page[-1].number if more else None,
        )

    @router.get("/requests/{number}")
    async def get_request(number: int) -> RequestDetail:
        """Return a request with command and replies explained octet by octet."""
        record = journal.get(number)
        if record is None:
            raise HTTPException(
                404, f"request {number} is not in the journal: GET /requests lists those that are"
            )
        return RequestDetail(
            **_state(record),
            command=explained(record.octets, parts.keystore),
            replies=[explained(octets, parts.keystore) for octets in record.replies],
        )

    @router.post("/explain")
    async def explain_messages(given: Octets) -> Explanation:
        """Explain messages octet by octet, with the keys of the estate."""
        try:
            found = messages_in(given.message.encode())
        except (SourceError, GbcsError) as error:
            raise HTTPException(422, str(error)) from None
        messages = [explained(octets, parts.keystore) for octets in found[:MAX_MESSAGES]]
        return Explanation(messages=messages, left_off=len(found) > MAX_MESSAGES)

    return router


def _wanted(query: RequestQuery) -> Wanted:
    if query.decision not in (None, *DECISIONS):
        raise HTTPException(
            422, f"decision: {query.decision!r} is unknown: choose one of {', '.join(DECISIONS)}"
        )
    return Wanted(
        device=None if query.device is None else eui_of(query.device, "device"),
        srv=counted_srv(query.srv),
        party=None if query.party is None else eui_of(query.party, "party"),
        decision=query.decision,
        since=None if query.since is None else _time(query.since),
    )


def _time(text: str) -> float:
    """Return the Unix time of a text in ISO 8601, or of a number."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return instant(text)
    except ClockError as error:
        raise HTTPException(422, f"since: {error}") from None


def _state(record: Record) -> dict[str, Any]:
    window = record.window
    return {
        "number": record.number,
        "time": record.time,
        "at": iso(record.time),
        "device": str(record.device),
        "srv": record.srv,
        "party": None if record.party is None else str(record.party),
        "counter": record.counter,
        "start": None if window is None else to_iso(window.start),
        "end": None if window is None else to_iso(window.end),
        "decision": str(record.decision),
        "reason": record.reason,
        "meter": [
            ReceiptState(
                at=iso(receipt.time),
                outcome=receipt.outcome,
                replies_due=[iso(due) for due, _ in receipt.replies],
            )
            for receipt in record.receipts
        ],
        "reply": None if record.status is None else str(record.status),
        "age": record.age,
        "seconds": None if record.seconds is None else round(record.seconds, 6),
    }
