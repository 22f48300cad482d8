"""Endpoints of the fleet: what it is, its counters and its faults."""

import secrets
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query, Response

from esme_emulator.control.models import (
    Count,
    CountersState,
    ExportedSeries,
    FaultLog,
    FleetState,
    Kinds,
    MeterCount,
    NewRule,
    ProfileShare,
    Removed,
    Rules,
    WanState,
)
from esme_emulator.control.routing import counted_srv, meter_eui
from esme_emulator.faults.base import FaultError
from esme_emulator.faults.lint import Meters, lint
from esme_emulator.faults.loading import Parameter, kinds, rule_from, rule_to, selectors
from esme_emulator.fleet.counters import PROCESS_HEADER, Row, Stage
from esme_emulator.fleet.wan import Wan
from esme_emulator.monitor.parts import RunningParts, fleet_of
from esme_emulator.profiles.latency import latency_text

MAX_ROWS = 10_000
"""Maximum number of rows of an answer."""


def fleet_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints; they answer 404 if no meters run in this process."""
    router = APIRouter(tags=["fleet"])
    process = secrets.token_hex(8)

    @router.get("/fleet")
    async def get_fleet() -> FleetState:
        """Describe the fleet: meters, profiles, clock, faults and network."""
        hosted = fleet_of(parts)
        shares = sum(profile.share for profile in hosted.profiles)
        return FleetState(
            meters=len(hosted.meters),
            first=str(hosted.meters[0]),
            last=str(hosted.meters[-1]),
            seed=hosted.seed,
            profiles=[
                ProfileShare(profile=kind.name, title=kind.title, share=kind.share / shares)
                for kind in hosted.profiles
            ],
            clock=parts.clock.describe(),
            faults=[rule.name for rule in hosted.faults.rules],
            strict=hosted.strict,
            latency=latency_text(hosted.fleet.latency),
            busy_seconds=hosted.fleet.busy_seconds,
            wan=_wan(hosted.fleet.wan),
        )

    @router.get("/counters")
    async def get_counters(
        device: str | None = None,
        stage: Stage | None = None,
        srv: str | None = None,
        outcome: str | None = None,
        limit: Annotated[int, Query(ge=0, le=MAX_ROWS)] = 100,
    ) -> CountersState:
        """Return counts in total and by meter, filtered by the given parameters."""
        hosted = fleet_of(parts)
        counters = hosted.counters
        wanted = stage, counted_srv(srv), outcome
        meter = None if device is None else meter_eui(hosted, device)
        if meter is None:
            totals = [
                Count(**series._asdict(), number=number)
                for series, number in counters.totals().items()
                if _fits(series, wanted)
            ]
            found = counters.rows(stage, srv=srv, outcome=outcome, limit=limit + 1)
            rows = list(found)
        else:
            rows = [row for row in counters.of_meter(meter) if _fits(row[1:4], wanted)]
            totals = [count_of(row) for row in rows]
        return CountersState(
            device_hits=counters.hits(srv, device=meter, outcome=outcome),
            totals=totals,
            meters=[_meter_count(row) for row in rows[:limit]],
            left_off=len(rows) > limit,
        )

    @router.get("/counters/export")
    async def export_counters(response: Response) -> list[ExportedSeries]:
        """Return every count of every meter, to be added to those of other processes."""
        response.headers[PROCESS_HEADER] = process
        return [ExportedSeries(**series) for series in fleet_of(parts).counters.to_json()]

    @router.post("/counters/reset")
    async def reset_counters() -> CountersState:
        """Reset the counters of the meters; the cache's ledger stays."""
        fleet_of(parts).counters.reset()
        return CountersState(device_hits=0, totals=[], meters=[], left_off=False)

    return router


def _wan(wan: Wan | None) -> WanState | None:
    return None if wan is None else WanState(profile=wan.name, **asdict(wan.tally))


def _fits(series: tuple[object, ...], wanted: tuple[str | None, ...]) -> bool:
    return all(want is None or want == value for want, value in zip(wanted, series, strict=True))


def count_of(row: Row) -> Count:
    """Return a row of the counters, without its device."""
    return Count(stage=row.stage, srv=row.srv, outcome=row.outcome, number=row.number)


def _meter_count(row: Row) -> MeterCount:
    return MeterCount(**count_of(row).model_dump(), device=str(row.device))


MAX_RULES = 1_000
"""Maximum number of rules, because each is checked for every command."""

MAX_FIRED = 10_000
"""Maximum number of log entries of an answer."""

_EXAMPLE = {"kind": "late-reply", "seconds": 90, "srvs": "4.8.1", "calls": "every 10"}


def fault_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints; they answer 404 if no meters run in this process."""
    router = APIRouter(tags=["faults"])

    @router.get("/faults")
    async def get_faults() -> Rules:
        """Return the active rules, in the order in which they were added."""
        faults = fleet_of(parts).faults
        return Rules(rules=[rule_to(rule) for rule in faults.rules], fired=faults.fired)

    @router.post("/faults", status_code=201, openapi_extra={"requestBody": _request_body()})
    async def add_fault(table: Annotated[dict[str, Any], Body()]) -> NewRule:
        """Add a rule; one without a name gets one. Warns of parts that can match nothing."""
        fleet = fleet_of(parts)
        taken = {rule.name for rule in fleet.faults.rules}
        if len(taken) >= MAX_RULES:
            raise HTTPException(409, f"there are {MAX_RULES} rules already: remove some")
        try:
            rule = rule_from(table, taken)
        except FaultError as error:
            raise HTTPException(422, str(error)) from None
        except RecursionError:
            raise HTTPException(422, "fault: nested too deeply") from None
        if rule.name in taken:
            raise HTTPException(409, f"fault {rule.name!r}: another rule has this name")
        fleet.faults.add(rule)
        meters = Meters(fleet.meters, fleet.profiles, fleet.profile_of)
        warnings = lint([rule], meters, now=parts.clock.now(), seed=fleet.seed)
        return NewRule(rule=rule_to(rule), warnings=warnings)

    @router.delete("/faults/{name}")
    async def remove_fault(name: str) -> Removed:
        """Remove one rule."""
        try:
            fleet_of(parts).faults.remove(name)
        except KeyError:
            raise HTTPException(
                404, f"there is no rule {name!r:.100}: GET /faults lists them"
            ) from None
        return Removed(removed=1)

    @router.delete("/faults")
    async def remove_all_faults() -> Removed:
        """Remove every rule; the log stays."""
        faults = fleet_of(parts).faults
        number = len(faults.rules)
        faults.clear()
        return Removed(removed=number)

    @router.get("/faults/log")
    async def get_log(limit: Annotated[int, Query(ge=0, le=MAX_FIRED)] = 100) -> FaultLog:
        """Return the faults that fired last, newest first."""
        log = fleet_of(parts).faults.log
        newest = islice(reversed(list(log)), limit)
        fired = [one.to_json() for one in newest]
        return FaultLog(total=len(log) + log.dropped, fired=fired)

    @router.get("/faults/kinds")
    async def get_kinds() -> Kinds:
        """Describe every kind of fault, and the selectors that rules of any kind take."""
        return Kinds(
            kinds=[kind.to_json() for kind in kinds()],
            selectors=[selector.to_json() for selector in selectors()],
        )

    return router


def _request_body() -> dict[str, Any]:
    """Return the OpenAPI description of a rule: one schema for each kind of fault."""
    named = {"name": {"type": "string", "description": "unique; kind-N if not given"}}
    schemas = [
        {
            "type": "object",
            "title": kind.name,
            "description": kind.doc,
            "properties": {
                "kind": {"const": kind.name},
                **named,
                **_properties(selectors()),
                **_properties(kind.parameters),
            },
            "required": ["kind"],
            "additionalProperties": False,
        }
        for kind in kinds()
    ]
    content = {"schema": {"oneOf": schemas}, "example": _EXAMPLE}
    return {"required": True, "content": {"application/json": content}}


def _properties(parameters: Iterable[Parameter]) -> dict[str, Any]:
    return {
        parameter.key: {**parameter.to_json()["schema"], "description": parameter.doc}
        for parameter in parameters
    }
