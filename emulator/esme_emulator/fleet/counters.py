"""Exact counts of the commands that meters received and of the replies that the broker took.

Counts are kept by meter, SRV and outcome. A meter without commands takes no memory. `merge` adds up
the counts of several processes.

Call numbers and originator counters are kept for each meter too. Their keys are EUIs as numbers,
which take less memory than their octets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from esme_emulator.messaging.topics import BAD_TOPIC
from gbcs import EUI, Command

_BITS = 40
"""Width of one call number. All call numbers of a meter share one integer, to save memory."""
_MASK = (1 << _BITS) - 1


class CallNumbers:
    """Numbers the commands of each SRV to each meter, from 1.

    Draws and fault rules depend on these numbers, so resetting `Counters` leaves them alone.
    """

    def __init__(self) -> None:
        self._shifts: dict[str, int] = {}
        """Position of the number of each SRV, in bits."""
        self._numbers: dict[int, int] = {}

    def next(self, meter: int, srv: str) -> int:
        """Return the number of the next command of `srv` to a meter."""
        shift = self._shifts.setdefault(srv, len(self._shifts) * _BITS)
        numbers = self._numbers[meter] = self._numbers.get(meter, 0) + (1 << shift)
        return numbers >> shift & _MASK


class AntiReplay:
    """Keeps the highest originator counter that each meter took from each remote party.

    A party's counter behind another, such as the Access Control Broker, is kept apart from the
    counter of its own commands (GBCS v4.1 clause 4.3.1.5).
    """

    def __init__(self) -> None:
        self._highest: dict[tuple[EUI, EUI], dict[int, int]] = {}
        """By originator and remote party, then by meter: there are many more meters."""

    def is_replayed(self, meter: int, command: Command) -> bool:
        """Return whether a meter took a command with this counter or a higher one before."""
        highest = self._highest.get((command.originator, command.remote_party), {})
        return command.originator_counter <= highest.get(meter, -1)

    def take(self, meter: int, command: Command) -> None:
        """Keep the counter of a command that a meter takes."""
        source = command.originator, command.remote_party
        self._highest.setdefault(source, {})[meter] = command.originator_counter


NOT_HOSTED = "not-hosted"
"""Outcome of a command for a meter that this fleet does not host."""
RETAINED, TOO_LONG = "retained", "too-long"
"""Outcomes of messages that the transport dropped: retained ones, and ones too long."""

NO_HITS = frozenset({NOT_HOSTED, RETAINED, TOO_LONG, BAD_TOPIC})
"""Outcomes of messages that reached no meter of this fleet; they count in totals only."""

PROCESS_HEADER = "Esme-Process"
"""HTTP header of exported counts: a value that identifies the process."""


class Stage(StrEnum):
    """What is counted, and when."""

    RECEIVED = "received"
    """A command, when the fleet receives it."""
    REPLIED = "replied"
    """A reply, when the broker has taken it; its outcome is that of its command."""
    UNSENT = "unsent"
    """A reply that the broker did not take; its outcome is that of its command."""


class Series(NamedTuple):
    """The key of one count."""

    stage: Stage
    srv: str
    outcome: str


class Row(NamedTuple):
    """The count of one meter in one series."""

    device: EUI
    stage: Stage
    srv: str
    outcome: str
    number: int


@dataclass(slots=True)
class _Tally:
    total: int = 0
    by_meter: dict[int, int] = field(default_factory=dict)
    """Keys are EUIs as numbers, which take a third less memory than octets."""


class Counters:
    """Counts by meter, SRV, outcome and stage."""

    __slots__ = ("_received", "_tallies")

    def __init__(self) -> None:
        self._tallies: dict[Series, _Tally] = {}
        self._received: dict[str, list[dict[int, int]]] = {}
        """Tallies of received commands, by SRV."""

    def count(
        self, stage: Stage, device: EUI | None, srv: str, outcome: str, number: int = 1
    ) -> None:
        """Add `number` to a count, and only to its total if `device` is None."""
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
        """Return how many commands of `srv` a meter received, with any outcome."""
        key = int.from_bytes(device, "big")
        return sum([by_meter.get(key, 0) for by_meter in self._received.get(srv, ())])

    @property
    def device_hits(self) -> int:
        """Commands that the meters of this fleet received, with any outcome."""
        return self.hits()

    def hits(
        self, srv: str | None = None, *, device: EUI | None = None, outcome: str | None = None
    ) -> int:
        """Return how many matching commands the meters of this fleet received; None matches all."""
        wanted = Stage.RECEIVED, srv, outcome
        return sum(
            self._number(series, device)
            for series in self._tallies
            if _fits(series, wanted) and series.outcome not in NO_HITS
        )

    def _number(self, series: Series, device: EUI | None) -> int:
        """Return the count of a series, of one meter or, if `device` is None, of all."""
        tally = self._tallies.get(series)
        if tally is None:
            return 0
        return tally.total if device is None else tally.by_meter.get(int(device), 0)

    def total(
        self, stage: Stage | None = None, *, srv: str | None = None, outcome: str | None = None
    ) -> int:
        """Return the sum of all matching series; None matches all."""
        wanted = stage, srv, outcome
        return sum(tally.total for series, tally in self._tallies.items() if _fits(series, wanted))

    def totals(self) -> dict[Series, int]:
        """Return the sum of every series, in order of stage, SRV and outcome."""
        return {series: self._tallies[series].total for series in sorted(self._tallies)}

    def meters(self) -> int:
        """Return the number of distinct meters; takes time and memory in proportion to it."""
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
        """Yield at most `limit` matching rows, series by series; None matches all.

        Within a series, meters come in the order of their first count. Do not count during the
        iteration.
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
        """Return the numbers of commands received, by meter and SRV."""
        sums: dict[tuple[EUI, str], int] = {}
        for row in self.rows(Stage.RECEIVED):
            sums[row.device, row.srv] = sums.get((row.device, row.srv), 0) + row.number
        return sums

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Return the numbers of commands received, by SRV and outcome."""
        return {
            (series.srv, series.outcome): total
            for series, total in self.totals().items()
            if series.stage is Stage.RECEIVED
        }

    def as_table(
        self, device: EUI | None = None, srv: str | None = None
    ) -> list[tuple[str, str, int, int]]:
        """Return rows of SRV, outcome, commands received and replies sent.

        `device` and `srv` limit the rows to one meter and one SRV.
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
        """Remove all counts."""
        self._tallies.clear()
        self._received.clear()

    def merge(self, other: "Counters") -> None:
        """Add the counts of another process."""
        for series, tally in other._tallies.items():
            ours = self._tally(series)
            ours.total += tally.total
            for key, number in tally.by_meter.items():
                ours.by_meter[key] = ours.by_meter.get(key, 0) + number

    def to_json(self) -> list[dict[str, Any]]:
        """Return a JSON array of all series with their totals and meters."""
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
        """Return the counters of a `to_json` array. Raises `ValueError` for anything else."""
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
