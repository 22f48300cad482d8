"""A proof as CSV: the accounts of SRVs, parties and busy meters, and device hits over time."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from emulator.proof.result import Account, Interval, ProofResult


def accounts(result: ProofResult) -> str:
    """Return what became of requests; the first column says by what: srv, party or meter."""
    groups = (("srv", result.by_srv), ("party", result.by_party), ("meter", result.busiest))
    rows = [(by, *asdict(account).values()) for by, accounts in groups for account in accounts]
    return _csv(("by", *(item.name for item in fields(Account))), rows)


def over_time(result: ProofResult) -> str:
    """Return the device hits of each interval."""
    rows = [tuple(asdict(interval).values()) for interval in result.over_time]
    return _csv([item.name for item in fields(Interval)], rows)


def _csv(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
