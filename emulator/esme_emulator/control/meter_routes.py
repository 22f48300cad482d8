"""Endpoints of single meters: search, one meter with its energy, its own data, its state."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query

from esme_emulator.control.fleet_routes import count_of
from esme_emulator.control.models import (
    Day,
    FoundMeter,
    FoundMeters,
    HalfHours,
    MeterQuery,
    MeterState,
    NewState,
    Registers,
)
from esme_emulator.control.routing import meter_eui, refuse_file
from esme_emulator.device.energy import Register, by_tariff, grown
from esme_emulator.device.logs import primary_tou
from esme_emulator.device.model import Meter
from esme_emulator.monitor.parts import RunningFleet, RunningParts, fleet_of
from esme_emulator.profiles import MeterTable, ProfileError, meter_profiles, meter_table
from esme_emulator.profiles.model import HALF_HOURS
from esme_emulator.runtime.config import closest
from gbcs import EUI
from gbcs.instants import DAY, EPOCH_UNIX, HALF_HOUR, day_of, to_iso

MAX_SEARCHED = 2_000
"""Maximum number of meters that one request looks at, since meanwhile the process does nothing."""

_EXAMPLE = {
    "profile": "twin",
    "installed": "2024-03-01",
    "prices": [28.62, 7.5],
    "switching": {"00:00": 2, "07:00": 1},
    "half_hours": {"start": "2026-01-14", "values": {"import": [180, 175, None, 190]}},
}


def meter_routes(parts: RunningParts) -> APIRouter:
    """Return the endpoints; they answer 404 if no meters run in this process."""
    router = APIRouter(tags=["meters"], prefix="/meters")

    def described(hosted: RunningFleet, device: EUI) -> MeterState:
        meter = hosted.meter_of(device)
        now = int(parts.clock.now()) - EPOCH_UNIX
        kind, own = meter.profile, hosted.profiles.table(device)
        return MeterState(
            **_found(hosted, device).model_dump(),
            title=kind.title,
            variant=kind.variant,
            tariff=kind.tariff,
            own=sorted(own.model_fields_set & MeterTable.model_fields.keys()),
            installed=to_iso(meter.installed * DAY),
            tou_switching=[register + 1 for register in meter.tariff],
            now=to_iso(now),
            registers=registers_of(meter, now),
            counters=[count_of(row) for row in hosted.counters.of_meter(device)],
        )

    @router.get("")
    async def find_meters(wanted: Annotated[MeterQuery, Query()]) -> FoundMeters:
        """List meters in the order of the fleet, filtered by the given parameters.

        A page may have fewer meters than `limit`, even none: `next` says whether to go on.
        """
        hosted = fleet_of(parts)
        if wanted.profile is not None:
            _check_profile(hosted, wanted.profile)
        begin = 0 if wanted.after is None else _place(hosted, wanted.after) + 1
        found: list[FoundMeter] = []
        place = begin
        for place in range(begin, min(begin + MAX_SEARCHED, len(hosted.meters))):
            meter = _found(hosted, hosted.meters[place])
            if wanted.profile in (None, meter.profile) and wanted.state in (None, meter.state):
                found.append(meter)
            if len(found) == wanted.limit:
                break
        more = place + 1 < len(hosted.meters)
        return FoundMeters(meters=found, next=str(hosted.meters[place]) if more else None)

    @router.get("/{eui}")
    async def get_meter(eui: str) -> MeterState:
        """Describe one meter: kind, state, tariff, current registers and counters."""
        hosted = fleet_of(parts)
        return described(hosted, meter_eui(hosted, eui))

    @router.put("/{eui}", openapi_extra={"requestBody": _request_body()})
    async def put_meter(eui: str, table: Annotated[dict[str, Any], Body()]) -> MeterState:
        """Replace what a meter has of its own: half hours, registers, tariff, prices, balance.

        The keys are those of [[meter]] in a fleet file, without its files. What is left out follows
        from profile and seed. Caches no longer serve the readings that they keep of this fleet.
        """
        hosted = fleet_of(parts)
        device = meter_eui(hosted, eui)
        _check_sharing(hosted)
        try:
            for key in ("profile", "wan"):
                refuse_file(key, table.get(key))
            await hosted.replace(device, meter_table(table))
        except ProfileError as error:
            raise HTTPException(422, str(error)) from None
        except RecursionError:
            raise HTTPException(422, "meter: nested too deeply") from None
        return described(hosted, device)

    @router.put("/{eui}/state")
    async def put_state(eui: str, new: NewState) -> MeterState:
        """Change the state of a meter. Only a commissioned meter answers.

        Caches go on serving the readings that they keep of it.
        """
        hosted = fleet_of(parts)
        device = meter_eui(hosted, eui)
        _check_sharing(hosted)
        try:
            hosted.profiles.set_state(device, new.state)
        except ProfileError as error:
            raise HTTPException(409, str(error)) from None
        return described(hosted, device)

    @router.get("/{eui}/half-hours")
    async def get_half_hours(eui: str, day: Day) -> HalfHours:
        """Return the energy of each half hour of a day, up to the present one."""
        hosted = fleet_of(parts)
        meter = hosted.meter_of(meter_eui(hosted, eui))
        begin = day_of(day) * HALF_HOURS
        past = (int(parts.clock.now()) - EPOCH_UNIX) // HALF_HOUR
        over = range(begin, min(begin + HALF_HOURS, past))

        def energies(series: Register) -> list[int]:
            if not over or begin < meter.installed * HALF_HOURS:
                return [0] * len(over)
            return series.half_hours(over.start, over.stop - 1)

        taken = energies(meter.primary)
        if meter.secondary is not None:
            taken = [sum(both) for both in zip(taken, energies(meter.secondary), strict=True)]
        given = energies(meter.active_export)
        return HalfHours(day=day, active_import=taken, active_export=given)

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


def _found(hosted: RunningFleet, device: EUI) -> FoundMeter:
    kind = hosted.profile_of(device)
    return FoundMeter(
        device=str(device),
        profile=kind.name,
        generation=kind.generation,
        payment=kind.payment,
        state=hosted.profiles.state(device),
    )


def _check_profile(hosted: RunningFleet, name: str) -> None:
    known = dict.fromkeys(kind.name for kind in (*hosted.profiles, *meter_profiles()))
    if name not in known:
        raise HTTPException(422, f"profile: {name!r} is unknown; {closest(name, known)}")


def _place(hosted: RunningFleet, text: str) -> int:
    return hosted.meters.index(meter_eui(hosted, text))


def _check_sharing(hosted: RunningFleet) -> None:
    if hosted.is_shared:
        raise HTTPException(
            409, "other processes have the same meters (--shared) and would not change: use --shard"
        )


def _request_body() -> Mapping[str, Any]:
    schema = MeterTable.model_json_schema()
    content = {"schema": schema, "example": _EXAMPLE}
    return {"required": True, "content": {"application/json": content}}
