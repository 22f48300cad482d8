"""Ranges of EUIs, and shards of them, at the same cost for any size."""

from collections.abc import Sequence
from typing import overload

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
