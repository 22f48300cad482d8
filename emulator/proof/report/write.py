"""Writing a report: every form of it into one folder, in place of those of an earlier one."""

from collections.abc import Callable
from pathlib import Path

from emulator.errors import UserError
from emulator.proof.report.junit import junit
from emulator.proof.report.markdown import markdown
from emulator.proof.report.page import page
from emulator.proof.report.tables import accounts, over_time
from emulator.proof.result import ProofResult

PAGE = "report.html"

_FORMS: dict[str, Callable[[ProofResult, bool], str]] = {
    "proof.json": lambda result, _: result.as_json() + "\n",
    "accounts.csv": lambda result, _: accounts(result),
    "over_time.csv": lambda result, _: over_time(result),
    "junit.xml": lambda result, _: junit(result),
    "summary.md": lambda result, _: markdown(result),
    PAGE: lambda result, shipped: page(result, shipped=shipped),
}
"""The files of a report, and what makes the text of each."""


class ProofReportError(UserError):
    """A report that cannot be written; the text is one line for the user."""


def prepare(folder: Path) -> None:
    """Make `folder`, and take from it what a report of an earlier proof left there.

    So nobody takes that one for the report of a proof that did not come to have any. Raises
    `ProofReportError`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FORMS:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


def write_report(result: ProofResult, folder: Path, *, shipped: bool) -> Path:
    """Write all files of a report into a prepared `folder` and return the path of its page.

    `shipped` is whether the scenario comes with the package. Raises `ProofReportError`.
    """
    texts = {name: make(result, shipped) for name, make in _FORMS.items()}
    try:
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise _unwritable(folder, error) from None
    return folder / PAGE


def _unwritable(folder: Path, error: OSError) -> ProofReportError:
    return ProofReportError(f"report {error.filename or folder}: {error.strerror}")
