"""Calls for fault rules, and the replies of the meter to them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from esme_emulator.device.meter import Behaviour
from esme_emulator.faults.base import Call, Delivery
from esme_emulator.faults.engine import Faults
from esme_emulator.faults.loading import rules_from
from gbcs import EUI, Keystore
from gbcs.tables.roles import Role
from tests.support.estate import KEYS, METER, UNIX_NOW, command, meter_octets

SRVS = {"4.6.1": Role.IS, "4.8.1": Role.IS, "4.8.2": Role.ED, "4.8.3": Role.ES}
OTHER_USERS = Role.OU


def call(
    number: int = 1,
    srv: str = "4.8.1",
    device: EUI = METER,
    now: float = UNIX_NOW,
    role: Role | None = None,
    keystore: Keystore = KEYS,
) -> Call:
    """Return the `number`-th command of an SRV, with an originator counter of its own."""
    asked, _ = command(srv, role or SRVS[srv], 1000 + number, device=device)
    return Call(device, srv, number, now, asked, keystore)


@cache
def _said(srv: str, role: Role | None, device: EUI, number: int) -> bytes:
    return meter_octets(call(number, srv, device, role=role).command)


def reply(to: Call, role: Role | None = None) -> bytes:
    """Return the reply of the meter to a call of `call`."""
    return _said(to.srv, role, to.device, to.number)


def faults(*tables: Mapping[str, Any], seed: str = "tests", **options: Any) -> Faults:
    """Return an engine with the rules of these tables."""
    return Faults(seed, rules_from(list(tables)), **options)


def fired_calls(engine: Faults, calls: list[Call]) -> list[int]:
    """Return the numbers of the calls for which a rule that changes behaviour fires."""
    return [one.number for one in calls if _fires(engine, one)]


def _fires(engine: Faults, one: Call) -> bool:
    before = sum(engine.fired.values())
    engine.behaviour(one)
    return sum(engine.fired.values()) > before


def suffer(engine: Faults, one: Call) -> tuple[Behaviour, tuple[Delivery, ...]]:
    """Apply the engine to a call and to the meter's reply, as a fleet does."""
    behaviour = engine.behaviour(one)
    return behaviour, () if behaviour.silent else engine.deliver(one, reply(one))


def delivered(table: Mapping[str, Any], one: Call | None = None) -> list[bytes]:
    """Return the octets that arrive under one rule."""
    _, deliveries = suffer(faults(table), one or call())
    return [delivery.octets for delivery in deliveries]
