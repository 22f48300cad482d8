"""Write a report: every form of it into one folder, replacing an earlier report."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from esme_emulator.proof.evidence import Evidence, Line
from esme_emulator.proof.report.ci import junit, markdown
from esme_emulator.proof.report.page import page
from esme_emulator.proof.report.words import SPENT
from esme_emulator.proof.result import Account, Interval, ProofResult
from esme_emulator.proof.side_by_side import SideBySide, rows
from esme_emulator.runtime.reports import ReportFolder

Rows = Iterator[Sequence[Any]]
"""Rows of a CSV file, the column names first."""

PAGE = "report.html"


def accounts(result: ProofResult, evidence: Evidence) -> Rows:
    """Yield the accounts by SRV, party and meter; the first column says which of these."""
    yield ("by", *(item.name for item in fields(Account)))
    rows: tuple[tuple[str, Iterable[Account]], ...] = (
        ("srv", result.by_srv),
        ("party", result.by_party),
        ("meter", evidence.by_meter()),
    )
    for by, found in rows:
        for account in found:
            yield (by, *asdict(account).values())


def over_time(result: ProofResult, _: Evidence) -> Rows:
    """Yield the device hits of each interval."""
    yield [item.name for item in fields(Interval)]
    for interval in result.over_time:
        yield list(asdict(interval).values())


def costs(result: ProofResult, _: Evidence) -> Rows:
    """Yield the costs of both runs, then the assumptions behind them."""
    yield ("name", "direct", "cached", "value", "basis")
    for name, _title, basis in SPENT:
        direct, cached = getattr(result.spent_direct, name), getattr(result.spent_cached, name)
        yield (name, direct, cached, None, basis)
    for item in result.assumptions:
        yield (item.key, None, None, item.value, item.basis)


def ledger(evidence: Evidence) -> Iterator[str]:
    """Yield the lines of both runs as CSV, the column names first."""
    yield ",".join(Line._fields)
    yield from evidence.lines()


_TEXTS: dict[str, Callable[[ProofResult], str]] = {
    "proof.json": lambda result: result.as_json() + "\n",
    "junit.xml": junit,
}
_TABLES: dict[str, Callable[[ProofResult, Evidence], Rows]] = {
    "accounts.csv": accounts,
    "over_time.csv": over_time,
    "costs.csv": costs,
}
_LEDGER, _COMPARE = "ledger.csv", "compare.csv"


def report_folder(folder: Path) -> ReportFolder:
    """Return the folder for a proof's report."""
    return ReportFolder(folder, (*_TEXTS, "summary.md", PAGE, *_TABLES, _LEDGER, _COMPARE))


def write_report(
    result: ProofResult,
    evidence: Evidence,
    folder: ReportFolder,
    *,
    named: str,
    made: str = "",
    side_by_side: SideBySide | None = None,
) -> Path:
    """Write all files of a report into a cleared `folder`, and return the path of its page.

    `named` is that of `again`; `made` is the time of the run, for people; `side_by_side` has the
    results of several rules and seeds. After an interruption or a failed write, no file of the
    report is left. Raises `ReportFolderError`.
    """
    try:
        return _write(result, evidence, folder, named, made, side_by_side)
    except BaseException:
        folder.discard()
        raise


def _write(
    result: ProofResult,
    evidence: Evidence,
    folder: ReportFolder,
    named: str,
    made: str,
    side_by_side: SideBySide | None,
) -> Path:
    texts = {name: make(result) for name, make in _TEXTS.items()}
    for name, form in (("summary.md", markdown), (PAGE, page)):
        texts[name] = form(result, named=named, made=made, side_by_side=side_by_side)
    paths = {name: folder.write(name, text) for name, text in texts.items()}
    for name, table in _TABLES.items():
        folder.write_rows(name, table(result, evidence))
    if side_by_side is not None:
        folder.write_rows(_COMPARE, rows(side_by_side))
    folder.write_lines(_LEDGER, ledger(evidence))
    return paths[PAGE]
