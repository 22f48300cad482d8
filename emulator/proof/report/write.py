"""Writing a report: every form of it into one folder, in place of those of an earlier one."""

import csv
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from emulator.errors import UserError
from emulator.proof.evidence import Evidence
from emulator.proof.report.junit import junit
from emulator.proof.report.markdown import markdown
from emulator.proof.report.page import page
from emulator.proof.report.tables import Rows, accounts, costs, ledger, over_time
from emulator.proof.result import ProofResult

PAGE = "report.html"

_FORMS: dict[str, Callable[[ProofResult, str], str]] = {
    "proof.json": lambda result, _: result.as_json() + "\n",
    "junit.xml": lambda result, _: junit(result),
    "summary.md": lambda result, named: markdown(result, named=named),
    PAGE: lambda result, named: page(result, named=named),
}
"""Files of a report, and what makes the text of each."""

_TABLES: dict[str, Callable[[ProofResult, Evidence], Rows]] = {
    "accounts.csv": accounts,
    "over_time.csv": over_time,
    "costs.csv": costs,
    "ledger.csv": ledger,
}
"""Files of a report that are written row by row."""


class ProofReportError(UserError):
    """A report that cannot be written; the text is one line for the user."""


def prepare(folder: Path) -> None:
    """Make `folder`, and take from it what a report of an earlier proof left there.

    So nobody takes that one for the report of a proof that did not come to have any. Raises
    `ProofReportError`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*_FORMS, *_TABLES):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


def write_report(result: ProofResult, evidence: Evidence, folder: Path, *, named: str) -> Path:
    """Write all files of a report into a prepared `folder` and return the path of its page.

    `evidence` is what the result rests on, `named` what the user called the scenario by.
    What interrupts it, or a file that cannot be written, leaves none of them: a part of a report
    is none. Raises `ProofReportError`.
    """
    try:
        _write(result, evidence, folder, named)
    except OSError as error:
        _remove(folder)
        raise _unwritable(folder, error) from None
    except BaseException:
        _remove(folder)
        raise
    return folder / PAGE


def _write(result: ProofResult, evidence: Evidence, folder: Path, named: str) -> None:
    texts = {name: make(result, named) for name, make in _FORMS.items()}
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    for name, table in _TABLES.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(table(result, evidence))


def _remove(folder: Path) -> None:
    """Remove what there is of a report, as far as that can be."""
    for name in (*_FORMS, *_TABLES):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> ProofReportError:
    return ProofReportError(f"report {error.filename or folder}: {error.strerror}")
