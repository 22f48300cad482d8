"""Writing a report: every form of it into one folder."""

from pathlib import Path

from emulator.proof.report.junit import junit
from emulator.proof.report.markdown import markdown
from emulator.proof.report.page import page
from emulator.proof.report.tables import accounts, over_time
from emulator.proof.result import ProofResult


def write_report(result: ProofResult, folder: Path, *, named: str) -> Path:
    """Write all files of a report into `folder` and return the path of its page.

    `named` is what the user called the scenario by. Raises `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "proof.json": result.as_json() + "\n",
        "accounts.csv": accounts(result),
        "over_time.csv": over_time(result),
        "junit.xml": junit(result),
        "summary.md": markdown(result, named=named),
        "report.html": page(result, named=named),
    }
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder / "report.html"
