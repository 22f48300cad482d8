"""Patterns of EUIs: 16 hexadecimal digits, `?` for any one of them and `*` for any run.

Whether a pattern matches any EUI of a range is computed digit by digit, so a range of three EUIs
costs as much as one of thirty million.
"""

import re
from dataclasses import dataclass
from fnmatch import translate

from gbcs import EUI

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
    """Return what is left of patterns after they have matched a digit."""
    left = {rest for rest in rests if rest.startswith("*")}
    for rest in rests:
        following = rest.removeprefix("*")
        if following[:1] in ("?", digit):
            left.add(following[1:])
    return frozenset(left)
