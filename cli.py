"""Run `esme` from a checkout that is not installed: `python cli.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "emulator"))

from esme_emulator.cli.main import main

if __name__ == "__main__":
    main()
