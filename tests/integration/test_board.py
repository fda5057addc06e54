"""The board in a real browser, on a real worker, and what strangers get of it."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import aiohttp
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics

NewWorker = Callable[..., WorkerProcess]
TOKEN = "a-token-of-the-board"
SECRET = "Rosa Quispe"
HOSTILE = "<img src=x onerror=document.title='taken'>"
CANCELLED = f"{HOSTILE} auto-cancel stock-not-validated"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium-headless-shell")
    if program is None:
        assert not os.environ.get("CI"), "CI needs Debian's package chromium-headless-shell"
        pytest.skip("chromium-headless-shell is not installed: the board was not looked at")
    async with async_playwright() as playwright:
        # As root, as in a container, Chromium has no sandbox; it sees nothing but our own page.
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def worker(new_worker: NewWorker, topics: Topics, market: Market) -> WorkerProcess:
    """One order kept, one cancelled, one open, and a dead letter."""
    worker = new_worker(topics, grace="PT0S", board_token=TOKEN, dead_letter_limit="1")
    await worker.start().wait_ready()
    long_ago = now() - timedelta(hours=25)
    await market.publish(
        market.order("kept", long_ago),
        market.act("kept", "start-handling", long_ago + timedelta(hours=1), responsible=SECRET),
        market.order(HOSTILE, long_ago),
        market.order("open"),
        (market.topics.order_status_changed, "x", b"no JSON"),
    )
    await market.told(CANCELLED)
    return worker


def address(worker: WorkerProcess) -> str:
    return f"http://127.0.0.1:{worker.http_port}"


async def opened(browser: Browser, worker: WorkerProcess, **how: object) -> tuple[Page, list[str]]:
    """The board, opened by its link; and what went wrong in it or was asked of others."""
    page = await browser.new_page(**how)  # type: ignore[arg-type]
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on(
        "request",
        lambda asked: (
            None if asked.url.startswith((address(worker), "data:")) else wrong.append(asked.url)
        ),
    )
    await page.goto(f"{address(worker)}/#token={TOKEN}")
    await expect(page.locator("#board")).to_be_visible()
    return page, wrong


async def test_it_shows_lanes_verdicts_and_dead_letters(
    browser: Browser, worker: WorkerProcess
) -> None:
    page, wrong = await opened(browser, worker)
    assert TOKEN not in page.url  # nobody reads it over a shoulder, or in the history
    lanes = page.locator("#lanes tbody tr")
    await expect(lanes).to_have_count(3)
    for row in await lanes.all():
        await expect(row).to_contain_text("up to date")
    verdict = page.locator("#verdicts tbody tr")
    await expect(verdict).to_have_count(1)
    await expect(verdict).to_contain_text(HOSTILE)
    await expect(verdict).to_contain_text("auto-cancel")
    await expect(verdict.locator("td").last).to_have_text("yes")
    await expect(page.locator("#letters tbody tr")).to_have_count(1)
    tiles = page.locator("#tiles")
    for text in ("Overdue verdicts", "Guards", "Outbox", "Brake", "ready", "Dead letters"):
        await expect(tiles).to_contain_text(text)
    assert await page.title() == "Plazo"  # what a record says did not run
    assert wrong == []


async def test_verdicts_appear_as_they_fall(
    browser: Browser, worker: WorkerProcess, market: Market
) -> None:
    page, _ = await opened(browser, worker)
    await expect(page.locator("#verdicts tbody tr")).to_have_count(1)
    await market.publish(market.order("next", now() - timedelta(hours=30)))
    await expect(page.locator("#verdicts tbody tr")).to_have_count(2, timeout=20_000)
    await expect(page.locator("#verdicts tbody tr").first).to_contain_text("next")


async def test_the_search_box_shows_the_time_line_of_an_order(
    browser: Browser, worker: WorkerProcess
) -> None:
    page, wrong = await opened(browser, worker)
    await page.fill("#order-id", "kept")
    await page.click("#search button")
    line = page.locator("#order-line li")
    await expect(page.locator("#order-summary")).to_contain_text("kept because")
    lines = [await one.locator("span").inner_text() for one in await line.all()]
    assert lines == ["entered the system", "order-created", "start-handling, in time", "due"]
    assert SECRET not in await page.content()
    await page.click("#verdicts a")
    await expect(line.last).to_contain_text("auto-cancel: stock-not-validated")
    assert wrong == []
    await page.fill("#order-id", "nobody's\0")
    await page.press("#order-id", "Enter")
    await expect(page.locator("#order-summary")).to_contain_text("No record that names the order")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone(browser: Browser, worker: WorkerProcess, scheme: str) -> None:
    viewport = {"width": 360, "height": 740}
    page, _ = await opened(browser, worker, viewport=viewport, color_scheme=scheme)
    await page.click("#verdicts a")
    await expect(page.locator("#order-line li").first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    shade = sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(",")))
    assert (shade < 200) == (scheme == "dark")


async def test_it_asks_for_the_token(browser: Browser, worker: WorkerProcess) -> None:
    page = await browser.new_page()
    await page.goto(address(worker))
    await expect(page.locator("#board")).to_be_hidden()
    for wrong in ("a-token-of-the-boarD", "naïve-☃-token-of-nobody"):
        await page.fill("#token", wrong)
        await page.press("#token", "Enter")
        await expect(page.locator("#refused")).to_have_text("This token is not right.")
    await page.fill("#token", TOKEN)
    await page.press("#token", "Enter")
    await expect(page.locator("#board")).to_be_visible()


async def test_it_says_when_what_it_shows_is_old(browser: Browser, worker: WorkerProcess) -> None:
    page, _ = await opened(browser, worker)
    await expect(page.locator("#lanes tbody tr")).to_have_count(3)
    worker.sigkill()
    await expect(page.locator("#notice")).to_contain_text("what is shown is old", timeout=20_000)
    await expect(page.locator("#lanes tbody tr")).to_have_count(3)


@pytest.mark.parametrize("path", ["/board.json", "/order.json?id=kept"])
@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer a-token", TOKEN, f"Basic {TOKEN}"])
async def test_strangers_get_no_data(worker: WorkerProcess, path: str, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    async with aiohttp.request("GET", address(worker) + path, headers=headers) as answer:
        assert answer.status == 401
        assert await answer.json() == {"error": "the token is missing or wrong"}


async def test_it_changes_nothing_and_lets_nobody_frame_it(worker: WorkerProcess) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(address(worker), headers=headers) as session:
        for path in ("/", "/board.js", "/board.css", "/board.json", "/order.json?id=kept"):
            async with session.get(path) as answer:
                assert answer.status == 200
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "frame-ancestors 'none'" in policy
                assert SECRET not in await answer.text()
            async with session.post(path) as answer:
                assert answer.status == 405


async def test_without_a_token_there_is_no_board(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    worker = await new_worker(topics).start().wait_ready()
    for path in ("/", "/board.js", "/board.json"):
        status, _ = await worker.get(path)
        assert status == 404
