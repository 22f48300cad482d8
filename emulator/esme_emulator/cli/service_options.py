"""Options of what runs until it is interrupted, and what they choose."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from esme_emulator.app.one_shot import REPLY_TIMEOUT
from esme_emulator.app.services import CacheOptions, FleetOptions
from esme_emulator.cache.policy.settings import (
    CLOCK_SKEW,
    DEVICE_LIMIT,
    DEVICE_QUEUE,
    CacheSettings,
    HoldDown,
)
from esme_emulator.cache.registry.file import load_registry
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.cache.store.base import LEAST_LIMIT
from esme_emulator.cache.store.open import MEMORY
from esme_emulator.cli.options import FILE, Parameter, all_of, latency_option, retention_option
from esme_emulator.cli.secrets import STORE_PASSWORD, SecretFile, warn_if_exposed
from esme_emulator.estate.estate import Estate
from esme_emulator.faults.base import FaultError
from esme_emulator.faults.loading import parse_rules
from esme_emulator.faults.selector import FaultRule
from esme_emulator.fleet.wan import NO_WAN, check_wan
from esme_emulator.profiles import MeterProfile, ProfileError, meter_profile
from esme_emulator.runtime.clock import Clock, ScaledClock, parse_clock
from esme_emulator.runtime.files import UnreadableError, read_text


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 0 <= int(part) < int(parts)):
        raise ValueError(f"shard {text!r}: give K/N, such as 0/4, with K from 0 to N - 1")
    return int(part), int(parts)


def _hold_down(text: str) -> HoldDown:
    failures, _, seconds = text.partition(",")
    try:
        return HoldDown(int(failures), float(seconds))
    except ValueError:
        raise ValueError(
            f"hold-down {text!r}: give FAILURES,SECONDS such as 3,60, both above 0"
        ) from None


def _size(text: str) -> int:
    number, unit = re.fullmatch(r"\s*(\d*\.?\d+)\s*([A-Za-z]*)\s*", text, re.ASCII), ""
    if number is not None:
        unit = number[2].upper()
    if number is None or unit not in _UNITS:
        raise ValueError(f"size {text!r}: give a number of {', '.join(_UNITS)}, such as 500MB")
    octets = int(float(number[1]) * _UNITS[unit])
    if octets < LEAST_LIMIT:
        raise ValueError(
            f"size {text!r}: give 1MB or more, since one reading takes up to a quarter of it"
        )
    return octets


def _faults(
    _: click.Context, __: click.Parameter, files: tuple[Path, ...]
) -> tuple[FaultRule, ...]:
    """Return the rules of all files, in their order; no two may have one name."""
    rules: list[FaultRule] = []
    for file in files:
        try:
            rules += parse_rules(read_text(file), [rule.name for rule in rules])
        except (FaultError, UnreadableError) as error:
            raise click.BadParameter(f"fault rules {file}: {error}") from None
    return tuple(rules)


def _wan(text: str) -> str:
    try:
        check_wan(text)
    except ProfileError as error:
        raise ValueError(str(error)) from None
    return text


_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_CLOCK = Parameter("clock", parse_clock)
_SIZE = Parameter("size", _size)
_SHARD = Parameter("k/n", _shard)
_HOLD_DOWN = Parameter("failures,seconds", _hold_down)
_REGISTRY = Parameter("file", lambda text: load_registry(Path(text)))

profile_option = click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME|FILE",
    help="Kind of meters, may be repeated; default: the shipped mix.",
)
_COMMON = (
    click.option(
        "--clock",
        type=_CLOCK,
        default="system",
        show_default=True,
        help="system, scaled:FACTOR[@TIME[=REAL]] or manual[@TIME].",
    ),
    click.option(
        "--control",
        type=click.IntRange(0, 65535),
        help="Port of the HTTP control interface on loopback; 0 for any.",
    ),
)
_METERS = (
    latency_option,
    click.option(
        "--wan",
        type=Parameter("wan", _wan),
        metavar="NAME|FILE",
        default=NO_WAN,
        show_default=True,
        help="Network to the meters; profile: that of each one's own. See esme profiles list.",
    ),
    profile_option,
    click.option(
        "--faults",
        type=FILE,
        multiple=True,
        callback=_faults,
        help="TOML file of fault rules, may be repeated.",
    ),
    click.option("--fault-log", type=FILE, help="Append every fault that fires, as lines of JSON."),
    click.option("--strict", is_flag=True, help="Meters refuse repeated originator counters."),
)
_STORE_KEY = re.compile(rb"\s*[0-9A-Fa-f]{64}\s*")
_SQLITE = b"SQLite format 3\0"
"""What an SQLite file begins with."""

store_key_option = click.option(
    "--store-key",
    type=SecretFile("this key", _STORE_KEY.fullmatch),
    help="Key that readings are sealed with.",
)
_CACHING = (
    retention_option,
    click.option(
        "--store",
        metavar="FILE|URL",
        callback=STORE_PASSWORD.into_url,
        help="SQLite file, memory: or valkey://host:port/0; default: a file for each estate.",
    ),
    STORE_PASSWORD.option(),
    store_key_option,
    click.option(
        "--store-limit",
        type=_SIZE,
        default="1GB",
        show_default=True,
        help="Most that the readings in the store take, such as 500MB; beyond it the oldest go.",
    ),
    click.option("--srv", "srvs", multiple=True, help="Cached SRV, in place of the rule's."),
    click.option("--literal", is_flag=True, help="Keep readings whose window is not over too."),
    click.option("--sub-window", is_flag=True, help="Answer from readings of a wider window too."),
    click.option(
        "--clock-skew",
        type=click.FloatRange(0),
        default=CLOCK_SKEW,
        show_default=True,
        metavar="SECONDS",
        help="Tolerated clock skew of meters, for logs that do not show where they end.",
    ),
    click.option("--no-collapse", is_flag=True, help="Send every miss to the meter by itself."),
    click.option(
        "--shadow",
        type=click.FloatRange(0, 1),
        default=0.0,
        help="Part of the hits that the meter is asked for too, to compare.",
    ),
    click.option(
        "--retries", type=click.IntRange(0, 10), default=0, help="Of a read without a reply."
    ),
    click.option(
        "--reply-timeout",
        type=click.FloatRange(0, min_open=True),
        default=REPLY_TIMEOUT,
        show_default=True,
        help="Seconds that a meter is waited for; real ones where the clock is faster.",
    ),
    click.option(
        "--device-limit",
        type=click.IntRange(1),
        default=DEVICE_LIMIT,
        show_default=True,
        help="Commands at once to one meter, from this process; others wait.",
    ),
    click.option(
        "--device-queue",
        type=click.IntRange(0),
        default=DEVICE_QUEUE,
        show_default=True,
        help="Commands that wait for one meter, in this process; more of them fail.",
    ),
    click.option(
        "--hold-down", type=_HOLD_DOWN, help="Spare a meter that failed so often, for so long."
    ),
    click.option(
        "--registry",
        type=_REGISTRY,
        help="TOML file: who may ask for what, and when; changes go to FILE.changes.",
    ),
    click.option(
        "--decisions", type=FILE, help="Append every decision and reply, as lines of JSON."
    ),
)
_SHARING = (
    click.option(
        "--shared", is_flag=True, help="Share commands with others on the broker ($share)."
    ),
)
_PARTS = (
    *_SHARING,
    click.option("--shard", type=_SHARD, help="Only every N-th meter, from number K on."),
    click.option("--connections", is_flag=True, help="A connection of its own for each meter."),
    click.option(
        "--workers",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Processes, each with a shard.",
    ),
)


common_options = all_of(*_COMMON)
meter_options = all_of(*_METERS)
sharding_options = all_of(*_PARTS)
caching_options = all_of(*_CACHING)
sharing_option = all_of(*_SHARING)


def profiles_of(names: Sequence[str]) -> tuple[MeterProfile, ...] | None:
    """Return the profiles of these names or files, None for none. Raises `ProfileError`."""
    return tuple(meter_profile(name) for name in names) if names else None


def fleet_options(chosen: dict[str, Any]) -> FleetOptions:
    """Return what the options of meters choose. Raises `ProfileError`."""
    return FleetOptions(
        latency=chosen["latency"],
        wan=chosen["wan"],
        profiles=profiles_of(chosen["profiles"]),
        faults=chosen["faults"],
        fault_log=chosen["fault_log"],
        strict=chosen["strict"],
        shared=chosen.get("shared", False),
        connections=chosen.get("connections", False),
    )


def cache_options(chosen: dict[str, Any], estate: Estate) -> CacheOptions:
    """Return what the options of a cache choose. Raises `ValueError` for what cannot be."""
    clock: Clock = chosen["clock"]
    faster = clock.factor if isinstance(clock, ScaledClock) else 1.0
    registry: Registry | None = chosen["registry"]
    given = {"srvs": chosen["srvs"]} if chosen["srvs"] else {}
    settings = CacheSettings(
        retention=chosen["retention"],
        reply_timeout=chosen["reply_timeout"] * max(faster, 1.0),
        literal=chosen["literal"],
        sub_window=chosen["sub_window"],
        clock_skew=chosen["clock_skew"] * max(faster, 1.0),
        collapse=not chosen["no_collapse"],
        shadow=chosen["shadow"],
        seed=estate.seed,
        retries=chosen["retries"],
        device_limit=chosen["device_limit"],
        device_queue=chosen["device_queue"],
        hold_down=chosen["hold_down"],
        shared=chosen.get("shared", False),
        **given,
    )
    store = chosen["store"] or f"esme-cache-{estate.name}.sqlite"
    if "://" not in store and chosen["store_key"] is None:
        file = Path(store.removeprefix("sqlite:"))
        warn_if_exposed(file, "its readings", lambda octets: octets.startswith(_SQLITE))
    if settings.shared and store == MEMORY:
        raise ValueError(
            f"--shared: {MEMORY} is a store of this process alone; give one for all, "
            "--store FILE or valkey://host:port/0"
        )
    return CacheOptions(
        settings,
        store,
        chosen["store_limit"],
        chosen["store_key"],
        registry,
        chosen["decisions"],
    )
