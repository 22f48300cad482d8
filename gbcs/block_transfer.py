"""General Block Transfer: a message too long for the way travels in blocks, and is put together.

Knows the numbers of blocks and their acknowledgements; knows no clock and no network, and not what
the octets mean. When to send, wait, resend or give up is for whoever moves the octets.

Source: DLMS UA 1000-2 (Green Book) edition 8, clauses 9.3.5 and 9.4.6.13; GBCS v4.1 clause 7.2.11.
No vector is segmented; tshark is the judge.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace

from gbcs.block import MAX_WINDOW, Block, Routing
from gbcs.errors import DecodeError, EncodeError
from gbcs.message import MAX_OCTETS

__all__ = ["MAX_BLOCKS", "MAX_WINDOW", "Block", "Reassembler", "Received", "Routing", "segment"]

MAX_BLOCKS = 0xFFFF


def segment(
    message: bytes, *, block_size: int, window: int = MAX_WINDOW, routing: Routing | None = None
) -> list[bytes]:
    """Return the octets of the blocks in which `message` travels, each with `block_size` of it.

    After `window` blocks, and after the last, the sender waits for an acknowledgement. Number n is
    at place n − 1, and is sent again as it is.

    >>> [block.hex() for block in segment(b"abc", block_size=2)]
    ['e07f00010000026162', 'e0bf000200000163']

    Raises `EncodeError` where there is nothing to send, or it takes more than 65,535 blocks.
    """
    if not message:
        raise EncodeError("nothing to send; a block without data acknowledges", "block.data")
    if block_size < 1:
        raise EncodeError(f"{block_size}; a block has at least 1 octet", "block.data")
    _check_window(window)
    count = -(-len(message) // block_size)
    if count > MAX_BLOCKS:
        raise EncodeError(f"{count} blocks; {MAX_BLOCKS} are the limit", "block.number")
    return [
        Block(
            number=number,
            data=message[(number - 1) * block_size : number * block_size],
            last=number == count,
            streaming=number != count and number % window != 0,
            window=window,
            routing=routing,
        ).octets()
        for number in range(1, count + 1)
    ]


def _check_window(window: int) -> None:
    if not 1 <= window <= MAX_WINDOW:
        raise EncodeError(f"{window}; it has 1 to {MAX_WINDOW} blocks", "block.window")


@dataclass(frozen=True, slots=True)
class Received:
    """What a block did."""

    block: Block
    message: bytes | None
    """The whole message, with the block that completes it and no other."""
    missing: tuple[int, ...]
    """Blocks that have not come while one behind them has: to be resent, unless they are on their
    way. While the last block has not come either, more may be missing than these."""
    acknowledgement: bytes | None
    """What to answer, where the sender of the block waits for it."""


class Reassembler:
    """Puts together the blocks of one transfer, in whatever order and however often they come.

    Transfers are kept apart by whoever feeds it: by topic, connection or `Block.routing`. A block
    whose routing header is another than that of the first is refused. What is refused leaves no
    trace, and the transfer can go on. No more than `max_octets` in `max_blocks` are ever kept.
    """

    def __init__(
        self,
        *,
        window: int = MAX_WINDOW,
        max_blocks: int = MAX_BLOCKS,
        max_octets: int = MAX_OCTETS,
    ) -> None:
        """Offer `window` blocks with each acknowledgement; who sends more is not refused.

        Raises `EncodeError` where no acknowledgement can say so.
        """
        _check_window(window)
        self._window, self._max_blocks, self._max_octets = window, max_blocks, max_octets
        self._blocks: dict[int, bytes] = {}
        self._missing: list[int] = []  # ascending
        self._highest = self._last = self._size = 0
        self._own = 1
        self._routing: Routing | None = None

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers below the highest that has come, of blocks that have not."""
        return tuple(self._missing)

    @property
    def message(self) -> bytes | None:
        """The whole message, or None as long as a block is missing."""
        if not self._last or self._missing:
            return None
        return b"".join([self._blocks[number] for number in range(1, self._last + 1)])

    def receive(self, octets: bytes) -> Received:
        """Take one block. Raises `DecodeError` where it is none, or does not belong here."""
        block = Block.parse(octets)
        if block.is_abort:
            raise DecodeError("the sender gave the transfer up", "block")
        new = not block.is_acknowledgement and self._is_new(block)
        if new:
            self._keep(block)
        self._own = min(max(self._own, block.acknowledged + 1), MAX_BLOCKS)
        waits = not (block.streaming or block.is_acknowledgement)
        return Received(
            block,
            self.message if new else None,
            self.missing,
            self.acknowledgement().octets() if waits else None,
        )

    def acknowledgement(self) -> Block:
        """Return the block that says what has come.

        Its window is no wider than the first gap, so that a sender who goes on behind what is
        acknowledged fills that gap and sends nothing twice.
        """
        first = self._missing[0] if self._missing else self._highest + 1
        gap = 0
        for number in self._missing[: self._window]:
            if number != first + gap:
                break
            gap += 1
        routing = self._routing
        return Block(
            number=self._own,
            last=True,
            window=gap or self._window,
            acknowledged=first - 1,
            routing=routing
            and replace(routing, originator=routing.recipient, recipient=routing.originator),
        )

    def _is_new(self, block: Block) -> bool:
        """Return whether a block has not come before. Raises `DecodeError` where it cannot be."""
        number = block.number
        if not 1 <= number <= self._max_blocks:
            raise DecodeError(f"{number}; it is from 1 to {self._max_blocks}", "block.number")
        if self._blocks and block.routing != self._routing:
            raise DecodeError("a block of another message", "block.routing")
        known = self._blocks.get(number)
        if known is not None:
            if known != block.data or block.last is not (number == self._last):
                raise DecodeError(f"block {number} came before and was another", "block.data")
            return False
        if self._last and (block.last or number > self._last):
            raise DecodeError(f"{number}, but block {self._last} was the last", "block.number")
        if block.last and number < self._highest:
            raise DecodeError(f"{number} is the last, but {self._highest} came", "block.number")
        if self._size + len(block.data) > self._max_octets:
            raise DecodeError(f"more than {self._max_octets} octets in all", "block.data")
        return True

    def _keep(self, block: Block) -> None:
        number = block.number
        if number > self._highest:
            self._missing.extend(range(self._highest + 1, number))
            self._highest = number
        else:
            del self._missing[bisect_left(self._missing, number)]
        if block.last:
            self._last = number
        self._blocks[number] = block.data
        self._size += len(block.data)
        self._routing = block.routing
