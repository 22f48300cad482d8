"""A proof as tables: its accounts, its device hits over time, and its ledger line by line.

Each gives its rows one by one, the names of the columns first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any

from esme_emulator.proof.evidence import Evidence, Line
from esme_emulator.proof.report.page import SPENT
from esme_emulator.proof.result import Account, Interval, ProofResult

Rows = Iterator[Sequence[Any]]


def accounts(result: ProofResult, evidence: Evidence) -> Rows:
    """Yield what became of requests; the first column says by what: srv, party or meter."""
    yield ("by", *(item.name for item in fields(Account)))
    meters = evidence.by_meter()
    for by, rows in (("srv", result.by_srv), ("party", result.by_party), ("meter", meters)):
        for account in rows:
            yield (by, *asdict(account).values())


def over_time(result: ProofResult, _: Evidence) -> Rows:
    """Yield the device hits of each interval."""
    yield [item.name for item in fields(Interval)]
    for interval in result.over_time:
        yield list(asdict(interval).values())


def costs(result: ProofResult, _: Evidence) -> Rows:
    """Yield what the runs asked of meters and network, then the assumptions that this rests on."""
    yield ("name", "direct", "cached", "value", "basis")
    for name, _title, basis in SPENT:
        direct, cached = getattr(result.spent_direct, name), getattr(result.spent_cached, name)
        yield (name, direct, cached, None, basis)
    for item in result.assumptions:
        yield (item.key, None, None, item.value, item.basis)


def ledger(_: ProofResult, evidence: Evidence) -> Rows:
    """Yield what each request of both runs came to."""
    yield Line._fields
    yield from evidence.lines()
