"""Endpoints of the meters: the fleet, one meter, and the counters."""

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
    Registers,
    WanState,
)
from esme_emulator.control.parameters import counted_srv, eui_of
from esme_emulator.device.model import Meter
from esme_emulator.device.registers import by_tariff, grown
from esme_emulator.device.snapshots import primary_tou
from esme_emulator.fleet.counters import PROCESS_HEADER, Row, Stage
from esme_emulator.fleet.wan import Wan
from esme_emulator.monitor.parts import RunningFleet, RunningParts, fleet_of
from gbcs import EUI
from gbcs.instants import DAY, EPOCH_UNIX, to_iso

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
            busy_seconds=hosted.fleet.busy_seconds,
            wan=_wan(hosted.fleet.wan),
        )

    @router.get("/meters/{eui}")
    async def get_meter(eui: str) -> MeterState:
        """Describe one meter: kind, tariff, current registers and counters."""
        hosted = fleet_of(parts)
        device = _meter(hosted, eui)
        meter = hosted.meter_of(device)
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
            counters=[_count(row) for row in hosted.counters.of_meter(device)],
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
        meter = None if device is None else _meter(hosted, device)
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
        """Return every count of every meter, to be added to those of other processes."""
        response.headers[PROCESS_HEADER] = process
        return [ExportedSeries(**series) for series in fleet_of(parts).counters.to_json()]

    @router.post("/counters/reset")
    async def reset_counters() -> CountersState:
        """Reset the counters of the meters; the cache's ledger stays."""
        fleet_of(parts).counters.reset()
        return CountersState(device_hits=0, totals=[], meters=[], left_off=False)

    return router


def registers_of(meter: Meter, instant: int) -> dict[str, Registers]:
    """Return the registers of a meter at `instant`, in seconds since 2000, by name."""
    used = max(meter.tariff) + 1
    flowed = grown(meter.primary, meter.installed, instant)
    shown = {"active_import": _shown(flowed, primary_tou(meter, flowed, used))}
    if meter.secondary is not None:
        flowed = grown(meter.secondary, meter.installed, instant)
        tou = by_tariff(flowed, meter.tariff, used)
        shown["active_import_secondary"] = _shown(flowed, tou)
    for name in ("active_export", "reactive_import", "reactive_export"):
        shown[name] = _shown(grown(getattr(meter, name), meter.installed, instant))
    return shown


def _shown(flowed: list[int], tou: tuple[int, ...] | None = None) -> Registers:
    return Registers(total=sum(flowed), tou=None if tou is None else list(tou))


def _meter(hosted: RunningFleet, text: str) -> EUI:
    """Return the EUI in `text`. A meter that is not in the fleet is answered with 404."""
    device = eui_of(text)
    if device not in hosted.meters:
        raise HTTPException(404, f"{device} is not a meter of this fleet")
    return device


def _wan(wan: Wan | None) -> WanState | None:
    return None if wan is None else WanState(profile=wan.name, **asdict(wan.tally))


def _fits(series: tuple[object, ...], wanted: tuple[str | None, ...]) -> bool:
    return all(want is None or want == value for want, value in zip(wanted, series, strict=True))


def _count(row: Row) -> Count:
    return Count(stage=row.stage, srv=row.srv, outcome=row.outcome, number=row.number)


def _meter_count(row: Row) -> MeterCount:
    return MeterCount(**_count(row).model_dump(), device=str(row.device))
