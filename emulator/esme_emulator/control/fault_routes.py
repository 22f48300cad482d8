"""Endpoints of the faults: active rules, the log, and the kinds."""

from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query

from esme_emulator.control.models import FaultLog, Kinds, NewRule, Removed, Rules
from esme_emulator.faults.base import FaultError
from esme_emulator.faults.lint import Meters, lint
from esme_emulator.faults.loading import rule_from, rule_to
from esme_emulator.faults.parameters import Parameter
from esme_emulator.faults.registry import kinds, selectors
from esme_emulator.monitor.parts import RunningParts, fleet_of

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
        meters = Meters(fleet.meters, fleet.profiles, lambda eui: fleet.meter_of(eui).profile)
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
