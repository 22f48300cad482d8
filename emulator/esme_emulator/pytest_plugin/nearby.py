"""Files that a test names, which are beside it or where pytest was started.

Finds profiles by name, and reads files of measured latencies.
"""

from dataclasses import dataclass
from pathlib import Path

from esme_emulator.fleet.latency import Latency, parse_latency
from esme_emulator.runtime.files import read_text


@dataclass(frozen=True, slots=True)
class Nearby:
    """Finds what the tests of `folder` name."""

    folder: Path

    def file(self, path: str) -> str:
        """Return `path` in the folder where there is such a file, else `path` as it stands."""
        found = self.folder / path
        return str(found) if found.is_file() else path

    def read(self, path: str) -> str:
        """Return the text of a file that the test names. Raises `UnreadableError`."""
        return read_text(self.file(path))

    def profile(self, name: str) -> str:
        """Return the name of a profile, or where its `.toml` file is."""
        return self.file(name) if name.endswith(".toml") else name

    def latency(self, text: str) -> Latency:
        """Return the latency that `text` names, be it in a file. Raises `ValueError`."""
        return parse_latency(text, self.read)
