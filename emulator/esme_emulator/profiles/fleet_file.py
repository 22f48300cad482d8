"""Meters with their own data: a fleet file (TOML), or tables that a test or a request gives.

Only the blocks of a file are in memory, and the meters that were changed since. The half hours of a
meter are read from CSV when they are asked for, and not kept here.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from esme_emulator.profiles.curve_file import Channel, Values, parse_curves
from esme_emulator.profiles.loader import meter_profile, meter_profiles, wan_profile
from esme_emulator.profiles.model import HALF_HOURS, LoadProfile, MeterProfile, ProfileError
from esme_emulator.runtime.config import (
    Day,
    Device,
    Instant,
    Table,
    Takes,
    parse_toml,
    validate,
)
from esme_emulator.runtime.files import read_text
from gbcs import EUI
from gbcs.instants import HALF_HOUR

COMMISSIONED = "commissioned"
MOST_CHANGED = 10_000
"""Meters that can be changed in one process."""
_CHECKED = 100
"""Blocks whose first CSV file is read at the start; a file of years takes tens of milliseconds."""

_MOST_REGISTERS, _MOST_SECONDARY = 48, 4
_MOST_ENERGY = 2**32 - 1
"""Most Wh or varh of a register: a message gives it as 32 bits."""
_MOST_PRICE, _MOST_FINE = 327.67, 32.767
"""Most pence of a price, and most with a third decimal: a message gives prices as 16 bits."""

_Number = int | float
_Energies = Annotated[list[Annotated[int, Field(ge=0, le=10**9)] | None], Field(min_length=1)]
_Price = Annotated[
    _Number,
    Field(ge=0, le=_MOST_PRICE),
    Takes(f"pence from 0 to {_MOST_PRICE}, which is the most that a message holds"),
]


State = Literal["commissioned", "not-commissioned", "suspended", "decommissioned"]


class InlineCurve(Table):
    """Half hours in place of a CSV file, one after the other from `start` on, in Wh or varh."""

    start: Instant
    values: dict[Channel, _Energies]


class MeterTable(Table):
    """A meter's own data. Keys that are left out follow from profile and seed."""

    profile: str | None = None
    state: State = "commissioned"
    installed: Day | None = None
    generation: Literal["SMETS1", "SMETS2"] | None = None
    payment: Literal["credit", "prepayment"] | None = None
    wan: str | None = None
    balance: Annotated[_Number, Field(ge=-10_000, le=10_000)] | None = None
    """Pounds at installation. It excludes top-ups, debts and monthly resets."""
    chance: Annotated[_Number, Field(ge=0, le=1)] | None = None
    """Part of the random variation and of the spread that applies to loads; 0 for none."""
    half_hours: InlineCurve | None = None
    registers: dict[
        Channel,
        Annotated[
            list[Annotated[int, Field(ge=0, le=2 * 10**9)]],
            Field(min_length=1, max_length=_MOST_REGISTERS),
        ],
    ] = Field(default={})
    """Wh or varh at installation, of each tariff register, or of the only register."""
    switching: dict[str, Annotated[int, Field(ge=1, le=_MOST_REGISTERS)]] | None = None
    """Tariff register from each time of day (UTC) on."""
    prices: Annotated[list[_Price], Field(min_length=1, max_length=_MOST_REGISTERS)] | None = None
    """Pence for a kWh of each tariff register, or of each block."""
    standing_charge: _Price | None = None
    """Pence a day."""


class FileMeterTable(MeterTable):
    """Keys of `[[meter]]` in a fleet file."""

    eui: Device
    count: Annotated[int, Field(ge=1, le=30_000_000)] = 1
    """Number of meters from `eui` on."""
    csv: str | dict[Channel, str] | None = None
    """CSV file of half hours, or one for each channel; {eui} stands for the EUI."""
    unit: Literal["kWh", "Wh"] | None = None
    zone: str = "UTC"


class _FleetTable(Table):
    """Keys of a fleet file."""

    meter: Annotated[list[FileMeterTable], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class OwnData:
    """The own data of one meter."""

    profile: MeterProfile | None
    """None: the profile that the seed draws."""
    table: MeterTable
    curves: Mapping[str, Values]

    @property
    def tariff(self) -> tuple[int, ...] | None:
        """Register, from 0, of each half hour of the day; None if none is given."""
        if self.table.switching is None:
            return None
        return _slots(self.table.switching)


@dataclass(frozen=True, slots=True)
class _Block:
    first: int
    count: int
    table: MeterTable
    profile: MeterProfile | None


class MeterMix(tuple[MeterProfile, ...]):
    """The profiles of a fleet whose meters have own data. Compared and hashed by identity."""

    def __new__(
        cls,
        blocks: Sequence[tuple[EUI, MeterTable]],
        folder: Path = Path(),
        digest: str = "",
        kinds: Sequence[MeterProfile] = (),
    ) -> "MeterMix":
        """Take the first EUI and the table of each block of meters.

        CSV files are in `folder`, and `digest` stands for the data in identities. Meters without a
        profile are drawn from `kinds`, if there are any. Raises `ProfileError`.
        """
        made = [_Block(int(eui), _count(table), table, _profile(table)) for eui, table in blocks]
        made.sort(key=lambda block: block.first)
        for one, other in pairwise(made):
            if one.first + one.count > other.first:
                raise ProfileError(
                    f"meter: {EUI.from_int(other.first)} is in two blocks: give each meter once"
                )
        mix = super().__new__(cls, kinds or _kinds(made))
        mix._blocks = made
        mix._firsts = [block.first for block in made]
        mix._folder = folder
        mix._digest = digest or (_digest([repr(blocks)]) if blocks else "")
        mix._changed, mix._put = {}, {}
        mix.version = 0
        return mix

    _blocks: list["_Block"]
    _firsts: list[int]
    _folder: Path
    _digest: str
    """Stands for the data when the mix was made; empty without any."""
    _changed: dict[EUI, "_Block"]
    """Meters that were changed since."""
    _put: dict[EUI, str]
    """Digests of those whose data were replaced."""
    version: int
    """Number of changes: who keeps meters looks at it."""

    @classmethod
    def of(cls, profiles: tuple[MeterProfile, ...] | None) -> "MeterMix":
        """Return a mix that can be changed, of the same meters; None is the shipped mix."""
        if not isinstance(profiles, MeterMix):
            return cls((), kinds=profiles or meter_profiles())
        blocks = [(EUI.from_int(block.first), block.table) for block in profiles._blocks]
        return cls(blocks, profiles._folder, profiles._digest, tuple(profiles))

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __reduce__(self) -> tuple[Any, ...]:
        # Other processes get the meters as they were at first.
        blocks = [(EUI.from_int(block.first), block.table) for block in self._blocks]
        return MeterMix, (blocks, self._folder, self._digest, tuple(self))

    @property
    def digest(self) -> str:
        """Stands for the data of all meters in identities; empty without any.

        States do not count: a meter that does not answer still has the same readings.
        """
        put = sorted(self._put.items())
        return _digest([self._digest, repr(put)]) if put else self._digest

    @property
    def ranges(self) -> list[tuple[EUI, int]]:
        """The first EUI and the number of meters of each block, in order."""
        return [(EUI.from_int(block.first), block.count) for block in self._blocks]

    def put(self, eui: EUI, own: OwnData) -> None:
        """Replace what a meter has of its own. Raises `ProfileError` if too many were changed."""
        self._change(eui, _Block(int(eui), 1, own.table, own.profile))
        self._put[eui] = _digest([repr(own.table.model_copy(update={"state": COMMISSIONED}))])

    def set_state(self, eui: EUI, state: State) -> None:
        """Change the state of a meter. Raises `ProfileError` if too many meters were changed."""
        block = self._block(eui)
        table = block.table.model_copy(update={"state": state})
        self._change(eui, replace(block, first=int(eui), count=1, table=table))

    @property
    def is_changed(self) -> bool:
        """Whether meters were changed."""
        return bool(self._changed)

    def undo(self) -> None:
        """Give all meters back the data and states that they had at first."""
        self._changed.clear()
        self._put.clear()
        self.version += 1

    def _change(self, eui: EUI, block: "_Block") -> None:
        if eui not in self._changed and len(self._changed) >= MOST_CHANGED:
            raise ProfileError(f"{MOST_CHANGED} meters were changed already: reset, or restart")
        self._changed[eui] = block
        self.version += 1

    def state(self, eui: EUI) -> State:
        """Return the state of a meter."""
        return self.table(eui).state

    def table(self, eui: EUI) -> MeterTable:
        """Return what a meter has of its own."""
        return self._block(eui).table

    def kind(self, eui: EUI) -> MeterProfile | None:
        """Return the profile of a meter without its half hours; None if the seed draws it."""
        return self._block(eui).profile

    def has_own(self, eui: EUI) -> bool:
        """Return whether a meter has data of its own, or another state."""
        return self._block(eui) is not _NO_BLOCK

    def own(self, eui: EUI) -> OwnData:
        """Read and return the data of a meter. Raises `ProfileError`."""
        return _read(self._block(eui), self._folder, eui)

    def check(self) -> None:
        """Check each block, and read the data of its first meter in the first `_CHECKED` blocks.

        Raises `ProfileError`.
        """
        for number, block in enumerate(self._blocks):
            if number < _CHECKED:
                self.own(EUI.from_int(block.first))
            else:
                _check(block.table, block.profile, _inline(block.table))

    def _block(self, eui: EUI) -> "_Block":
        if eui in self._changed:
            return self._changed[eui]
        number = int(eui)
        place = bisect_right(self._firsts, number) - 1
        if place < 0:
            return _NO_BLOCK
        block = self._blocks[place]
        return block if number < block.first + block.count else _NO_BLOCK


def _kinds(blocks: Sequence["_Block"]) -> list[MeterProfile]:
    """Return the profiles that blocks name, and the shipped mix if one names none."""
    kinds = list(dict.fromkeys(block.profile for block in blocks if block.profile))
    if len(kinds) == 0 or any(block.profile is None for block in blocks):
        kinds += meter_profiles()
    return kinds


def read_fleet(path: Path | str) -> MeterMix:
    """Return the meters of a fleet file. Raises `ProfileError`: one line with file and key."""
    try:
        text = read_text(path)
        table, mistakes = validate(_FleetTable, parse_toml(text))
        if table is None or mistakes:
            more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
            raise ProfileError(f"{mistakes[0]}{more}")
        mix = MeterMix(
            [(each.eui, each) for each in table.meter],
            Path(path).parent,
            _digest(_texts(text, table, Path(path).parent)),
        )
        mix.check()
    except (ValueError, ProfileError) as error:
        raise ProfileError(f"{path}: {error}") from None
    return mix


def fleet_files(path: Path) -> Iterator[Path]:
    """Yield a fleet file and the CSV files that it names without {eui}."""
    yield path
    table, _ = validate(_FleetTable, parse_toml(read_text(path)))
    for each in table.meter if table else ():
        yield from (path.parent / name for name in _names(each).values() if "{eui}" not in name)


def built(meters: Mapping[str, Mapping[str, Any]]) -> MeterMix:
    """Return meters from a table for each EUI, as in a fleet file without csv.

    Raises `ProfileError`.
    """
    blocks = []
    for text, given in meters.items():
        try:
            blocks.append((EUI.parse(text), meter_table(given)))
        except ProfileError as error:
            raise ProfileError(f"meter {text}: {error}") from None
    return MeterMix(blocks)


def own_data(table: MeterTable, eui: EUI) -> OwnData:
    """Return the data of a meter from a table without files. Raises `ProfileError`."""
    return _read(_Block(int(eui), 1, table, _profile(table)), Path(), eui)


def _read(block: "_Block", folder: Path, eui: EUI) -> OwnData:
    return OwnData(block.profile, block.table, _curves(block, folder, eui))


def meter_table(given: Mapping[str, Any]) -> MeterTable:
    """Return a meter's own data from a table as in a fleet file. Raises `ProfileError`."""
    table, mistakes = validate(MeterTable, dict(given))
    if table is None or mistakes:
        raise ProfileError(str(mistakes[0]))
    return table


_NO_BLOCK = _Block(0, 0, MeterTable(), None)
"""Stands for the block of meters without data of their own."""


def _digest(texts: Iterable[str]) -> str:
    digest = sha256()
    for text in texts:
        digest.update(text.encode())
    return digest.hexdigest()


def _count(table: MeterTable) -> int:
    return table.count if isinstance(table, FileMeterTable) else 1


def _names(table: MeterTable) -> dict[Channel | None, str]:
    """Return the CSV files of a table by channel; None is for the channels of the header."""
    csv = table.csv if isinstance(table, FileMeterTable) else None
    if csv is None:
        return {}
    return {None: csv} if isinstance(csv, str) else {name: csv[name] for name in csv}


def _texts(text: str, table: _FleetTable, folder: Path) -> Iterator[str]:
    """Yield the text of a fleet file, and those of the CSV files that are named without {eui}."""
    yield text
    names = dict.fromkeys(name for each in table.meter for name in _names(each).values())
    yield from (_csv(folder / name) for name in names if "{eui}" not in name)


def _csv(path: Path) -> str:
    try:
        return read_text(path)
    except ValueError as error:
        raise ProfileError(f"csv: {path}: {error}") from None


def _curves(block: "_Block", folder: Path, eui: EUI) -> dict[str, Values]:
    """Return the half hours of a meter by channel. Raises `ProfileError`."""
    table, found = block.table, dict[str, Values]()
    for channel, name in _names(table).items():
        path = folder / name.replace("{eui}", str(eui))
        try:
            found |= parse_curves(_csv(path), *_forms(table), channel)
        except ValueError as error:
            raise ProfileError(f"csv: {path}: {error}") from None
    inline = _inline(table)
    if both := sorted(found.keys() & inline.keys()):
        raise ProfileError(f"half_hours: {both[0]} is in the CSV too: give it once")
    found |= inline
    _check(table, block.profile, found)
    return found


def _forms(table: MeterTable) -> tuple[str, str | None]:
    """Return zone and unit of the CSV files."""
    return (table.zone, table.unit) if isinstance(table, FileMeterTable) else ("UTC", None)


def _inline(table: MeterTable) -> dict[str, Values]:
    if table.half_hours is None:
        return {}
    begin, rest = divmod(table.half_hours.start, HALF_HOUR)
    if rest:
        raise ProfileError("half_hours.start: is not the beginning of a half hour")
    return {
        channel: {begin + at: value for at, value in enumerate(values) if value is not None}
        for channel, values in table.half_hours.values.items()
    }


def _check(table: MeterTable, kind: MeterProfile | None, curves: Mapping[str, Values]) -> None:
    """Raise `ProfileError` if keys contradict each other."""
    given = {*curves, *table.registers}
    if "secondary" in given and (kind is None or kind.secondary is None):
        raise ProfileError('secondary: give profile = "twin", which has a second element')
    for channel in get_args(Channel):
        energy = sum(curves.get(channel, {}).values()) + sum(table.registers.get(channel, ()))
        if energy > _MOST_ENERGY:
            raise ProfileError(
                f"{channel}: its energies add up to {energy}, and a register holds at most "
                f"{_MOST_ENERGY}: check the unit"
            )
    most = _MOST_REGISTERS if kind is None or kind.secondary is None else _MOST_SECONDARY
    for key, prices in (
        ("prices", table.prices),
        ("standing_charge", [table.standing_charge or 0]),
    ):
        fine = [price for price in prices or () if round(price * 1000) % 10]
        if fine and max(prices or ()) > _MOST_FINE:
            raise ProfileError(
                f"{key}: {fine[0]} has a third decimal, and one is above {_MOST_FINE}"
            )
    if table.switching is not None:
        _slots(table.switching)
        if max(table.switching.values()) > most:
            raise ProfileError(f"switching: this meter has {most} tariff registers")
        priced = 2 if table.prices is None else len(table.prices)
        if max(table.switching.values()) > priced:
            raise ProfileError("prices: give one for each tariff register of switching")
    if kind is not None and kind.block_thresholds:
        if table.switching is not None or table.registers.get("import"):
            raise ProfileError("a block tariff takes neither switching nor registers of import")
        if table.prices is not None and len(table.prices) < len(kind.block_thresholds) + 1:
            raise ProfileError(f"prices: give {len(kind.block_thresholds) + 1}, one for each block")


def _slots(switching: Mapping[str, int]) -> tuple[int, ...]:
    """Return the register, from 0, of each half hour of the day. Raises `ProfileError`."""
    times: dict[int, int] = {}
    for text, register in switching.items():
        match = re.fullmatch(r"([01]\d|2[0-3]):(00|30)", text)
        if match is None:
            raise ProfileError(
                f"switching: {text!r} is not the beginning of a half hour such as 00:30"
            )
        times[2 * int(match[1]) + (match[2] == "30")] = register - 1
    if 0 not in times:
        raise ProfileError('switching: give the register from "00:00" on')
    slots: list[int] = []
    for slot in range(HALF_HOURS):
        slots.append(times.get(slot, slots[-1] if slots else 0))
    return tuple(slots)


def _profile(table: MeterTable) -> MeterProfile | None:
    """Return the profile of a table, with the keys that replace its own. None: the seed draws it.

    Raises `ProfileError`.
    """
    replaced = ("generation", "payment", "wan", "chance")
    given = {name: getattr(table, name) for name in replaced if getattr(table, name) is not None}
    if table.profile is None and not given and not isinstance(table, FileMeterTable):
        return None
    kind = meter_profile(table.profile or "single")
    chance = given.pop("chance", None)
    if "wan" in given:
        wan_profile(given["wan"])
    if chance is not None:
        loads = ("primary", "secondary", "export")
        given |= {name: _calmed(getattr(kind, name), chance) for name in loads}
    return replace(kind, **given)


def _calmed(load: LoadProfile | None, chance: float) -> LoadProfile | None:
    """Return a load with only this part of its random variation."""
    if load is None:
        return None
    return replace(load, chance=load.chance * chance, spread=load.spread**chance)
