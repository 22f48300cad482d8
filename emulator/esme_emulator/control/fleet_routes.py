"""Endpoints of the meters: the fleet, one meter, and what was counted."""

import secrets
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

from esme_emulator.control.models import (
    Count,
    CountersState,
    ExportedSeries,
    FleetState,
    MeterCount,
    MeterState,
    ProfileShare,
    WanState,
)
from esme_emulator.control.parameters import counted_srv, eui_of
from esme_emulator.control.registers import registers_of
from esme_emulator.fleet.counters import PROCESS_HEADER, Row, Stage
from esme_emulator.fleet.wan import Wan
from esme_emulator.monitor.parts import RunningFleet, RunningParts, fleet_of
from gbcs import EUI
from gbcs.instants import DAY, EPOCH_UNIX, to_iso

MAX_ROWS = 10_000
"""Rows that one answer has, at most."""


def fleet_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints; where there is no fleet they answer 404."""
    router = APIRouter(tags=["fleet"])
    process = secrets.token_hex(8)

    @router.get("/fleet")
    async def get_fleet() -> FleetState:
        """Tell which meters there are."""
        has = fleet_of(parts)
        shares = sum(profile.share for profile in has.profiles)
        return FleetState(
            meters=len(has.meters),
            first=str(has.meters[0]),
            last=str(has.meters[-1]),
            seed=has.seed,
            profiles=[
                ProfileShare(profile=kind.name, title=kind.title, share=kind.share / shares)
                for kind in has.profiles
            ],
            clock=parts.clock.describe(),
            faults=[rule.name for rule in has.faults.rules],
            strict=has.strict,
            busy_seconds=has.fleet.busy_seconds,
            wan=_wan(has.fleet.wan),
        )

    @router.get("/meters/{eui}")
    async def get_meter(eui: str) -> MeterState:
        """Describe one meter: kind, tariff, registers now, and what was counted of it."""
        has = fleet_of(parts)
        device = _meter(has, eui)
        meter = has.meter_of(device)
        kind = meter.profile
        now = int(parts.clock.now()) - EPOCH_UNIX
        return MeterState(
            device=str(device),
            profile=kind.name,
            title=kind.title,
            generation=kind.generation,
            variant=kind.variant,
            payment=kind.payment,
            tariff=kind.tariff,
            installed=to_iso(meter.installed * DAY),
            tou_switching=[register + 1 for register in meter.tariff],
            now=to_iso(now),
            registers=registers_of(meter, now),
            counters=[_count(row) for row in has.counters.of_meter(device)],
        )

    @router.get("/counters")
    async def get_counters(
        device: str | None = None,
        stage: Stage | None = None,
        srv: str | None = None,
        outcome: str | None = None,
        limit: Annotated[int, Query(ge=0, le=MAX_ROWS)] = 100,
    ) -> CountersState:
        """Tell what was counted, in all and by meter; each parameter keeps what is equal to it."""
        has = fleet_of(parts)
        counters = has.counters
        wanted = stage, counted_srv(srv), outcome
        meter = None if device is None else _meter(has, device)
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
            totals = [_count(row) for row in rows]
        return CountersState(
            device_hits=counters.hits(srv, device=meter, outcome=outcome),
            totals=totals,
            meters=[_meter_count(row) for row in rows[:limit]],
            left_off=len(rows) > limit,
        )

    @router.get("/counters/export")
    async def export_counters(response: Response) -> list[ExportedSeries]:
        """Tell all that was counted, with every meter, to be added to that of other processes."""
        response.headers[PROCESS_HEADER] = process
        return [ExportedSeries(**series) for series in fleet_of(parts).counters.to_json()]

    @router.post("/counters/reset")
    async def reset_counters() -> CountersState:
        """Forget what the fleet counted; the cache's ledger stays as it is."""
        fleet_of(parts).counters.reset()
        return CountersState(device_hits=0, totals=[], meters=[], left_off=False)

    return router


def _meter(has: RunningFleet, text: str) -> EUI:
    """Return the meter with the EUI that a text gives; one that is not there is answered 404."""
    device = eui_of(text)
    if device not in has.meters:
        raise HTTPException(404, f"{device} is not a meter of this fleet")
    return device


def _wan(wan: Wan | None) -> WanState | None:
    return None if wan is None else WanState(profile=wan.name, **asdict(wan.tally))


def _fits(series: tuple[object, ...], wanted: tuple[str | None, ...]) -> bool:
    return all(want is None or want == has for want, has in zip(wanted, series, strict=True))


def _count(row: Row) -> Count:
    return Count(stage=row.stage, srv=row.srv, outcome=row.outcome, number=row.number)


def _meter_count(row: Row) -> MeterCount:
    return MeterCount(**_count(row).model_dump(), device=str(row.device))
