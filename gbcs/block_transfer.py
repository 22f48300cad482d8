"""General Block Transfer: split a message that is too long for a packet, and reassemble it.

Knows the numbers of blocks and their acknowledgements. Knows no clock and no network, and not what
the octets mean. The caller decides when to send, wait, resend or give up.

Source: DLMS UA 1000-2 (Green Book) edition 8, clauses 9.3.5 and 9.4.6.13; GBCS v4.1 clause 7.2.11.
No vector is segmented, so tests compare with tshark.
"""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from gbcs.block import MAX_WINDOW, Block, Routing
from gbcs.errors import DecodeError, EncodeError
from gbcs.message import MAX_OCTETS

__all__ = [
    "MAX_BLOCKS",
    "MAX_MEMORY",
    "MAX_WINDOW",
    "Block",
    "Reassembler",
    "Received",
    "Routing",
    "Transfers",
    "Unfinished",
    "segment",
]

MAX_BLOCKS = 0xFFFF
"""Most blocks of a transfer: their numbers have 16 bits."""
MAX_MEMORY = 64 << 20
"""Memory that `Transfers` takes, in octets."""
_PER_BLOCK = 100
"""Memory for a block that has come or is missing, in octets, beside its data."""
_MOST_LISTED = 10
"""Gaps between blocks that are named."""


def segment(
    message: bytes, *, block_size: int, window: int = MAX_WINDOW, routing: Routing | None = None
) -> list[bytes]:
    """Return the octets of the blocks of `message`, each with `block_size` octets of it.

    After every `window` blocks, and after the last, the sender waits for an acknowledgement. Block
    n is item n − 1; to resend it, send the same octets.

    >>> [block.hex() for block in segment(b"abc", block_size=2)]
    ['e07f00010000026162', 'e0bf000200000163']

    Raises `EncodeError` if `message` is empty or takes more than 65,535 blocks, or if `block_size`
    or `window` is out of range.
    """
    if not message:
        raise EncodeError("nothing to send: a block without data acknowledges", "block.data")
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
    """The result of receiving a block."""

    block: Block
    message: bytes | None
    """The whole message with the block that completes it, else None."""
    missing: tuple[int, ...]
    """Numbers below the highest received of blocks that have not come: resend these, unless they
    are in flight. Until the last block has come, more may be missing."""
    acknowledgement: bytes | None
    """The octets to reply with if the sender of the block waits for them, else None."""


class Reassembler:
    """Reassembles the blocks of one transfer, in any order and with any repetitions.

    The caller keeps transfers apart: by topic, connection or `Block.routing`. A block whose routing
    header differs from that of the first is refused. A refused block changes nothing, and the
    transfer can go on. At most `max_octets` in `max_blocks` blocks are kept.
    """

    def __init__(
        self,
        *,
        window: int = MAX_WINDOW,
        max_blocks: int = MAX_BLOCKS,
        max_octets: int = MAX_OCTETS,
    ) -> None:
        """Offer `window` blocks with each acknowledgement; a sender that exceeds it is not refused.

        Raises `EncodeError` if `window` is not 1 to 63.
        """
        _check_window(window)
        self._window, self._max_blocks, self._max_octets = window, max_blocks, max_octets
        self._blocks: dict[int, bytes] = {}
        self._missing: list[int] = []  # ascending
        self._highest = self._last = self._size = 0
        self._own = 1  # number of our next block, which follows from what the sender acknowledges
        self._routing: Routing | None = None

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of blocks that have not come, below the highest that has."""
        return tuple(self._missing)

    @property
    def message(self) -> bytes | None:
        """The whole message, None while a block is missing."""
        if not self._last or self._missing:
            return None
        return b"".join([self._blocks[number] for number in range(1, self._last + 1)])

    @property
    def memory(self) -> int:
        """The memory that it takes, in octets, roughly."""
        return self._size + _PER_BLOCK * (len(self._blocks) + len(self._missing) + 10)

    def gaps(self) -> str:
        """Return the numbers of the missing blocks as text: `2, 5 to 7, all after 9`."""
        gaps: list[list[int]] = []
        for number in self._missing:
            if gaps and gaps[-1][1] == number - 1:
                gaps[-1][1] = number
            else:
                gaps.append([number, number])
        texts = [f"{a}" if a == b else f"{a} to {b}" for a, b in gaps[:_MOST_LISTED]]
        texts += ["others"] if len(gaps) > _MOST_LISTED else []
        texts += [] if self._last else [f"all after {self._highest}"]
        return ", ".join(texts)

    def receive(self, octets: bytes) -> Received:
        """Take one block.

        Raises `DecodeError` if the octets are not a block, if it does not belong to this transfer,
        or if the sender aborts.
        """
        block = Block.parse(octets)
        if block.is_abort:
            raise DecodeError("the sender aborted the transfer", "block")
        new = not block.is_acknowledgement and self._is_new(block)
        if new:
            self._keep(block)
        # Our acknowledgements are blocks too, and continue after the last one acknowledged.
        self._own = min(max(self._own, block.acknowledged + 1), MAX_BLOCKS)
        waits = not (block.streaming or block.is_acknowledgement)
        return Received(
            block,
            self.message if new else None,
            self.missing,
            self.acknowledgement().octets() if waits else None,
        )

    def acknowledgement(self) -> Block:
        """Return the block that acknowledges what has come.

        Its window is no wider than the first gap: a sender who continues behind the acknowledged
        block fills that gap and sends nothing twice.
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
        """Return whether a block is new. Raises `DecodeError` if it contradicts earlier blocks."""
        number = block.number
        if not 1 <= number <= self._max_blocks:
            raise DecodeError(f"{number}; numbers are 1 to {self._max_blocks}", "block.number")
        if self._blocks and block.routing != self._routing:
            raise DecodeError("a block of another message", "block.routing")
        known = self._blocks.get(number)
        if known is not None:
            if known != block.data or block.last is not (number == self._last):
                raise DecodeError(f"block {number} came before, and differs", "block.data")
            return False
        if self._last and (block.last or number > self._last):
            raise DecodeError(f"{number}, but block {self._last} was the last", "block.number")
        if block.last and number < self._highest:
            raise DecodeError(f"{number} is the last, but {self._highest} came", "block.number")
        # Checked before the block is kept, so that a sender cannot fill the memory.
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


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A transfer that was given up."""

    source: str
    """Where its last block came from."""
    error: DecodeError
    """Names the missing blocks."""


_Key: TypeAlias = "tuple[str, Routing | None]"


@dataclass(slots=True)
class _Transfer:
    key: _Key
    source: str
    reassembler: Reassembler = field(default_factory=Reassembler)


class Transfers:
    """Reassembles the blocks of many transfers, interleaved in any way.

    Transfers are kept apart by routing header, and those without one by `channel`, such as a topic.
    Another of the same header or channel begins when the last is complete, or with another block 1.
    All take at most `MAX_MEMORY`: the transfer that was idle for longest is given up.
    """

    def __init__(self) -> None:
        self._open: dict[_Key, _Transfer] = {}  # longest idle first
        self._memory = 0
        self._unfinished: list[Unfinished] = []

    def whole(self, octets: bytes, source: str = "", channel: str = "") -> bytes | None:
        """Return a message: `octets`, or what `receive` returns if they begin as a block does."""
        return self.receive(octets, source, channel) if Block.begins(octets) else octets

    def receive(self, octets: bytes, source: str = "", channel: str = "") -> bytes | None:
        """Take a block that came from `source`; return the message if it is complete, else None.

        Acknowledgements are ignored, and so are blocks that come again. Raises `DecodeError` if the
        octets are not a block, if it contradicts others, or if the sender aborts.
        """
        block = Block.parse(octets)
        if block.is_acknowledgement and not block.is_abort:
            return None
        key = channel, block.routing
        transfer = self._open.get(key)
        if transfer is not None:
            self._remove(transfer)
            try:
                return self._receive(transfer, octets, source)
            except DecodeError:
                if block.is_abort:
                    raise
                if block.number != 1 and transfer.reassembler.gaps():
                    self._add(transfer)
                    raise
            self._give_up(transfer)
        return self._receive(_Transfer(key, source), octets, source)

    def take_unfinished(self) -> list[Unfinished]:
        """Return the transfers that were given up since the last call."""
        taken, self._unfinished = self._unfinished, []
        return taken

    def give_up(self) -> None:
        """Give up all transfers, because no more blocks will come."""
        while self._open:
            self._give_up_first()

    def _receive(self, transfer: _Transfer, octets: bytes, source: str) -> bytes | None:
        message = transfer.reassembler.receive(octets).message
        transfer.source = source
        self._add(transfer)
        while self._memory > MAX_MEMORY:
            self._give_up_first()
        return message

    def _add(self, transfer: _Transfer) -> None:
        self._open[transfer.key] = transfer
        self._memory += transfer.reassembler.memory

    def _remove(self, transfer: _Transfer) -> None:
        del self._open[transfer.key]
        self._memory -= transfer.reassembler.memory

    def _give_up_first(self) -> None:
        transfer = next(iter(self._open.values()))
        self._remove(transfer)
        self._give_up(transfer)

    def _give_up(self, transfer: _Transfer) -> None:
        gaps, routing = transfer.reassembler.gaps(), transfer.key[1]
        if not gaps:
            return  # complete, and kept only to recognise blocks that come again
        reason = f"missing blocks: {gaps}"
        if routing is not None:
            parties = f"{routing.originator} to {routing.recipient}"
            reason += f" ({parties}, counter {routing.originator_counter})"
        error = DecodeError(reason, "general block transfer")
        self._unfinished.append(Unfinished(transfer.source, error))
