"""Records and rows: construct schemas that compile to few steps.

A `Record` is construct's Struct, and `Rows` are its arrays: the same schemas, building and errors.
Compiled, a record is one function that returns a plain dict, and rows return a tuple. Neighbouring
fields of fixed width are read with one `struct`, and so are rows that have no other fields. The
price: a field sees only the fields before it in its own record, nothing around it.

Knows nothing of GBCS. Compiled code raises whatever a short read causes; `gbcs.wire` explains it.
"""

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import construct


def take(stream: Any, size: int, path: str = "") -> bytes:
    """Return exactly `size` octets of `stream`. Raises `construct.StreamError` if it ends."""
    octets: bytes = stream.read(size)
    if len(octets) != size:
        raise construct.StreamError(
            f"{size} octets are needed and {len(octets)} are left", path=path
        )
    return octets


def expect(found: bytes, wanted: bytes) -> bytes:
    """Return `found`. Raises `construct.ConstError` unless it equals `wanted`."""
    if found != wanted:
        raise construct.ConstError(f"{found.hex().upper()} instead of {wanted.hex().upper()}")
    return found


class Part(NamedTuple):
    """How a schema of fixed width is read."""

    order: str
    """The byte order of its values, `<` or `>`; empty if order does not matter."""
    forms: tuple[str, ...]
    """The `struct` format of each value."""
    express: Callable[[Any, Iterator[str]], str]
    """Returns the Python expression of the whole, given construct's `CodeGen` and an iterator over
    the expressions of the values. It consumes one expression for each format."""


class Fixed(construct.Construct):  # type: ignore[misc]
    """Base of schemas that are read as one value of fixed width."""

    def part(self) -> Part:
        """Return how this schema is read."""
        raise NotImplementedError

    def _emitparse(self, code: Any) -> str:
        part = self.part()
        reader, size, _ = _emit_struct(code, part)
        return part.express(code, iter((f"{reader}.unpack(io.read({size}))[0]",)))


class Record(construct.Struct):  # type: ignore[misc]
    """Named fields, read as a dict."""

    def part(self) -> Part | None:
        """Return how the record is read if all of it has fixed width, else None."""
        runs = list(_runs(self))
        return _together(runs[0]) if len(runs) == 1 and isinstance(runs[0], dict) else None

    def _emitparse(self, code: Any) -> str:
        # Plain dicts in place of construct's Container, and no nested context: both cost more
        # than the fields themselves.
        lines = ["this = {}"]
        for run in _runs(self):
            if isinstance(run, dict):
                reader, size, values = _emit_struct(code, _together(run))
                lines.append(f"{', '.join(values)}, = {reader}.unpack(io.read({size}))")
                items = _items(run, code, iter(values))
                lines += [f"this[{name}] = {value}" for name, value in items]
            else:
                target = f"this[{run.name!r}] = " if run.name else ""
                lines.append(target + run._compileparse(code))
        return _emit_function(code, "io", [*lines, "return this"])

    def _emitbuild(self, code: Any) -> str:
        lines = ["this = obj"]
        for schema in self.subcons:
            # A missing key is an error, unless the field is optional and may be built from None.
            get = "this.get({!r})" if schema.flagbuildnone else "this[{!r}]"
            lines += [f"obj = {get.format(schema.name)}", schema._compilebuild(code)]
        return _emit_function(code, "obj, io", lines)


class Rows(construct.Construct):  # type: ignore[misc]
    """Items in a row, read as a tuple: as many as `count` reads, or up to the end of the octets."""

    def __init__(self, item: construct.Construct, count: construct.Construct | None = None) -> None:
        super().__init__()
        self.item, self.count = item, count

    def _parse(self, stream: Any, context: Any, path: str) -> tuple[Any, ...]:
        number = None if self.count is None else self.count._parsereport(stream, context, path)
        end = len(stream.getvalue())
        items: list[Any] = []
        while stream.tell() < end if number is None else len(items) < number:
            items.append(self.item._parsereport(stream, context, f"{path}[{len(items)}]"))
        return tuple(items)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if self.count is not None:
            self.count._build(len(obj), stream, context, path)
        for index, item in enumerate(obj):
            self.item._build(item, stream, context, f"{path}[{index}]")
        return obj

    def _emitparse(self, code: Any) -> str:
        count = None if self.count is None else self.count._compileparse(code)
        part = part_of(self.item)
        if part is not None:
            # All rows at once: `iter_unpack` is an order of magnitude faster than a loop of reads.
            reader, size, values = _emit_struct(code, part)
            code.append("from gbcs.records import take")
            octets = "io.read()" if count is None else f"take(io, {size} * {count})"
            row = part.express(code, iter(values))
            return f"tuple([{row} for {', '.join(values)}, in {reader}.iter_unpack({octets})])"
        item = self.item._compileparse(code)
        if count is not None:
            return f"tuple([{item} for _ in range({count})])"
        lines = ["end = len(io.getvalue())", "items = []", "while io.tell() < end:"]
        return _emit_function(
            code, "io, this", [*lines, f"    items.append({item})", "return tuple(items)"]
        )

    def _emitbuild(self, code: Any) -> str:
        lines = [f"for obj in items: {self.item._compilebuild(code)}"]
        if self.count is not None:
            lines = ["obj = len(items)", self.count._compilebuild(code), *lines]
        return _emit_function(code, "obj, io, this", ["items = obj", *lines])


def part_of(schema: construct.Construct) -> Part | None:
    """Return how `schema` is read if it has fixed width, else None."""
    if isinstance(schema, construct.Renamed):
        return part_of(schema.subcon)
    if isinstance(schema, construct.FormatField):
        order = schema.fmtstr[0] if schema.length > 1 else ""
        return Part(order, (schema.fmtstr[1:],), lambda _, values: next(values))
    if isinstance(schema, construct.Const) and isinstance(schema.value, bytes):
        return Part("", (f"{len(schema.value)}s",), partial(_express_const, schema.value))
    return schema.part() if isinstance(schema, Fixed | Record) else None


Run = dict[str, Part]
"""Neighbouring fields of fixed width, by name."""


def _runs(record: Record) -> Iterator[Run | construct.Construct]:
    """Yield runs of fields that one `struct` reads, and each of the other fields by itself."""
    run: Run = {}
    for schema in record.subcons:
        part = part_of(schema) if schema.name else None
        # A `struct` has one byte order, so a field of the other order begins a new run.
        if run and (
            part is None or len({"", part.order, *[one.order for one in run.values()]}) > 2
        ):
            yield run
            run = {}
        if part is None:
            yield schema
        else:
            run[schema.name] = part
    if run:
        yield run


def _items(run: Run, code: Any, values: Iterator[str]) -> list[tuple[str, str]]:
    """Return the name and the expression of each field, both as Python source."""
    return [(repr(name), part.express(code, values)) for name, part in run.items()]


def _together(run: Run) -> Part:
    """Return how the fields of a run are read as a dict."""

    def express(code: Any, values: Iterator[str]) -> str:
        items = [f"{name}: {value}" for name, value in _items(run, code, values)]
        return f"{{{', '.join(items)}}}"

    return Part(
        max(part.order for part in run.values()),  # "" sorts first, so any real order wins
        tuple([form for part in run.values() for form in part.forms]),
        express,
    )


def _express_const(value: bytes, code: Any, values: Iterator[str]) -> str:
    code.append("from gbcs.records import expect")
    return f"expect({next(values)}, {value!r})"


def _emit_struct(code: Any, part: Part) -> tuple[str, int, list[str]]:
    """Emit the struct that reads `part`. Return its name, its size and names for its values."""
    form = (part.order or ">") + "".join(part.forms)
    name = f"struct_{code.allocateId()}"
    code.append(f"{name} = struct.Struct({form!r})")
    return name, struct.calcsize(form), [f"value_{index}" for index, _ in enumerate(part.forms)]


def _emit_function(code: Any, arguments: str, lines: list[str]) -> str:
    """Emit a function and return a call of it."""
    call = f"function_{code.allocateId()}({arguments})"
    code.append("\n    ".join([f"def {call}:", *lines]))
    return call
