"""The one door to construct.

Knows how octets become values and back through a construct schema. Turns every failure on the way
into a `DecodeError` or `EncodeError` with a path. Knows nothing of GBCS.

Schemas are compiled, which makes construct five times as fast but removes the paths from its
errors. So a schema that fails is run once more, interpreted, only to find where it failed.
"""

import re
import struct
from collections.abc import Container, Iterable, Iterator
from io import BytesIO
from typing import Any, NamedTuple

import construct

from gbcs.errors import DecodeError, EncodeError
from gbcs.records import Rows

_FAILURES = (
    construct.ConstructError,
    struct.error,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    UnicodeError,
    ValueError,
    RecursionError,
)
_PATH = re.compile(r"\((?:parsing|building)\)(?: -> )?(.*)")


# The context that construct hands to every parser. Our schemas neither read nor change it, so one
# for all calls saves building it.
_CONTEXT = construct.Container(_parsing=True, _building=False, _sizing=False)
_CONTEXT["_params"] = _CONTEXT


class Traced(NamedTuple):
    """A field of some octets: its name, its octets, and its value."""

    name: str
    octets: bytes
    value: Any
    depth: int
    """Nesting depth: the number of rows around the field."""


class Schema:
    """A construct schema that reads all of its octets or fails, and fails only as `GbcsError`.

    `name` begins the path of every error. The schema is compiled at its first use.
    """

    __slots__ = ("_built", "_compiled", "_interpreted", "name")

    def __init__(self, name: str, schema: construct.Construct) -> None:
        self.name = name
        self._interpreted = schema
        self._compiled: construct.Construct | None = None

    def parse(self, octets: bytes) -> Any:
        """Return the value of all of `octets`.

        Raises `DecodeError` if they do not fit the schema, or if octets are left over.
        """
        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = self._interpreted.compile()
        stream = BytesIO(octets)
        try:
            # `parsefunc` rather than `parse`: that builds a context for each call.
            value = compiled.parsefunc(stream, _CONTEXT)
        except _FAILURES as error:
            raise self._explain_parse(octets, error) from error
        if stream.tell() != len(octets):
            left = len(octets) - stream.tell()
            raise DecodeError(f"{left} octets are left over at the end", self.name)
        return value

    def trace(self, octets: bytes) -> list[Traced]:
        """Return the fields in `octets` in their order, down to the fields of each row.

        Raises `DecodeError` as `parse` does. Interpreted, so much slower than `parse`.
        """
        stream = BytesIO(octets)
        fields: list[Traced] = []
        try:
            _trace(self._interpreted, stream, _CONTEXT, Traced("", octets, None, 0), fields)
        except _FAILURES as error:
            raise self._explain_parse(octets, error) from error
        if stream.tell() != len(octets):
            left = len(octets) - stream.tell()
            raise DecodeError(f"{left} octets are left over at the end", self.name)
        return fields

    def build(self, value: Any) -> bytes:
        """Return the octets of `value`. Raises `EncodeError` if it does not fit the schema."""
        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = self._interpreted.compile()
        try:
            return bytes(compiled.build(value))
        except _FAILURES as error:
            path, reason = _where(error)
            raise EncodeError(reason, _join(self.name, path)) from error

    def _explain_parse(self, octets: bytes, error: Exception) -> DecodeError:
        # The compiled parser failed, so the interpreted one does too, and knows the path.
        try:
            self._interpreted.parse(octets)
        except _FAILURES as interpreted:
            error = interpreted
        path, reason = _where(error)
        return DecodeError(reason, _join(self.name, path))


def _trace(
    schema: construct.Construct, stream: Any, context: Any, whole: Traced, fields: list[Traced]
) -> Any:
    """Return the value that `schema` reads, and append its fields.

    `whole` holds all octets, and the name and depth for the field that comes next.
    """
    if isinstance(schema, construct.Renamed):
        named = whole._replace(name=schema.name)
        return _trace(schema.subcon, stream, context, named, fields)
    if isinstance(schema, construct.Struct):
        record = construct.Container(_CONTEXT)
        for field in schema.subcons:
            record[field.name] = _trace(field, stream, record, whole, fields)
        return record
    if isinstance(schema, Rows):
        number = schema.count and _trace(
            schema.count, stream, context, whole._replace(name=f"number of {whole.name}"), fields
        )
        rows = 0
        while stream.tell() < len(whole.octets) if number is None else rows < number:
            rows += 1
            row = whole._replace(name=f"{whole.name} {rows}", depth=whole.depth + 1)
            _trace(schema.item, stream, context, row, fields)
        return rows
    start = stream.tell()
    value = schema._parsereport(stream, context, whole.name)
    octets = whole.octets[start : stream.tell()]
    if octets:  # a field without octets, such as a condition that does not hold, is not shown
        fields.append(whole._replace(octets=octets, value=value))
    return value


def spans_of(traced: Iterable[Traced], names: Container[str]) -> Iterator[tuple[int, int]]:
    """Yield where the values of the fields called `names` begin and end, without their lengths."""
    end = 0
    for field in traced:
        end += len(field.octets)
        if field.name in names:
            value = field.value
            yield end - len(value if isinstance(value, bytes) else field.octets), end


def _join(name: str, path: str) -> str:
    return f"{name}{path}" if path.startswith("[") else f"{name}.{path}" if path else name


def _where(error: Exception) -> tuple[str, str]:
    """Return the path and the reason of a failure, the reason in one line."""
    if isinstance(error, RecursionError):
        return "", "nested too deeply"
    path = getattr(error, "path", None) or ""
    found = _PATH.match(path)
    if found:
        path = found.group(1).replace(" -> ", ".")
    elif path.startswith("("):
        path = ""
    # construct puts the path into the first lines of its message, and the reason into the last.
    lines = [line for line in str(error).splitlines() if line.strip()]
    reason = lines[-1] if lines else type(error).__name__
    return path, reason
