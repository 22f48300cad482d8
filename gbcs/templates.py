"""Learned templates: read and write messages that differ from earlier ones in a few fields only.

A template holds the octets of one message and its gaps: the fields that differ from message to
message, such as counters and date-times. Octets that equal the template outside its gaps have the
same structure, so their value is the same too, except for what the gaps hold.

A template is learned from the schema's own reader. That reads the message twice more, with marks in
its gaps. Whatever differs between the two values follows from a gap; everything else is constant. A
value that cannot be explained so is not learned. Octets that fit no template go to the schema's
reader, which alone refuses. So a template can be missing, but it cannot say anything else.

Knows octets and dataclasses. Knows nothing of GBCS, and not which fields are gaps.
"""

import struct
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import shake_128
from itertools import pairwise
from typing import Any, Generic, TypeAlias, TypeVar

from gbcs.errors import GbcsError
from gbcs.frozen import twin
from gbcs.generated import function

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_KEYS = 256
"""Keys of a reader or writer under which templates are kept; the oldest is dropped first."""
MAX_SHAPES = 4
"""Templates under one key, and attempts to learn one."""
TURNS = 256
"""If there is no room, only one in so many templates is learned: learning one takes about as long
as reading twenty messages by the schema."""
MAX_CONCLUSIONS = 1024
"""Conclusions in a memo."""
MAX_OCTETS = 1 << 14
"""Longest octets that are learned. Templates save little on longer ones."""

Span: TypeAlias = tuple[int, int]
"""Where a gap begins and ends in the octets."""
Gaps: TypeAlias = tuple[bytes, ...]
"""What the gaps of a message hold, in their order."""


class _Switch:
    on = True


@contextmanager
def disabled() -> Iterator[None]:
    """Use no templates within the context, for tests and benchmarks.

    >>> import gbcs
    >>> with disabled():
    ...     gbcs.EUI.parse("00DB1234567890A0")
    EUI('00DB1234567890A0')
    """
    before, _Switch.on = _Switch.on, False
    try:
        yield
    finally:
        _Switch.on = before


class Template:
    """Octets with gaps at `spans`, which are in order and do not overlap."""

    __slots__ = ("_pieces", "_spans", "fixed", "sizes", "unpack")

    def __init__(self, octets: bytes, spans: Sequence[Span]) -> None:
        edges = [0, *[edge for span in spans for edge in span], len(octets)]
        sizes = [end - start for start, end in pairwise(edges)]
        self.unpack = struct.Struct("".join([f"{size}s" for size in sizes])).unpack
        """Splits octets of the template's length into fixed pieces and gaps, in turn."""
        self._spans = spans
        self.sizes = sizes[1::2]
        """Lengths of the gaps."""
        self._pieces = list(self.unpack(octets))
        self._pieces[1::2] = [b""] * len(spans)  # not kept: readings can be long
        self.fixed = tuple(self._pieces[::2])

    def __reduce__(self) -> tuple[type["Template"], tuple[bytes, Sequence[Span]]]:
        # A message that was read by template can be pickled, like any other.
        return Template, (self.fill(tuple(map(bytes, self.sizes))) or b"", self._spans)

    def gaps(self, octets: bytes) -> Gaps | None:
        """Return what the gaps hold in `octets`, or None if these do not fit the template."""
        try:
            pieces = self.unpack(octets)
        except struct.error:  # of another length
            return None
        return pieces[1::2] if pieces[::2] == self.fixed else None

    def fill(self, gaps: Gaps) -> bytes | None:
        """Return the octets with these gaps, or None if one has another length or type."""
        pieces = self._pieces.copy()
        try:
            if list(map(len, gaps)) != self.sizes:
                return None
            pieces[1::2] = gaps
            return b"".join(pieces)
        except TypeError:
            return None


Filled: TypeAlias = tuple[Template, Gaps]
"""The template and the gaps that a value was read from. A reader leaves it in the field of a
dataclass that the constructor does not take."""


def refill(filled: Filled | None) -> bytes | None:
    """Return the octets of a value that was read by template, or None if templates are disabled."""
    return filled[0].fill(filled[1]) if filled is not None and _Switch.on else None


class Memo(Generic[T]):
    """Remembers what was concluded from a template and some of its gaps; the oldest is dropped."""

    def __init__(self) -> None:
        self._known: dict[tuple[Template, Gaps], T] = {}

    def get(self, template: Template, gaps: Gaps) -> T | None:
        """Return the conclusion, or None if there is none or templates are disabled."""
        return self._known.get((template, gaps)) if _Switch.on else None

    def put(self, template: Template, gaps: Gaps, conclusion: T) -> None:
        """Remember a conclusion. It must follow from the template and these gaps alone."""
        if len(self._known) >= MAX_CONCLUSIONS:
            _drop_oldest(self._known)
        self._known[template, gaps] = conclusion


ReadFitting: TypeAlias = Callable[[bytes], T | None]
"""Returns the value of octets of a template's length, None if they do not fit it."""


class Reader(Generic[T]):
    """Reads octets by template if they fit one, else with `read`, from which it learns.

    `spans` returns the gaps of octets that `read` accepts. The value that a gap holds must not
    decide whether or how `read` reads the rest. Templates are tried if they agree with the octets
    in length and in the part `tell`. A template is learned when such octets come a second time.
    """

    def __init__(
        self,
        read: Callable[[bytes], T],
        spans: Callable[[bytes], Iterable[Span]],
        tell: slice = slice(0, 0),
    ) -> None:
        self._read = read
        self._spans = spans
        self._tell = tell
        self._learned: _Learned[tuple[int, bytes], tuple[ReadFitting[T], ...]] = _Learned()

    def __call__(self, octets: bytes) -> T:
        """Return the value of `octets`. Raises what `read` raises."""
        if not _Switch.on:
            return self._read(octets)
        key = len(octets), octets[self._tell]
        known = self._learned.by_key.get(key, ())
        for read_fitting in known:
            fitting = read_fitting(octets)
            if fitting is not None:
                return fitting
        value = self._read(octets)
        if len(octets) <= MAX_OCTETS and len(known) < MAX_SHAPES and self._learned.wants(key):
            learned = self._learn(octets, value)
            if learned is not None:
                self._learned.put(key, (*known, learned))
        return value

    def _learn(self, octets: bytes, value: T) -> "ReadFitting[T] | None":
        template = Template(octets, tuple(self._spans(octets)))
        try:
            learned = _read_fitting(self._read, template)
        except (GbcsError, _UnexplainedError):
            return None
        return learned if learned(octets) == value else None


class Writer:
    """Writes octets by template if it has one for the key, and learns from what the schema wrote.

    `spans` returns the gaps of octets that were written. The key and the gaps together must decide
    all of the octets, and the gaps must stand in them as they are.
    """

    def __init__(self, spans: Callable[[bytes], Iterable[Span]]) -> None:
        self._spans = spans
        self._learned: _Learned[Hashable, Template] = _Learned()

    def fill(self, key: Hashable, gaps: Gaps) -> bytes | None:
        """Return the octets by template, or None if there is none that the gaps fit."""
        template = self._learned.by_key.get(key) if _Switch.on else None
        return None if template is None else template.fill(gaps)

    def learn(self, key: Hashable, gaps: Gaps, write: Callable[[], bytes]) -> None:
        """Learn the octets that `write` returns, if it is worth it. Raises what `write` raises."""
        if not _Switch.on or key in self._learned.by_key or not self._learned.wants(key):
            return
        octets = write()
        if len(octets) > MAX_OCTETS:
            return
        template = Template(octets, tuple(self._spans(octets)))
        if template.gaps(octets) == gaps:
            self._learned.put(key, template)


class _Learned(Generic[K, V]):
    """What was learned, by key, and what is worth learning: not what comes only once."""

    def __init__(self) -> None:
        self.by_key: dict[K, V] = {}
        self._attempts: dict[K, int] = {}
        self._turn = 0

    def wants(self, key: K) -> bool:
        """Return whether to learn under `key`, for which nothing known fits."""
        attempts = self._attempts.get(key)
        if attempts is None:
            if len(self._attempts) >= MAX_KEYS:
                self._attempts.clear()
            self._attempts[key] = 0
            return False
        if attempts == MAX_SHAPES:
            return False
        if key not in self.by_key and len(self.by_key) >= MAX_KEYS:
            self._turn = (self._turn + 1) % TURNS
            if self._turn:
                return False
        self._attempts[key] = attempts + 1
        return True

    def put(self, key: K, learned: V) -> None:
        """Keep what was learned under `key`."""
        if key not in self.by_key and len(self.by_key) >= MAX_KEYS:
            oldest = _drop_oldest(self.by_key)
            if oldest is not None:
                self._attempts.pop(oldest, None)
        self.by_key[key] = learned


def _drop_oldest(known: dict[K, V]) -> K | None:
    """Drop the oldest item and return its key, or None if another thread changes `known`."""
    with suppress(KeyError, RuntimeError):
        oldest = next(iter(known))
        del known[oldest]
        return oldest
    return None


# Functions that build values

_twin: Callable[[Any], type[Any]] = cache(twin)


class _UnexplainedError(Exception):
    """A value that does not follow from its gaps in a known way."""


def _read_fitting(read: Callable[[bytes], T], template: Template) -> ReadFitting[T]:
    """Return the function that reads octets that fit a template.

    Raises `_UnexplainedError`, and what `read` raises if it does not accept the marks.
    """
    marks = [
        tuple([shake_128(b"%d %d" % (turn, at)).digest(n) for at, n in enumerate(template.sizes)])
        for turn in range(2)
    ]
    marked = [template.fill(each) or b"" for each in marks]
    # Marks of one or two octets may coincide. A gap whose mark is another's would be read from the
    # wrong place, and one whose marks are equal would pass for a constant.
    pairs = [pair for pair in zip(*marks, strict=True) if pair[0]]
    if len(set(pairs)) < len(pairs) or any(first == second for first, second in pairs):
        raise _UnexplainedError
    explained = _Explanation(template, marks, marked)
    result = explained.of(*map(read, marked))
    pieces = [f"fixed_{index}, gap_{index}" for index, _ in enumerate(template.sizes)]
    # Empty pieces stand between gaps that follow each other.
    unequal = [
        f"fixed_{index} != {explained.constant(piece)}"
        for index, piece in enumerate(template.fixed)
        if piece
    ]
    lines = [
        f"{', '.join([*pieces, f'fixed_{len(pieces)}'])}, = unpack(octets)",
        *([f"if {' or '.join(unequal)}: return None"] if unequal else []),
        *explained.lines,
        f"return {result}",
    ]
    # Templates that differ in lengths alone have the same source, which is compiled once.
    return function("octets", lines, explained.names)


class _Explanation:
    """Python source that builds a value from its gaps; `names` are the constants it refers to.

    A dataclass is made without its constructor. What a `__post_init__` would check, `read` has
    checked: it depends on lengths and constants alone.
    """

    def __init__(self, template: Template, marks: Sequence[Gaps], marked: Sequence[bytes]) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "from_bytes": int.from_bytes,
            "__name__": __name__,
            "template": template,
            "unpack": template.unpack,
        }
        self._gaps = list(zip(*marks, strict=True))
        self._marked = marked

    def of(self, first: Any, second: Any) -> str:
        """Return the expression of a value, given as read with the first and the second marks."""
        if type(first) is not type(second):
            raise _UnexplainedError
        if isinstance(first, tuple) and type(first) is tuple:
            if len(first) != len(second):
                raise _UnexplainedError
            if first != second:
                items = [self.of(*pair) for pair in zip(first, second, strict=True)]
                return f"({''.join([f'{item}, ' for item in items])})"
        elif is_dataclass(first) and first != second:
            return self._of_dataclass(first, second)
        elif first != second:
            return self._of_leaf(first, second)
        return self.constant(first)

    def _of_dataclass(self, first: Any, second: Any) -> str:
        cls = type(first)
        gaps = "".join([f"gap_{index}, " for index, _ in enumerate(self._gaps)])
        values = [
            (field.name, self.of(getattr(first, field.name), getattr(second, field.name)))
            if field.init
            else (field.name, f"(template, ({gaps}))")
            for field in fields(first)
        ]
        name = f"value_{len(self.lines)}"
        self.lines.append(f"{name} = {self.constant(_twin(cls))}()")
        self.lines += [f"{name}.{field} = {value}" for field, value in values]
        self.lines.append(f"{name}.__class__ = {self.constant(cls)}")
        return name

    def _of_leaf(self, first: Any, second: Any) -> str:
        if isinstance(first, int):
            for index, gap in enumerate(self._gaps):
                if (first, second) == tuple([int.from_bytes(mark, "big") for mark in gap]):
                    return f"from_bytes(gap_{index}, 'big')"
        if isinstance(first, bytes):
            for index, gap in enumerate(self._gaps):
                if (first, second) == gap:
                    return self._as(type(first), f"gap_{index}")
            start = self._marked[0].find(first)
            end = start + len(first)
            if start >= 0 and self._marked[1][start:end] == second:
                return self._as(type(first), f"octets[{start}:{end}]")
        raise _UnexplainedError

    def _as(self, kind: type[bytes], octets: str) -> str:
        return octets if kind is bytes else f"{self.constant(kind)}({octets})"

    def constant(self, value: object) -> str:
        """Return a name for a constant."""
        name = f"constant_{len(self.names)}"
        self.names[name] = value
        return name
