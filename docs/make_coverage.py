"""Write docs/coverage.md from the table of use cases and the vectors: `make coverage`.

Knows the layout of the page. Another copy of the RTDS changes only the numbers of vectors;
`without_numbers` returns the part of the page that does not depend on the copy.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from gbcs import Opaque, decode
from gbcs.message import Message
from gbcs.tables.use_cases import USE_CASES, Source, UseCase
from tests.support.rtds import ABSENT, vectors

PAGE = Path(__file__).parent / "coverage.md"
KINDS = ("pre-command", "command", "response", "alert")
TITLES = ("code", "use case", "title", "SRV", "content", *KINDS, "known from")
_FIRST_NUMBER = TITLES.index(KINDS[0])
_VECTORS_READ = re.compile(r"\d+ vectors read")

_HEAD = """\
# Coverage

Every use case whose message code the codec knows. `make coverage` generates this page from
`gbcs/tables/use_cases.csv` and the vectors of the [RTDS](glossary.md). A copy of the RTDS may hold
only a part of it.

- A number counts the vectors of a kind; `opaque` follows it if some have content that is not typed.
- `known from` is the source of the row: a message of the RTDS (`vector`), public documentation
  (`public`), or the gap between the codes of its neighbours (`inferred`).
- Content is read by family, with or without a vector: [DLMS](dlms.md) completely, ASN.1 and
  [GBZ](glossary.md) as listed in [asn1.md](asn1.md) and [gbz.md](gbz.md).

"""


def page(messages: Iterable[Message]) -> str:
    """Return the page for these vectors."""
    seen: dict[int, Counter[str]] = defaultdict(Counter)
    opaque: set[tuple[int, str]] = set()
    for message in messages:
        seen[message.message_code][message.kind] += 1
        if isinstance(message.payload, Opaque):
            opaque.add((message.message_code, message.kind))
    rows = [_row(use_case, seen[use_case.code], opaque) for use_case in USE_CASES]
    known = Counter(use_case.source for use_case in USE_CASES)
    summary = (
        f"{len(USE_CASES)} use cases: {known[Source.VECTOR]} known from a vector, "
        f"{known[Source.PUBLIC]} from public documentation, {known[Source.INFERRED]} inferred.\n"
        f"{sum(map(Counter.total, seen.values()))} vectors read, "
        f"{len(opaque)} kinds of them opaque.\n\n"
    )
    table = [_line(TITLES), _line(["---"] * len(TITLES)), *rows]
    return _HEAD + summary + "\n".join(table) + "\n"


def _row(use_case: UseCase, seen: Mapping[str, int], opaque: set[tuple[int, str]]) -> str:
    counts = [
        f"{seen[kind]}{' opaque' if (use_case.code, kind) in opaque else ''}" if seen[kind] else ""
        for kind in KINDS
    ]
    formats = ", ".join(str(payload) for payload in use_case.payloads)
    return _line(
        (
            f"{use_case.code:04X}",
            use_case.name,
            use_case.title,
            ", ".join(use_case.srvs),
            formats,
            *counts,
            str(use_case.source),
        )
    )


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def without_numbers(text: str) -> str:
    """Return a page without the numbers that depend on the copy of the RTDS."""
    lines = [line for line in text.splitlines() if not _VECTORS_READ.match(line)]
    return "\n".join(map(_without_numbers, lines))


def _without_numbers(line: str) -> str:
    cells = line.split(" | ")
    if len(cells) != len(TITLES):
        return line
    return " | ".join(cells[:_FIRST_NUMBER] + cells[_FIRST_NUMBER + len(KINDS) :])


def read_page() -> str:
    """Return the page for the vectors of the RTDS."""
    return page(decode(vector.octets) for vector in vectors())


if __name__ == "__main__":
    if not vectors():
        raise SystemExit(ABSENT)
    PAGE.write_text(read_page(), "utf-8")
