"""One message as annotated octets, and many as a summary: a line for each, and totals.

Columns have fixed widths, so that each line can be printed at once.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from esme_emulator.cli.render.screen import show_progress
from gbcs.errors import GbcsError
from gbcs.explain import Line
from gbcs.message import Message, Status
from gbcs.opaque import Opaque
from gbcs.sources import SourceError
from gbcs.usecases.outcome import outcome_of, srv_of

_SOURCE_WIDTH = 40
_WIDTHS = (11, 11, 13, 16, 16, 20, 18, 10, 10)  # the columns between source and problems
_TITLES = (
    *("kind", "SRV", "use case", "originator", "recipient", "counter", "result"),
    *("MAC", "signature"),
)
_NOTHING = ("-",) * len(_WIDTHS)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message and its source, or the error that it could not be decoded for."""

    source: str
    message: Message | None = None
    error: GbcsError | SourceError | None = None
    input: int = 1
    """Number of the input that it is from, counted from 1."""


@dataclass(slots=True)
class Totals:
    """Counts messages, by the status of MAC and signature."""

    decoded: int = 0
    failed: int = 0
    mac: Counter[Status] = field(default_factory=Counter)
    signature: Counter[Status] = field(default_factory=Counter)

    def add(self, item: Decoded) -> None:
        """Count a message."""
        if item.message is None:
            self.failed += 1
            return
        self.decoded += 1
        self.mac[item.message.mac_status] += 1
        self.signature[item.message.signature_status] += 1

    def lines(self) -> Iterator[str]:
        """Yield the totals as lines."""
        number = self.decoded + self.failed
        yield f"messages: {number}; decoded {self.decoded}, failed {self.failed}"
        for name, counted in (("MAC", self.mac), ("signature", self.signature)):
            yield f"{name}: " + ", ".join(f"{status} {counted[status]}" for status in Status)


def show_summary(items: Iterable[Decoded], inputs: int, totals: Totals) -> None:
    """Print the summary of `items` to stdout, with a bar on stderr if that is a terminal.

    The bar counts inputs, or the messages of a single input. Long names of sources are cut if
    stdout is a terminal.
    """
    cut = sys.stdout.isatty()
    with show_progress() as begin:
        step = begin("decoded", inputs if inputs > 1 else None)
        for line in summary(_stepping(items, inputs, step), totals, cut=cut):
            sys.stdout.write(f"{line}\n")  # looked up each time: the bar replaces sys.stdout
            sys.stdout.flush()  # the next message may take a while to arrive


def _stepping(items: Iterable[Decoded], inputs: int, step: Callable[[], None]) -> Iterator[Decoded]:
    done = 0
    for item in items:
        yield item
        reached = item.input if inputs > 1 else done + 1
        for _ in range(done, reached):
            step()
        done = reached


def summary(items: Iterable[Decoded], totals: Totals, *, cut: bool = False) -> Iterator[str]:
    """Yield a heading, a line for each item as it arrives, and the totals."""
    yield _line("source", _TITLES, "problems")
    for item in items:
        totals.add(item)
        source = item.source if item.source.isprintable() else ascii(item.source)[1:-1]
        if cut and len(source) > _SOURCE_WIDTH:
            source = f"...{source[3 - _SOURCE_WIDTH :]}"  # the end tells files apart
        yield _line(source, _cells(item.message), "; ".join(_problems(item)))
    yield ""
    yield from totals.lines()


def _line(source: str, cells: Iterable[str], problems: str) -> str:
    fixed = padded(cells, _WIDTHS)
    return "  ".join((f"{source:<{_SOURCE_WIDTH}}", *fixed, problems)).rstrip()


def padded(cells: Iterable[str], widths: Iterable[int]) -> list[str]:
    """Return texts of exactly these widths; longer ones end with three dots."""
    return [
        f"{cell if len(cell) <= width else f'{cell[: width - 3]}...':<{width}}"
        for cell, width in zip(cells, widths, strict=True)
    ]


def _cells(message: Message | None) -> tuple[str, ...]:
    if message is None:
        return _NOTHING
    return (
        message.kind,
        srv_of(message) or "-",
        use_case_of(message),
        str(message.originator),
        str(message.recipient),
        str(message.originator_counter),
        outcome_of(message) or "-",
        message.mac_status,
        message.signature_status,
    )


def use_case_of(message: Message) -> str:
    """Return the name of the use case, or the message code if it is unknown."""
    return message.use_case.name if message.use_case else f"{message.message_code:04X}"


def untyped(message: Message) -> Iterator[str]:
    """Yield why the content of a message is left as octets, if it is."""
    if isinstance(message.payload, Opaque):
        yield f"content not typed: {message.payload.reason}".rstrip(": ")


def _problems(item: Decoded) -> Iterator[str]:
    message = item.message
    if message is None:
        yield str(item.error)
        return
    if message.use_case is None:
        yield "unknown message code"
    yield from untyped(message)
    for status in (Status.INVALID, Status.UNVERIFIED):
        number = sum(part.status is status for part in message.protected)
        if number:
            yield f"{number} encrypted, {'invalid' if status is Status.INVALID else 'no key'}"


def explanation(lines: list[Line]) -> Iterator[str]:
    """Yield annotated octets as text: offset, octets, field and meaning."""
    for line in lines:
        digits = line.octets.hex().upper()
        shown = digits if len(digits) <= 32 else f"{digits[:26]}…{len(line.octets):>4}"
        mark = "~" if line.decrypted else " "
        field = "  " * line.depth + line.field
        yield f"{line.offset:6}{mark} {shown:<34}{field:<42} {line.meaning}".rstrip()
