"""What an open page costs `esme serve`, at 500 requests a second through mosquitto.

In turns of 20 seconds a browser shows the requests, or nothing. The cost is the difference between
the processor times of the server, so what the browser itself takes does not count. A closed turn
comes before and after each open one, since the server warms up. `ESME_PAGE_SECONDS` replaces the
duration of 600 seconds.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.processes import started
from benchmarks.shares import resident, spent
from tests.emulator.control import browser
from tests.support.mosquitto import BINARY, MISSING, Mosquitto

SECONDS = int(os.environ.get("ESME_PAGE_SECONDS", "600"))
TURN = 20
RATE, METERS = 500, 100
WARM_UP = 10


def main() -> None:
    if BINARY is None or browser.BINARY is None:
        print(f"page: skipped, {MISSING if BINARY is None else browser.MISSING}")
        return
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        estate = ("--meters", str(METERS), "--broker", broker.url, "--json")
        with started(
            "esme_emulator", "serve", *estate, "--store", "memory:", "--control", "0"
        ) as server:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["control"]
            load = ("--rate", str(RATE), "--seconds", str(SECONDS + 3 * WARM_UP))
            loading = started("esme_emulator", "load", *estate, *load, stderr=subprocess.DEVNULL)
            with loading, _browser(browser.BINARY) as page:
                time.sleep(WARM_UP)
                _measure(server.pid, url, page)


def _measure(pid: int, url: str, page: Any) -> None:
    turns, sizes = [], []
    for turn in range(max(SECONDS // TURN | 1, 3)):
        page.goto(f"{url}#requests" if turn % 2 else "about:blank")
        time.sleep(2)  # the page loads its scripts
        before, start = spent(pid), time.perf_counter()
        time.sleep(TURN - 2)
        turns.append((spent(pid) - before) / (time.perf_counter() - start))
        sizes.append(resident(pid) / 2**20)
        if turn % 2:
            assert page.locator("#journal tbody tr").count() > 10, "the page shows no requests"
    closed = [mean(turns[place - 1 : place + 2 : 2]) for place in range(1, len(turns), 2)]
    opened = turns[1::2]
    cost = [ours - others for ours, others in zip(opened, closed, strict=True)]
    print(f"esme serve at {RATE} requests a second, {len(opened)} turns of {TURN} s with a page")
    print(f"{'without a page':44}{mean(closed):8.1%} of a core")
    print(f"{'with a page that follows the requests':44}{mean(opened):8.1%} of a core")
    print(f"{'the page':44}{mean(cost):8.1%} of a core, {mean(cost) / mean(closed):.1%} more")
    half = sizes[len(sizes) // 2]
    print(f"{'memory after half, at the end':44}{half:8.0f} MB {sizes[-1]:8.0f} MB")


@contextmanager
def _browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=browser.ARGUMENTS)
        try:
            yield opened.new_page()
        finally:
            opened.close()
