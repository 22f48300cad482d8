"""Writing a report: every form of it into one folder, in place of those of an earlier one."""

from collections.abc import Callable
from pathlib import Path

from esme_emulator.proof.evidence import Evidence
from esme_emulator.proof.report.junit import junit
from esme_emulator.proof.report.markdown import markdown
from esme_emulator.proof.report.page import page
from esme_emulator.proof.report.tables import Rows, accounts, costs, ledger, over_time
from esme_emulator.proof.result import ProofResult
from esme_emulator.runtime.report_folder import ReportFolder

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


def report_folder(folder: Path) -> ReportFolder:
    """Return the folder that a proof's report is written to."""
    return ReportFolder(folder, (*_FORMS, *_TABLES))


def write_report(
    result: ProofResult, evidence: Evidence, folder: ReportFolder, *, named: str
) -> Path:
    """Write all files of a report into a cleared `folder` and return the path of its page.

    `evidence` is what the result rests on, `named` what the user called the scenario by. An
    interruption, or a file that cannot be written, leaves none of them: a part of a report is
    none. Raises `ReportFolderError`.
    """
    try:
        return _write(result, evidence, folder, named)
    except BaseException:
        folder.discard()
        raise


def _write(result: ProofResult, evidence: Evidence, folder: ReportFolder, named: str) -> Path:
    texts = {name: make(result, named) for name, make in _FORMS.items()}
    paths = {name: folder.write(name, text) for name, text in texts.items()}
    for name, table in _TABLES.items():
        folder.write_rows(name, table(result, evidence))
    return paths[PAGE]
