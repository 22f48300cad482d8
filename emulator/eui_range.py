"""A range of EUIs that costs the same however many it holds."""

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
    def __getitem__(self, index: slice) -> Sequence[EUI]: ...

    def __getitem__(self, index: int | slice) -> EUI | Sequence[EUI]:
        if isinstance(index, slice):
            return tuple(EUI.from_int(number) for number in self._numbers[index])
        return EUI.from_int(self._numbers[index])
