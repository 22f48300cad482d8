"""Compare the figures of two checkouts: `python -m benchmarks.figures OTHER_CHECKOUT`.

Runs `esme prove SCENARIO --json` for every shipped scenario in both checkouts, each with its own
sources, and prints the figures that differ. Exits with 1 if any figure differs.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
ABOUT = ("title", "versions", "scenario_files", "scenario_text")
"""Keys of a result that are not figures."""


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("figures: name the other checkout, and nothing else")
    other = Path(sys.argv[1]).resolve()
    names = sorted(path.stem for path in (HERE / "emulator").rglob("scenario/shipped/*.toml"))
    different = 0
    for name in names:
        first, second = _figures(other, name), _figures(HERE, name)
        keys = sorted(key for key in first | second if first.get(key) != second.get(key))
        print(f"{name}: {len(first)} figures, {len(keys)} differ")
        for key in keys:
            print(f"    {key}: {first.get(key)!r} there, {second.get(key)!r} here")
        different += len(keys)
    sys.exit(1 if different else 0)


def _figures(checkout: Path, scenario: str) -> dict[str, Any]:
    command = [sys.executable, str(checkout / "cli.py"), "prove", scenario, "--json"]
    ran = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if not ran.stdout:
        sys.exit(f"figures: {scenario} in {checkout}: {ran.stderr.strip()}")
    form: dict[str, Any] = json.loads(ran.stdout)
    return {key: value for key, value in form.items() if key not in ABOUT}


if __name__ == "__main__":
    main()
