"""The page in a real browser, wide and on a phone, while requests pass."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from esme_emulator.app.services import CacheOptions, FleetOptions, Running, run_services
from esme_emulator.cache.policy.settings import CacheSettings
from esme_emulator.estate.parties import NEW_SUPPLIER, SUPPLIER
from esme_emulator.messaging.client import NoReplyError, Requester
from esme_emulator.messaging.topics import CACHED, DIRECT
from esme_emulator.profiles.latency import Uniform
from esme_emulator.runtime.clock import ManualClock
from esme_emulator.runtime.listening import Listen
from esme_emulator.transport import MemoryBroker
from gbcs.tables.roles import Role
from tests.emulator.control.browser import chromium
from tests.support.estate import ESTATE, KEYS, METER, OTHER_METER, UNIX_NOW, YESTERDAY, party
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page, Request, Route

# One loop for all tests, since the browser lives in it.
pytestmark = [pytest.mark.processes, pytest.mark.asyncio(loop_scope="module")]

GUARD = 20.0
"""Timeout of one wait, in seconds; no test that passes relies on it."""

SIZES = [(1200, 900, "light"), (375, 740, "dark")]


@dataclass
class Under:
    """A process under load, a page that shows it, and what went wrong in the page."""

    running: Running
    clock: ManualClock
    page: "Page"
    complaints: list[str] = field(default_factory=list)

    async def open(self, panel: str) -> None:
        await self.page.click(f"nav a[href='#{panel}']")
        await self.page.wait_for_selector(f"#{panel}:not([hidden])")

    async def number(self, tile: str) -> int:
        """Return a count of the overview."""
        shown = await self.page.text_content(f"#counts div:has(dt:text-is('{tile}')) dd")
        assert shown is not None
        return int(shown.split()[0].replace(",", ""))

    async def state(self) -> None:
        """Wait for the next state of the live stream."""
        time = "document.querySelector('#time').textContent"
        shown = await self.page.evaluate(time)
        await self.clock.advance(1.0)
        await self.until(f"(shown) => {time} != shown", shown)

    def expected(self, words: str) -> None:
        """Take the one complaint with these words away."""
        [one] = [one for one in self.complaints if words in one]
        self.complaints.remove(one)

    async def until(self, script: str, argument: object = None) -> None:
        """Poll until a script is true. The page's policy forbids playwright's own way."""
        async with asyncio.timeout(GUARD):
            while not await self.page.evaluate(script, argument):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)


async def load(broker: MemoryBroker, clock: ManualClock, prefix: str) -> None:
    """Read the meters again and again, also those whose replies a fault takes away."""
    requester, supplier = Requester(prefix, KEYS, clock), party(Role.IS, 1000)
    async with requester.connected(broker, {SUPPLIER}):
        while True:
            for device in ESTATE.meters:
                asked = supplier.command(device, "4.8.1", YESTERDAY)
                asking = asyncio.create_task(requester.request(*asked, 5.0))
                await asyncio.wait([asking], timeout=0.02)
                if not asking.done():
                    await clock.advance(61.0)  # past the timeouts of cache and requester
                await asyncio.gather(asking, return_exceptions=True)
                assert isinstance(asking.exception(), NoReplyError | None)


@asynccontextmanager
async def process(
    *, cached: bool = True, token: str | None = None
) -> AsyncIterator[tuple[Running, ManualClock]]:
    broker, clock = MemoryBroker(), ManualClock(UNIX_NOW)
    cache = CacheOptions(CacheSettings(), "memory:") if cached else None
    listen = Listen(token=token)
    services = run_services(
        broker, ESTATE, clock, FleetOptions(), cache, control_port=0, listen=listen
    )
    async with services as running:
        loading = asyncio.create_task(load(broker, clock, CACHED if cached else DIRECT))
        try:
            yield running, clock
            assert not loading.done(), loading.exception()
        finally:
            loading.cancel()
            await asyncio.wait([loading])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator["Browser"]:
    async with chromium() as browser:
        yield browser


@asynccontextmanager
async def watched(
    browser: "Browser", running: Running, clock: ManualClock, size: tuple[int, int, str]
) -> AsyncIterator[Under]:
    """Open the page of a process; nothing may go wrong in it."""
    width, height, scheme = size
    viewport = {"width": width, "height": height}
    async with await browser.new_page(viewport=viewport, color_scheme=scheme) as page:
        page.set_default_timeout(GUARD * 1000)
        under = Under(running, clock, page)

        def on_console(message: "ConsoleMessage") -> None:
            if message.type in ("error", "warning"):
                under.complaints.append(message.text)

        def on_request(asked: "Request") -> None:
            if not asked.url.startswith((f"{running.control}/", "data:")):
                under.complaints.append(f"request to {asked.url}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: under.complaints.append(str(error)))
        page.on("request", on_request)
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        assert running.control is not None
        await page.goto(running.control)
        yield under
        assert under.complaints == []


@pytest_asyncio.fixture(params=SIZES, ids=lambda size: f"{size[0]}-{size[2]}", loop_scope="module")
async def under(request: pytest.FixtureRequest, browser: "Browser") -> AsyncIterator[Under]:
    async with (
        process() as (running, clock),
        watched(browser, running, clock, request.param) as under,
    ):
        yield under


async def serious(page: "Page") -> list[str]:
    """Return what axe-core finds serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.async_playwright")
    found = await axe.Axe().run(page)
    violations: list[dict[str, Any]] = found.response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html']}"
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]


async def test_counts_move_and_the_curve_is_drawn(under: Under) -> None:
    await under.until("document.querySelectorAll('#counts div').length > 5")
    before = await under.number("requests")
    await under.until(
        "(before) => Number(document.querySelector('#counts dd').textContent.split(' ')[0]"
        ".replaceAll(',', '')) > before + 10",
        before,
    )
    assert await under.number("hits") > 0
    assert await under.number("device hits") == len(ESTATE.meters)
    await under.until("document.querySelector('#curve path.hits').getAttribute('d').includes('L')")
    assert str(SUPPLIER) in (await under.page.text_content("#by-party") or "")
    assert "hits" in (await under.page.text_content("#latency") or "")


async def test_the_journal_is_filtered_and_a_request_is_explained(under: Under) -> None:
    page = under.page
    await under.open("requests")
    await page.fill("#filter [name=device]", str(METER))
    await page.select_option("#filter [name=decision]", "forwarded")
    await page.click("#filter button")
    await under.until("document.querySelectorAll('#journal tbody tr').length == 1")
    row = await page.text_content("#journal tbody tr")
    assert row is not None
    assert str(METER) in row
    assert "forwarded" in row
    await page.click("#journal tbody button")
    await page.wait_for_selector("#request[open]")
    detail = await page.text_content("#request-body")
    assert detail is not None
    for words in (
        *("receipts of the meter", "answered at 12:00:00", "s1sp; fwd=miss; stored"),
        *("ECS22b command", "ECS22b response", "MAC valid", "originator counter"),
    ):
        assert words in detail
    assert await page.locator("#request .decrypted").count() > 0
    assert await serious(page) == []
    await page.keyboard.press("Escape")
    assert await page.locator("#request[open]").count() == 0
    await page.fill("#filter [name=device]", "12")
    await page.click("#filter button")
    await page.wait_for_selector("#error:not([hidden])")
    for _ in range(3):  # the list is refreshed behind it
        assert "'12' is not an EUI-64" in (await page.text_content("#error") or "")
        await under.state()
    under.expected("422")
    await page.click("#filter [type=reset]")
    await page.wait_for_selector("#error", state="hidden")


async def hold(page: "Page", url: str) -> asyncio.Event:
    """Hold the answers of `url` back until the event is set."""
    held = asyncio.Event()

    async def late(route: "Route") -> None:
        answer = await route.fetch()
        await held.wait()
        await route.fulfill(response=answer)

    await page.route(url, late)
    return held


async def test_an_answer_that_comes_late_does_not_replace_a_later_one(under: Under) -> None:
    page = under.page
    await under.open("requests")
    await page.click("#filter button")
    held = await hold(page, "**/requests?limit=*")
    async with page.expect_request("**/requests?limit=*"):  # of the background
        pass
    await page.fill("#filter [name=device]", str(METER))
    await page.click("#filter button")
    only = (
        "(device) => [...document.querySelectorAll('#journal tbody tr')]"
        ".every((row) => row.textContent.includes(device))"
    )
    await under.until(only, str(METER))
    async with page.expect_response("**/requests?limit=*"):
        held.set()
    await under.state()
    assert await page.evaluate(only, str(METER))


async def test_the_link_of_the_open_panel_is_visible_after_a_reload(under: Under) -> None:
    await under.open("explain")
    await under.page.reload()
    await under.until(
        """() => {
            const link = document.querySelector("nav a[aria-current]");
            const { left, right } = link.getBoundingClientRect();
            return link.hash === "#explain" && left >= 0 && right <= innerWidth;
        }"""
    )


async def test_a_message_is_explained(under: Under) -> None:
    await under.open("explain")
    _, octets = party(Role.IS, 7).command(METER, "4.8.1", YESTERDAY)
    for text in (octets.hex(), base64.b64encode(octets).decode()):
        await under.page.fill("#message", text)
        await under.page.click("#explain-form button")
        await under.until("document.querySelector('#explained')?.textContent.includes('ECS22b')")
        shown = await under.page.text_content("#explained")
        assert "MAC valid" in (shown or "")
        await under.page.evaluate("document.getElementById('explained').replaceChildren()")


async def test_a_fault_is_switched_on_and_off_and_its_effect_is_seen(under: Under) -> None:
    page = under.page
    await under.open("faults")
    await page.fill("#selectors [name=meters]", str(OTHER_METER))
    await page.click("#kinds [name=no-reply]")
    await under.until("document.querySelector('#rules').textContent.includes('page-no-reply')")
    # The cache has the readings, so the fault shows once they are dropped.
    await under.open("cache")
    await page.fill("#entries-filter [name=device]", str(OTHER_METER))
    await page.click("#entries-filter button")
    await under.until("document.querySelectorAll('#entries tbody tr').length == 1")
    await page.click("#entries tbody button")
    await under.until("document.querySelector('#purged').textContent == '1 entry purged.'")
    await under.open("faults")
    await under.until(
        "document.querySelector('#fired').textContent.includes('page-no-reply') &&"
        " Number(document.querySelector('#rules td.number').textContent) > 0"
    )
    await under.open("overview")
    await under.until("document.querySelector('#reasons').textContent.includes('no-reply')")
    await under.open("faults")
    await page.click("#kinds [name=no-reply]")
    await under.until("document.querySelector('#rules').textContent.includes('none')")
    assert under.running.parts.fleet is not None
    assert under.running.parts.fleet.faults.rules == ()


async def test_latency_is_set_and_the_connection_is_cut(under: Under) -> None:
    page, fleet = under.page, under.running.fleet
    assert fleet is not None
    await under.open("faults")
    await page.fill("#network [name=latency]", "uniform:1s,2s")
    await page.click("#network button")
    await under.until("document.querySelector('#network-note').textContent.includes('1s,2s')")
    assert fleet.latency == Uniform(1.0, 2.0)
    await page.fill("#cut [name=seconds]", "0")
    await page.click("#cut button")
    await under.until("document.querySelector('#network-note').textContent.includes('cut')")


async def test_a_stream_that_fails_is_told_and_comes_back(under: Under) -> None:
    status = "document.querySelector('#status')"
    await under.page.route("**/events", lambda route: route.abort())
    await under.page.reload()
    await under.until(f"{status}.textContent == 'the process does not answer'")
    assert await under.page.get_attribute("#status", "class") == "lost"
    await under.page.unroute("**/events")
    await under.until(f"{status}.textContent.startsWith('broker')")
    under.complaints[:] = [one for one in under.complaints if "ERR_FAILED" not in one]


async def test_a_hidden_page_has_no_stream(under: Under) -> None:
    time = "document.querySelector('#time').textContent"
    ended: list[str] = []
    under.page.on("requestfailed", lambda failed: ended.append(failed.url))
    await under.until(f"{time} != ''")
    for hidden in ("true", "false"):
        await under.page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        await until(lambda: ended)
    assert ended == [f"{under.running.control}/events"]
    before = await under.page.evaluate(time)
    await under.clock.advance(60.0)
    await under.until(f"(before) => {time} != before", before)


async def test_the_list_stays_while_it_has_the_focus(under: Under) -> None:
    await under.open("requests")
    await under.until("document.querySelectorAll('#journal tbody tr').length > 3")
    await under.page.focus("#journal tbody button")
    focused = await under.page.evaluate("document.activeElement.dataset.number")
    total = under.running.parts.journal.total
    for _ in range(2):
        await under.state()
    assert under.running.parts.journal.total > total
    assert await under.page.evaluate("document.activeElement.dataset.number") == focused


async def test_the_clock_is_stepped(under: Under) -> None:
    await under.open("clock")
    await under.page.click("#steps [data-hours='1']")
    await under.until("document.querySelector('#clock-state').textContent >= '2026-01-15 13:00'")
    await under.page.fill("#step-to [name=at]", "2026-01-16T06:30")
    await under.page.click("#step-to button")
    await under.until("document.querySelector('#clock-state').textContent >= '2026-01-16 06:30'")
    assert under.clock.now() - UNIX_NOW >= 18.5 * 3600


async def test_a_meter_is_shown_with_its_curve(under: Under) -> None:
    await under.open("meters")
    await under.page.fill("#meter-search input", str(OTHER_METER))
    await under.page.click("#meter-search button")
    await under.page.wait_for_selector("#meter path.device")
    shown = await under.page.text_content("#meter")
    for words in (str(OTHER_METER), "active import", "2026-01-15", "2026-01-08, a week before"):
        assert words in (shown or "")


async def test_a_change_of_supplier_drops_readings(under: Under) -> None:
    await under.open("cache")
    await under.page.fill("#entries-filter [name=device]", str(METER))
    await under.page.click("#entries-filter button")
    await under.until("document.querySelectorAll('#entries tbody tr').length == 1")
    for name, value in {
        "device": METER,
        "old": SUPPLIER,
        "new": NEW_SUPPLIER,
        "day": "2026-01-16",
    }.items():
        await under.page.fill(f"#change [name={name}]", str(value))
    await under.page.click("#change button")
    await under.until("document.querySelector('#changed').textContent.includes('1 entry dropped')")
    await under.until(f"document.querySelector('#registry').textContent.includes('{NEW_SUPPLIER}')")


async def test_everything_is_reset(under: Under) -> None:
    await under.open("clock")
    await under.page.click("#reset")
    await under.until("document.querySelector('#reset-note').textContent.includes('Dropped')")


async def test_nothing_is_wider_than_the_screen_and_axe_finds_nothing_serious(
    under: Under,
) -> None:
    for panel in ("overview", "requests", "meters", "faults", "clock", "cache", "explain"):
        await under.open(panel)
        await under.page.wait_for_load_state("load")
        assert await under.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        ), panel
        assert await serious(under.page) == [], panel


async def test_the_page_works_with_the_keyboard(under: Under) -> None:
    page = under.page
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    for _ in range(2):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.hash") == "#meters"
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#meters:not([hidden])")


async def test_swagger_ui_shows_the_description(under: Under) -> None:
    await under.page.goto(f"{under.running.control}/docs")
    await under.page.wait_for_selector("#swagger .opblock")
    assert await under.page.locator(".opblock").count() > 30


async def test_a_token_unlocks_the_page(browser: "Browser") -> None:
    token = "0123456789abcdef"
    async with (
        process(token=token) as (running, clock),
        watched(browser, running, clock, SIZES[1]) as under,
    ):
        page = under.page
        for said, given in (("needs a token", "wrong"), ("the token is wrong", token)):
            await page.wait_for_selector("#unlock:not([hidden])")
            await under.until(f"document.querySelector('#status').textContent == '{said}'")
            assert await serious(page) == []
            await page.fill("#unlock [name=token]", given)
            async with page.expect_navigation():
                await page.click("#unlock button")
        await under.until("document.querySelectorAll('#counts div').length > 5")
        assert not await page.is_visible("#unlock")
        assert not await page.is_visible("#error")
        under.complaints[:] = [one for one in under.complaints if "401" not in one]
        await under.open("clock")
        await page.click("#reset")
        await under.until("document.querySelector('#reset-note').textContent.includes('Dropped')")
        await page.reload()
        await under.until("document.querySelectorAll('#counts div').length > 5")


async def test_meters_without_a_cache_have_no_panel_of_one(browser: "Browser") -> None:
    async with (
        process(cached=False) as (running, clock),
        watched(browser, running, clock, SIZES[0]) as under,
    ):
        await under.until("document.querySelectorAll('#counts div').length == 5")
        assert not await under.page.is_visible("nav a[href='#cache']")
        assert await under.page.is_visible("nav a[href='#meters']")
        await under.until("document.querySelector('#outcomes').textContent.includes('4.8.1')")
        await under.open("requests")
        await under.until("document.querySelectorAll('#journal tbody tr').length > 3")
        assert "direct" in (await under.page.text_content("#journal tbody tr") or "")
        await under.page.click("#journal tbody button")
        await under.page.wait_for_selector("#request[open]")
        assert "MAC valid" in (await under.page.text_content("#request-body") or "")


async def test_meters_are_searched_and_suspended(under: Under) -> None:
    page = under.page
    await under.open("meters")
    await under.until("document.querySelector('#meter-filter [name=profile]').length > 1")
    await page.click("#meter-filter button")
    await under.until(
        f"document.querySelectorAll('#meter-list tbody tr').length == {len(ESTATE.meters)}"
    )
    await page.click(f"#meter-list button[data-device='{OTHER_METER}']")
    await page.wait_for_selector("#meter path.device")
    await page.select_option("#meter select", "suspended")
    fleet = under.running.parts.fleet
    assert fleet is not None
    await until(lambda: fleet.profiles.state(OTHER_METER) == "suspended")
    await page.select_option("#meter-filter [name=state]", "suspended")
    await page.click("#meter-filter button")
    await under.until("document.querySelectorAll('#meter-list tbody tr').length == 1")
    assert str(OTHER_METER) in (await page.text_content("#meter-list") or "")
    assert await serious(page) == []


async def test_a_search_that_ends_late_adds_nothing_to_a_later_one(under: Under) -> None:
    page = under.page
    await under.open("meters")
    held = await hold(page, "**/meters?limit=*")
    async with page.expect_request("**/meters?limit=*"):
        await page.click("#meter-filter button")
    await page.select_option("#meter-filter [name=state]", "commissioned")
    await page.click("#meter-filter button")
    rows = "document.querySelectorAll('#meter-list tbody tr').length"
    await under.until(f"{rows} == {len(ESTATE.meters)}")
    async with page.expect_response("**/meters?limit=*"):
        held.set()
    await under.state()
    assert await page.evaluate(rows) == len(ESTATE.meters)
