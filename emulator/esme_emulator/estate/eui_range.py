"""Ranges of EUIs, and parts of them, that cost the same however many they hold."""

from collections.abc import Sequence
from typing import overload

from gbcs import EUI


class EuiRange(Sequence[EUI]):
    """The EUIs `base` to `base + number - 1`.

    Raises `ValueError` where there are no such EUIs.
    """

    def __init__(self, base: EUI, number: int) -> None:
        if number < 1 or int(base) + number > 1 << 64:
            raise ValueError(f"{number} meters from {base} on: there are no such EUIs")
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
    """Return every `parts`-th of `meters`, from number `part` on, which counts from 0.

    All shards together are the meters, each in one of them. Raises `ValueError` where there is no
    such shard, or no meter in it.

    >>> shard(EuiRange(EUI.from_int(0), 7), 1, 3)[1]
    EUI('0000000000000004')
    """
    if not 0 <= part < parts:
        raise ValueError(f"shard {part} of {parts}: there must be 1 or more, which count from 0")
    if part >= len(meters):
        raise ValueError(f"shard {part} of {parts}: there are only {len(meters)} meters")
    return meters[part::parts]
