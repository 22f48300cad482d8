"""Sets of EUIs: ranges and their shards at the same cost for any size, and patterns.

A pattern has 16 hexadecimal digits, `?` for any one of them and `*` for any run.

Whether a pattern matches any EUI of a range is computed digit by digit, so a range of three EUIs
costs as much as one of thirty million.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from itertools import accumulate
from typing import Any, overload

from gbcs import EUI


class EuiRange(Sequence[EUI]):
    """The EUIs `base` to `base + number - 1`.

    Raises `ValueError` if there are no such EUIs.
    """

    def __init__(self, base: EUI, number: int) -> None:
        if number < 1 or int(base) + number > 1 << 64:
            raise ValueError(
                f"{number} meters from {base} on: no such EUIs. Give 1 or more, up to {'F' * 16}"
            )
        self._numbers = range(int(base), int(base) + number)

    def __contains__(self, eui: object) -> bool:
        return isinstance(eui, EUI) and int(eui) in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the place of an EUI at the same cost for any size of the range.

        Raises `ValueError` if the EUI is not between `start` and `stop`.
        """
        if value in self:
            place = self._numbers.index(int(value))
            if place in range(len(self))[start:stop]:
                return place
        raise ValueError(f"{value} is not among the EUIs")

    @overload
    def __getitem__(self, index: int) -> EUI: ...
    @overload
    def __getitem__(self, index: slice) -> "EuiRange": ...

    def __getitem__(self, index: "int | slice") -> "EUI | EuiRange":
        if isinstance(index, slice):
            part = EuiRange.__new__(EuiRange)
            part._numbers = self._numbers[index]
            return part
        return EUI.from_int(self._numbers[index])


class EuiRanges(Sequence[EUI]):
    """The EUIs of several ranges, in their order. The ranges must not overlap."""

    def __init__(self, ranges: Sequence[EuiRange]) -> None:
        self._ranges = tuple(ranges)
        self._ends = list(accumulate(map(len, self._ranges)))

    def __contains__(self, eui: object) -> bool:
        return any(eui in each for each in self._ranges)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> EUI: ...
    @overload
    def __getitem__(self, index: slice) -> "EuiRanges": ...

    def __getitem__(self, index: "int | slice") -> "EUI | EuiRanges":
        if isinstance(index, slice):
            return EuiRanges(self._at(range(len(self))[index]))
        place = range(len(self))[index]  # raises IndexError, and takes negative numbers
        part = bisect_right(self._ends, place)
        return self._ranges[part][place - (self._ends[part - 1] if part else 0)]

    def _at(self, places: range) -> list[EuiRange]:
        """Return the parts of the ranges at these places."""
        if places.step < 0:
            return [part[::-1] for part in reversed(self._at(places[::-1]))]
        parts = []
        for begin, each in self._placed():
            first = places.start - begin
            if first < 0:  # in an earlier range; the steps go on through this one
                first %= places.step
            parts.append(each[first : max(places.stop - begin, 0) : places.step])
        return parts

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the place of an EUI at the same cost for any size of the ranges.

        Raises `ValueError` if the EUI is not between `start` and `stop`.
        """
        for begin, each in self._placed():
            if value in each:
                place = begin + each.index(value)
                if place in range(len(self))[start:stop]:
                    return place
        raise ValueError(f"{value} is not among the EUIs")

    def _placed(self) -> Iterator[tuple[int, EuiRange]]:
        """Yield each range with the place of its first EUI."""
        return zip((0, *self._ends), self._ranges, strict=False)


def euis_of(ranges: Sequence[tuple[EUI, int]]) -> Sequence[EUI]:
    """Return the EUIs of ranges of a first EUI and a number each, in this order.

    Raises `ValueError` if there are no such EUIs.
    """
    made = [EuiRange(first, number) for first, number in ranges]
    return made[0] if len(made) == 1 else EuiRanges(made)


EVERY_EUI = EuiRange(EUI.from_int(0), 1 << 64)


def shard(meters: Sequence[EUI], part: int, parts: int) -> Sequence[EUI]:
    """Return every `parts`-th of `meters`, beginning with number `part`, from 0.

    Each meter is in exactly one of the shards. Raises `ValueError` if there is no such shard, or no
    meter in it.

    >>> shard(EuiRange(EUI.from_int(0), 7), 1, 3)[1]
    EUI('0000000000000004')
    """
    if not 0 <= part < parts:
        raise ValueError(f"shard {part} of {parts}: shards are numbered from 0 to their number - 1")
    if part >= len(meters):
        raise ValueError(f"shard {part} of {parts}: there are only {len(meters)} meters")
    return meters[part::parts]


DIGITS = 16
FORMS = f"{DIGITS} hexadecimal digits, with ? for any one and * for any run of them"

_TEXT = re.compile(r"[0-9A-F?*]+")
_HEX = "0123456789ABCDEF"


@dataclass(frozen=True, slots=True)
class EuiPattern:
    """A pattern in upper case; without `?` and `*` it is one EUI."""

    text: str

    @classmethod
    def parse(cls, text: str) -> "EuiPattern":
        """Return the pattern in `text`; hyphens, colons and case do not matter.

        Raises `ValueError` if it is not a pattern, or matches no EUI.
        """
        pattern = re.sub(r"\*+", "*", re.sub("[-:]", "", text.strip().upper()))
        if not _TEXT.fullmatch(pattern):
            raise ValueError(f"{text!r:.60} is not an EUI or a pattern: give {FORMS}")
        if not _fits(pattern, DIGITS):
            digits = len(pattern.replace("*", ""))
            raise ValueError(f"{text!r:.60} has {digits} digits, an EUI {DIGITS}: give {FORMS}")
        return cls(pattern)

    def __str__(self) -> str:
        return self.text

    @property
    def eui(self) -> EUI | None:
        """The one EUI that it matches, or None if it has wildcards."""
        return None if re.search("[?*]", self.text) else EUI.parse(self.text)

    def regex(self) -> str:
        """Return a regular expression for the text of the same EUIs."""
        return translate(self.text)

    def fits_some(self, low: int, high: int) -> bool:
        """Return whether it matches an EUI from `low` to `high`, both inclusive."""
        return _fits_some(frozenset({self.text}), 0, DIGITS, low, high)


def _fits_some(rests: frozenset[str], start: int, digits: int, low: int, high: int) -> bool:
    """Return whether one of `rests` matches the last `digits` of an EUI from `start` on."""
    end = start + 16**digits - 1
    if end < low or high < start or not any(_fits(rest, digits) for rest in rests):
        return False
    if low <= start and end <= high:
        return True
    span = 16 ** (digits - 1)
    return any(
        _fits_some(_behind(rests, digit), start + value * span, digits - 1, low, high)
        for value, digit in enumerate(_HEX)
    )


def _fits(rest: str, digits: int) -> bool:
    """Return whether `rest` matches some text of this many digits."""
    needed = len(rest) - rest.count("*")
    return needed == digits or ("*" in rest and needed < digits)


def _behind(rests: frozenset[str], digit: str) -> frozenset[str]:
    """Return the rests of patterns that match `digit` first."""
    left = {rest for rest in rests if rest.startswith("*")}
    for rest in rests:
        following = rest.removeprefix("*")
        if following[:1] in ("?", digit):
            left.add(following[1:])
    return frozenset(left)
