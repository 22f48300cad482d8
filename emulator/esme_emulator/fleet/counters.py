"""Counters: how many commands meters received, and how many replies the broker took from them.

Knows meters, SRVs and outcomes by name, and nothing of why. Counts are exact, and a meter that
nobody asked takes no memory. Those of several processes add up with `merge`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from esme_emulator.messaging.topics import BAD_TOPIC
from gbcs import EUI

NOT_HOSTED = "not-hosted"
"""Outcome of a command for a meter that is not of this fleet; it is counted for no meter."""
RETAINED, TOO_LONG = "retained", "too-long"
"""Outcomes of messages that the transport dropped: from the past, or longer than any command."""

NO_HITS = frozenset({NOT_HOSTED, RETAINED, TOO_LONG, BAD_TOPIC})
"""Outcomes of what reached no meter of this fleet. They are counted for no meter."""

PROCESS_HEADER = "Esme-Process"
"""HTTP header of exported counts: the same for as long as a process lives, and for no other."""


class Stage(StrEnum):
    """When something is counted."""

    RECEIVED = "received"
    """A command, when it comes from the broker; its outcome is what becomes of it."""
    REPLIED = "replied"
    """A reply, when the broker has it; its outcome is that of its command."""
    UNSENT = "unsent"
    """A reply that the broker did not take; its outcome is that of its command."""


class Series(NamedTuple):
    """What is counted together."""

    stage: Stage
    srv: str
    outcome: str


class Row(NamedTuple):
    """How often one meter was counted in one series."""

    device: EUI
    stage: Stage
    srv: str
    outcome: str
    number: int


@dataclass(slots=True)
class _Tally:
    total: int = 0
    by_meter: dict[int, int] = field(default_factory=dict)
    """Keys are EUIs as numbers, which take a third less memory than their octets."""


class Counters:
    """Counts by meter, SRV, outcome and stage."""

    __slots__ = ("_received", "_tallies")

    def __init__(self) -> None:
        self._tallies: dict[Series, _Tally] = {}
        self._received: dict[str, list[dict[int, int]]] = {}
        """The tallies of what was received, by SRV."""

    def count(
        self, stage: Stage, device: EUI | None, srv: str, outcome: str, number: int = 1
    ) -> None:
        """Count `number` more; where `device` is None, in the total alone."""
        tally = self._tally(Series(stage, srv, outcome))
        tally.total += number
        if device is not None:
            key = int.from_bytes(device, "big")
            tally.by_meter[key] = tally.by_meter.get(key, 0) + number

    def _tally(self, series: Series) -> _Tally:
        tally = self._tallies.get(series)
        if tally is None:
            tally = self._tallies[series] = _Tally()
            if series.stage is Stage.RECEIVED:
                self._received.setdefault(series.srv, []).append(tally.by_meter)
        return tally

    def received(self, device: EUI, srv: str) -> int:
        """Return how many commands of `srv` a meter received, whatever became of them."""
        key = int.from_bytes(device, "big")
        return sum([by_meter.get(key, 0) for by_meter in self._received.get(srv, ())])

    @property
    def device_hits(self) -> int:
        """Commands that the meters of this fleet received, whatever became of them."""
        return self.hits()

    def hits(
        self, srv: str | None = None, *, device: EUI | None = None, outcome: str | None = None
    ) -> int:
        """Return how many commands that fit the meters of this fleet received; None fits all."""
        wanted = Stage.RECEIVED, srv, outcome
        return sum(
            self._number(series, device)
            for series in self._tallies
            if _fits(series, wanted) and series.outcome not in NO_HITS
        )

    def _number(self, series: Series, device: EUI | None) -> int:
        """Return how often a series was counted, of one meter if it is given."""
        tally = self._tallies.get(series)
        if tally is None:
            return 0
        return tally.total if device is None else tally.by_meter.get(int(device), 0)

    def total(
        self, stage: Stage | None = None, *, srv: str | None = None, outcome: str | None = None
    ) -> int:
        """Return the sum of everything that fits; None fits all."""
        wanted = stage, srv, outcome
        return sum(tally.total for series, tally in self._tallies.items() if _fits(series, wanted))

    def totals(self) -> dict[Series, int]:
        """Return the sum of every series, in order of stage, SRV and outcome."""
        return {series: self._tallies[series].total for series in sorted(self._tallies)}

    def meters(self) -> int:
        """Return how many different meters were counted; takes time and memory for each."""
        return len(set().union(*[tally.by_meter for tally in self._tallies.values()]))

    def of_meter(self, device: EUI) -> list[Row]:
        """Return the rows of one meter, in order of stage, SRV and outcome."""
        key = int(device)
        return [
            Row(device, *series, self._tallies[series].by_meter[key])
            for series in sorted(self._tallies)
            if key in self._tallies[series].by_meter
        ]

    def rows(
        self,
        stage: Stage | None = None,
        *,
        srv: str | None = None,
        outcome: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Yield at most `limit` rows that fit, series by series; None fits all.

        Within a series meters come in the order in which they were first counted. Nothing may be
        counted meanwhile.
        """
        wanted = stage, srv, outcome
        found = (
            Row(EUI.from_int(key), *series, number)
            for series in sorted(self._tallies)
            if _fits(series, wanted)
            for key, number in self._tallies[series].by_meter.items()
        )
        return islice(found, limit)

    def received_by_meter(self) -> dict[tuple[EUI, str], int]:
        """Return the commands that every meter received, by meter and SRV."""
        sums: dict[tuple[EUI, str], int] = {}
        for row in self.rows(Stage.RECEIVED):
            sums[row.device, row.srv] = sums.get((row.device, row.srv), 0) + row.number
        return sums

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Return the commands received, by SRV and outcome."""
        return {
            (series.srv, series.outcome): total
            for series, total in self.totals().items()
            if series.stage is Stage.RECEIVED
        }

    def as_table(
        self, device: EUI | None = None, srv: str | None = None
    ) -> list[tuple[str, str, int, int]]:
        """Return a row for every SRV and outcome: these two, commands received, replies sent.

        If `device` or `srv` is given, only what was counted of it.
        """
        pairs = sorted(
            {
                (series.srv, series.outcome)
                for series in self._tallies
                if srv in (None, series.srv) and self._number(series, device)
            }
        )
        return [
            (
                *pair,
                self._number(Series(Stage.RECEIVED, *pair), device),
                self._number(Series(Stage.REPLIED, *pair), device),
            )
            for pair in pairs
        ]

    def reset(self) -> None:
        """Forget everything."""
        self._tallies.clear()
        self._received.clear()

    def merge(self, other: "Counters") -> None:
        """Add what another process counted."""
        for series, tally in other._tallies.items():
            ours = self._tally(series)
            ours.total += tally.total
            for key, number in tally.by_meter.items():
                ours.by_meter[key] = ours.by_meter.get(key, 0) + number

    def to_json(self) -> list[dict[str, Any]]:
        """Return everything, as JSON has it: each series with its total and its meters."""
        return [
            {
                **series._asdict(),
                "total": self._tallies[series].total,
                "meters": {
                    f"{key:016X}": number for key, number in self._tallies[series].by_meter.items()
                },
            }
            for series in sorted(self._tallies)
        ]

    @classmethod
    def from_json(cls, form: object) -> "Counters":
        """Return what `to_json` gave. Raises `ValueError` where it did not."""
        counters = cls()
        if not isinstance(form, list):
            raise ValueError("counters are a JSON array of series")
        for place, entry in enumerate(form):
            try:
                counters._add(entry)
            except KeyError as error:
                raise ValueError(f"counters, series {place}: {error} is missing") from None
            except (AttributeError, TypeError, ValueError) as error:
                raise ValueError(f"counters, series {place}: {error}") from None
        return counters

    def _add(self, entry: Mapping[str, Any]) -> None:
        stage, srv, outcome = (_text(entry[name]) for name in Series._fields)
        tally = self._tally(Series(Stage(stage), srv, outcome))
        tally.total += _whole(entry["total"])
        for text, number in entry["meters"].items():
            key = int(EUI.parse(text))
            tally.by_meter[key] = tally.by_meter.get(key, 0) + _whole(number)


def _fits(series: Series, wanted: tuple[str | None, ...]) -> bool:
    return all(want is None or want == has for want, has in zip(wanted, series, strict=True))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value
