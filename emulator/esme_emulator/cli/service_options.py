"""Options of the commands that run until interrupted, and the parts that they configure."""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click

from esme_emulator.app.services import CacheOptions, FleetOptions
from esme_emulator.cache.policy.settings import SETTINGS, CacheSettings, HoldDown
from esme_emulator.cache.registry.file import load_registry
from esme_emulator.cache.registry.registry import Registry
from esme_emulator.cache.store import MEMORY
from esme_emulator.cache.store.base import LEAST_LIMIT
from esme_emulator.cli.options import (
    CONTROL_TOKEN,
    FILE,
    STORE_PASSWORD,
    Parameter,
    SecretFile,
    Whole,
    all_of,
    control_token,
    control_token_option,
    warn_if_exposed,
)
from esme_emulator.cli.render.screen import warn
from esme_emulator.estate.estate import Estate, EstateSource, with_parties
from esme_emulator.estate.parties import DUIS_PARTIES, PartyList
from esme_emulator.estate.parties_file import load_parties
from esme_emulator.faults.base import FaultError
from esme_emulator.faults.loading import parse_rules
from esme_emulator.faults.selector import FaultRule
from esme_emulator.fleet.wan import NO_WAN, check_wan
from esme_emulator.profiles import (
    MeterMix,
    MeterProfile,
    ProfileError,
    meter_profile,
    read_fleet,
)
from esme_emulator.profiles.latency import parse_latency
from esme_emulator.runtime.clock import Clock, ScaledClock, parse_clock
from esme_emulator.runtime.files import UnreadableError, read_text
from esme_emulator.runtime.listening import HOST, Listen, is_loopback


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 0 <= int(part) < int(parts)):
        raise ValueError(f"shard {text!r}: give K/N, such as 0/4, with K from 0 to N - 1")
    return int(part), int(parts)


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
    """Return the rules of all files in order. Two rules of one name are an error."""
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


class _Bounded(click.Option):
    """An option whose help shows the bounds of its value in words."""

    def __init__(self, *args: Any, bounds: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = bounds

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return the notes in brackets behind the help."""
        return {**super().get_help_extra(ctx), "range": self._bounds}


def setting_option(name: str) -> Callable[[Any], Any]:
    """Return the option for one cache setting, whose parameter has the setting's name.

    It is named like the setting without its unit: `--retention` for `retention_hours`. A list is
    an option to repeat (`--srv`), and a setting that is on by default is turned off
    (`--no-collapse`).
    """
    setting = SETTINGS[name]
    flag = f"--{setting.words(name).replace(' ', '-')}"
    named: dict[str, Any] = {"help": setting.help}
    if setting.is_number:
        metavar = setting.unit.upper() or ("N" if isinstance(setting.default, int) else "FRACTION")
        kind = Parameter(metavar, lambda text: setting.parse(name, text))
        # Shown as a person writes it: 25, not 25.0.
        named |= {"type": kind, "metavar": metavar, "default": f"{setting.default:g}"}
        named |= {"cls": _Bounded, "bounds": setting.bounds}
    elif setting.default is True:
        return click.option(
            flag.replace("--", "--no-"),
            name,
            is_flag=True,
            callback=lambda _, __, is_off: not is_off,
            help=_TURNED_OFF[name],
        )
    elif setting.default is False:
        named |= {"is_flag": True}
    elif setting.default is None:
        named |= {"type": Parameter("failures,seconds", HoldDown.parse), "show_default": "never"}
    else:
        return click.option(
            flag.removesuffix("s"),
            name,
            multiple=True,
            metavar="SRV",
            show_default=", ".join(setting.default),
            help=f"{setting.help} May be repeated.",
        )
    return click.option(flag, name, **named)


_TURNED_OFF = {"collapse": "Send every miss to the meter, even if an equal read is in flight."}
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_CLOCK = Parameter("clock", parse_clock)
_LATENCY = Parameter("latency", parse_latency)
_REGISTRY = Parameter("file", lambda text: load_registry(Path(text)))

clock_option = click.option(
    "--clock",
    type=_CLOCK,
    default="system",
    help="Clock of meters and cache: system, scaled:FACTOR[@TIME[=REAL]] or manual[@TIME].",
)
fleet_file_option = click.option(
    "--fleet-file",
    type=Parameter("file", read_fleet),
    help="TOML file of meters with their own data, in place of --meters and --base.",
)
profile_option = click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME|FILE",
    show_default="the mix of all shipped profiles",
    help="Meter profile. May be repeated.",
)


def _address(text: str) -> str:
    try:
        return HOST if text == "localhost" else str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address: 0.0.0.0 is every interface") from None


def _listen(ctx: click.Context, _: click.Parameter, host: str) -> Listen:
    """Return where to listen. Raises `UsageError` if the control interface would be open."""
    token = control_token(ctx)
    if ctx.params.get("control") is not None and token is None and not is_loopback(host):
        raise click.UsageError(
            f"--listen {host}: --control needs a token there: "
            f"set {CONTROL_TOKEN}, or give --control-token-file FILE"
        )
    return Listen(host, token)


listen_options = all_of(
    control_token_option(
        "File with the token that requests to --control need; needed beyond loopback."
    ),
    click.option(
        "--listen",
        type=Parameter("host", _address),
        metavar="HOST",
        default=HOST,
        callback=_listen,
        help="Address for its own broker, --control and --duis; 0.0.0.0 is every interface.",
    ),
)
common_options = all_of(
    clock_option,
    click.option(
        "--control",
        type=Whole(0, 65535),
        metavar="PORT",
        show_default="off",
        is_eager=True,  # so that it is read before --listen
        help="Port of the HTTP control interface and its page; 0 takes a free one.",
    ),
    listen_options,
)
meter_options = all_of(
    click.option(
        "--latency",
        type=_LATENCY,
        default="none",
        help="Time a meter takes to answer: none, 150ms, uniform:LOW,HIGH, normal:MEAN,SD, "
        "lognormal:MEDIAN,P99 or empirical:FILE.",
    ),
    click.option(
        "--wan",
        type=Parameter("wan", _wan),
        metavar="NAME|FILE",
        default=NO_WAN,
        help="Network between broker and meters, see esme profiles list; "
        "profile takes the network of each meter's profile.",
    ),
    profile_option,
    fleet_file_option,
    click.option(
        "--faults",
        type=FILE,
        multiple=True,
        callback=_faults,
        help="TOML file of fault rules. May be repeated.",
    ),
    click.option(
        "--fault-log", type=FILE, help="Append every fault that fires to this file, as JSON lines."
    ),
    click.option("--strict", is_flag=True, help="Let meters refuse repeated originator counters."),
)
store_key_option = click.option(
    "--store-key",
    type=SecretFile("this key", re.compile(rb"\s*[0-9A-Fa-f]{64}\s*").fullmatch),
    help="File with the key that encrypts readings in the store, 64 hexadecimal digits.",
)
sharing_option = click.option(
    "--shared",
    is_flag=True,
    help="Share requests with other processes on the broker, through $share.",
)
registry_option = click.option(
    "--registry",
    type=_REGISTRY,
    show_default="every party may read every meter",
    help="TOML file of parties and registrations. Changes are kept in FILE.changes.",
)
caching_options = all_of(
    setting_option("retention_hours"),
    click.option(
        "--store",
        metavar="FILE|URL",
        callback=STORE_PASSWORD.into_url,
        show_default="an SQLite file for each estate",
        help="Store of readings: an SQLite file, memory: or valkey://host:port/0.",
    ),
    STORE_PASSWORD.option(),
    store_key_option,
    click.option(
        "--store-limit",
        type=Parameter("size", _size),
        default="1GB",
        help="Size limit of the readings in the store, such as 500MB. The oldest are evicted.",
    ),
    *(setting_option(name) for name in SETTINGS if name not in ("retention_hours", "shared")),
    registry_option,
    click.option(
        "--decisions",
        type=FILE,
        help="Append every decision and reply to this file, as JSON lines.",
    ),
)
sharding_options = all_of(
    sharing_option,
    click.option(
        "--shard",
        type=Parameter("k/n", _shard),
        help="Run only every N-th meter, beginning with meter K.",
    ),
    click.option("--connections", is_flag=True, help="Give each meter its own connection."),
    click.option(
        "--workers",
        type=Whole(1, 64),
        metavar="N",
        default=1,
        help="Number of processes. Each runs a part of the meters.",
    ),
)


def profiles_of(
    names: Sequence[str], fleet: MeterMix | None = None
) -> tuple[MeterProfile, ...] | None:
    """Return the profiles of `fleet` or of these names or files; None without either.

    Raises `ProfileError`, and `UsageError` for both.
    """
    if fleet is not None:
        if names:
            raise click.UsageError("--profile: a fleet file gives each meter its profile")
        return fleet
    return tuple(meter_profile(name) for name in names) if names else None


def estate_of(source: EstateSource, registry: Registry | None) -> Estate:
    """Return the estate, with the parties of --parties and of --registry, and warn of mistakes.

    Raises what `EstateSource.estate` does, and `UsageError` for registrations in a wrong place.
    """
    estate = source.estate()
    given = PartyList() if source.parties is None else load_parties(source.parties)
    if given.has_registrations and registry is None:
        raise click.UsageError(
            f"--parties {source.parties}: it has registrations: give it as --registry"
        )
    warn(list(estate.notes))
    if registry is None:
        return estate
    warn(list(registry.party_list.notes))
    estate = with_parties(estate, registry.party_list.without({one.eui for one in given.parties}))
    # A file of DCC Boxed has parties that the user may not care for.
    own = [party for party in given.parties if party not in DUIS_PARTIES]
    for party in (*own, *registry.party_list.parties):
        if reason := registry.why_all_refused(party.eui):
            warn([f"all requests of party {party.name} are refused: {reason}"])
    return estate


def fleet_options(chosen: dict[str, Any]) -> FleetOptions:
    """Return the options of a fleet. Raises `ProfileError`."""
    return FleetOptions(
        latency=chosen["latency"],
        wan=chosen["wan"],
        profiles=profiles_of(chosen["profiles"], chosen.get("fleet_file")),
        faults=chosen["faults"],
        fault_log=chosen["fault_log"],
        strict=chosen["strict"],
        shared=chosen.get("shared", False),
        connections=chosen.get("connections", False),
    )


def cache_options(chosen: dict[str, Any], estate: Estate) -> CacheOptions:
    """Return the options of a cache. Raises `ValueError` if they contradict each other."""
    given = {name: chosen[name] for name in SETTINGS if name in chosen}
    if not given["srvs"]:
        del given["srvs"]
    # Meters answer in real time. A faster clock must wait as long, in more of its own seconds.
    clock: Clock = chosen["clock"]
    faster = max(clock.factor, 1.0) if isinstance(clock, ScaledClock) else 1.0
    for name in ("reply_timeout", "clock_skew"):
        given[name] *= faster
    settings = CacheSettings(seed=estate.seed, **given)
    registry: Registry | None = chosen["registry"]
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


_SQLITE = b"SQLite format 3\0"
"""First octets of an SQLite file."""
