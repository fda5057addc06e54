"""The board in a real browser, on a real worker, and what strangers get of it."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from itertools import pairwise, product

import aiohttp
import asyncpg
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.support import axe
from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

NewWorker = Callable[..., WorkerProcess]
TOKEN = "a-token-of-the-board"
DATA = (
    "/session.json", "/board.json", "/charts.json", "/order.json?id=kept", "/search.json?q=k",
    "/list.json?of=dead-letters", "/dead-letter.json?id=1",
)  # fmt: skip
SECRET = "Rosa Quispe"
HOSTILE = "<img src=x onerror=document.title='taken'>"
DESK = {"width": 1280, "height": 800}
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
    worker = new_worker(
        topics, grace="PT0S", board_token=TOKEN, dead_letter_limit="1", astray_refusals="ignore",
        zone="Asia/Tokyo",
    )  # fmt: skip
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
    defaults = {"locale": "en-GB", "timezone_id": "America/Lima", "viewport": DESK}
    page = await browser.new_page(**{**defaults, **how})  # type: ignore[arg-type]
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


async def eventually_told(market: Market, number: int) -> None:
    async def published() -> bool:
        return len(await market.decisions()) >= number

    await eventually(published, 30, f"{number} decisions")


async def find(page: Page, text: str) -> None:
    await page.fill("#order-id", text)
    await page.click("#search button")


async def test_it_shows_tiles_charts_verdicts_and_lanes(
    browser: Browser, worker: WorkerProcess
) -> None:
    page, wrong = await opened(browser, worker)
    assert TOKEN not in page.url  # nobody reads it over a shoulder, or in the history
    verdict = page.locator("#verdicts tbody tr")
    await expect(verdict).to_have_count(1)
    await expect(verdict).to_contain_text(HOSTILE)
    await expect(verdict).to_contain_text("Auto-cancelled")
    await expect(verdict.locator("td").last).to_have_text("yes")
    # A normal outcome is no alarm.
    assert await verdict.locator(".bad, .warn").count() == 0
    tiles = page.locator("#tiles")
    for text in ("Late verdicts", "Safety stops", "Not yet published", "Brake", "ready"):
        await expect(tiles).to_contain_text(text)
    # Both come from Postgres: they were there before the page was opened.
    for chart, told in (("lapses", "2 in all"), ("verdicts", "1 in all"), ("outlook", "1 in all")):
        await expect(page.locator(f"#chart-{chart}")).to_contain_text(told)
        assert await page.locator(f"#chart-{chart} svg text").count() > 4  # axes
    await page.click("nav a[data-page=lanes-page]")
    lanes = page.locator("#lanes tbody tr")
    await expect(lanes).to_have_count(3)
    for row in await lanes.all():
        await expect(row).to_contain_text("up to date")
    assert await page.title() == "Plazo"  # what a record says did not run
    assert wrong == []


async def test_verdicts_appear_as_they_fall_and_the_focus_stays(
    browser: Browser, worker: WorkerProcess, market: Market
) -> None:
    page, _ = await opened(browser, worker)
    await expect(page.locator("#verdicts tbody tr")).to_have_count(1)
    await page.focus("#verdicts tbody a")
    await market.publish(market.order("next", now() - timedelta(hours=30)))
    await expect(page.locator("#verdicts tbody tr")).to_have_count(2, timeout=20_000)
    await expect(page.locator("#verdicts tbody tr").first).to_contain_text("next")
    assert await page.evaluate("document.activeElement.textContent") == HOSTILE


async def test_an_order_has_a_sentence_and_a_time_line(
    browser: Browser, worker: WorkerProcess
) -> None:
    page, wrong = await opened(browser, worker)
    await find(page, "kept")
    line = page.locator("#order ol:not(.technical) li")
    await expect(page.locator("#order .summary")).to_contain_text(
        "Kept because it was put in start handling"
    )
    await expect(page.locator("#order .next")).to_contain_text("Nothing to do.")
    await expect(page.locator("#order .next.waits")).to_have_count(0)
    lines = [await one.locator("span").first.inner_text() for one in await line.all()]
    assert lines == ["the order entered", "start-handling, in time", "the deadline"]
    assert SECRET not in await page.content()
    # A page of its own begins at its title, and comes back by the browser's button.
    assert await page.evaluate("document.activeElement.textContent") == "Order kept"
    await page.go_back()
    await page.click("#verdicts a")
    await expect(line.last).to_contain_text("Auto-cancelled: stock not confirmed")
    assert wrong == []


async def test_it_finds_by_beginning_by_seller_and_says_when_it_finds_nothing(
    browser: Browser, worker: WorkerProcess
) -> None:
    page, _ = await opened(browser, worker)
    await find(page, "KEP")  # the only one that begins so, in another case
    await expect(page.locator("#order h2")).to_have_text("Order kept")
    await find(page, "s-1")
    await expect(page.locator("#found tbody tr")).to_have_count(3)
    await expect(page.locator("#found-more")).to_contain_text("Of the last 30 days")
    await page.click("#found tbody tr:last-child td:nth-child(2) a")  # a seller
    await expect(page.locator("#found tbody tr")).to_have_count(3)
    for nobody in ("nobody's\0", "kept%"):
        await find(page, nobody)
        await expect(page.locator("#order")).to_contain_text("No record that names the order")
        await expect(page.locator("#order")).to_contain_text("capitals count")


async def test_it_lists_what_waits_for_a_person(
    browser: Browser, worker: WorkerProcess, market: Market
) -> None:
    long_ago = now() - timedelta(hours=30)
    await market.publish(
        market.act("moved", "start-handling", long_ago, validation={"in_stock": False}),
        market.act("word", "strange-word", long_ago),
        market.order("moved", long_ago),
        market.order("word", long_ago),
    )
    page, wrong = await opened(browser, worker)
    await page.click("#tiles a:has-text('Waits for a person')")
    await expect(page.locator("#list-title")).to_have_text("Escalated orders")
    rows = page.locator("#list tbody tr")
    await expect(rows).to_have_count(2, timeout=30_000)
    await page.select_option("#choices [name=reason]", "unknown-status")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("word")
    await page.reload()  # a filter can be sent as a link
    await expect(rows).to_have_count(1)
    await page.click("#tabs a:has-text('Unknown statuses (1)')")
    await expect(rows).to_contain_text("strange-word")
    await page.click("#tabs a:has-text('Dead letters (1)')")
    await page.fill("#filter", "nothing like it")
    await expect(page.locator("#list")).to_contain_text("Nothing waits here")
    await page.fill("#filter", "")
    await rows.locator("a").first.click()
    await expect(page.locator("#letter")).to_contain_text("plazo dead-letters replay")
    assert wrong == []


async def test_it_lists_all_decisions_with_filters_and_pages(
    browser: Browser, worker: WorkerProcess, market: Market
) -> None:
    long_ago = now() - timedelta(hours=30)
    topic, key, order = market.order("moved", long_ago)
    await market.publish(
        market.act("moved", "start-handling", long_ago, validation={"in_stock": False}),
        (topic, key, {**order, "seller_id": "s-7"}),
        *(market.order(f"many-{n}", long_ago) for n in range(100)),
    )
    page, wrong = await opened(browser, worker)
    await eventually_told(market, 102)
    await page.click("nav a:has-text('Decisions')")
    await expect(page.locator("#list-title")).to_have_text("Decisions")
    await expect(page.locator("nav a[aria-current=page]")).to_have_text("Decisions")
    await expect(page.locator("#tabs")).to_be_hidden()
    rows = page.locator("#list tbody tr")
    await expect(rows).to_have_count(100)
    await page.click("#list-more a")
    await expect(rows).to_have_count(2)
    await expect(rows.last).to_contain_text(HOSTILE)
    await page.go_back()
    await expect(rows).to_have_count(100)
    await page.select_option("#choices [name=kind]", "escalation")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("handling without stock")
    await page.click("#list a:has-text('s-7')")  # all of its seller
    await expect(page.locator("#choices [name=seller]")).to_have_value("s-7")
    await expect(rows).to_have_count(1)
    assert wrong == []


async def test_times_are_those_of_the_browser_of_the_marketplace_or_utc(
    browser: Browser, worker: WorkerProcess
) -> None:
    page, _ = await opened(browser, worker)
    decided = page.locator("#verdicts time")
    await expect(decided).to_contain_text("ago")
    assert "GMT-5" in (await decided.get_attribute("title") or "")
    await page.click("#zone")
    await expect(page.locator("#zone")).to_have_text("Times: Asia/Tokyo")
    assert "GMT+9" in (await decided.get_attribute("title") or "")
    await page.click("#zone")
    assert "UTC" in (await decided.get_attribute("title") or "")
    await page.reload()
    await expect(page.locator("#zone")).to_have_text("Times: UTC")


async def test_it_speaks_spanish_and_english(browser: Browser, worker: WorkerProcess) -> None:
    page, _ = await opened(browser, worker, locale="es-PE")
    await expect(page.locator("#tiles")).to_contain_text("Veredictos atrasados")
    assert await page.get_attribute("html", "lang") == "es"
    await page.click("#verdicts a")
    await expect(page.locator("#order .summary")).to_contain_text("Cancelado automáticamente")
    await page.click("#language")
    await expect(page.locator("#order .summary")).to_contain_text("Auto-cancelled")
    assert await page.get_attribute("html", "lang") == "en"


PAGES = (
    "",
    "waiting=brake",
    "waiting=decisions",
    "view=lanes",
    "order=kept",
    "search=s-1",
)


# Six screens with eight pages each, and every rule of axe on each: two minutes beside other work.
@pytest.mark.timeout(400)
async def test_it_fits_and_everybody_can_use_it(browser: Browser, worker: WorkerProcess) -> None:
    reason = axe.missing()
    if reason and not os.environ.get("CI"):
        pytest.skip(f"accessibility was not looked at: {reason}")
    rules = axe.script()
    for width, scheme in product((390, 1280, 2560), ("light", "dark")):
        viewport = {"width": width, "height": 844}
        page, wrong = await opened(browser, worker, viewport=viewport, color_scheme=scheme)
        await expect(page.locator("#chart-lapses svg")).to_be_visible()
        await page.evaluate(rules)
        for place in (*PAGES, "letter=1"):
            await page.evaluate("place => { location.hash = place; }", place)
            title = page.locator("#board > section:visible h2").first
            await expect(title).not_to_be_empty()
            if place:  # a page of its own begins at its title
                await expect(title).to_be_focused()
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, place
            assert await page.evaluate("document.documentElement.scrollHeight") < 2600, place
            found = await page.evaluate("axe.run()")
            faults = [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]]
            assert faults == [], (place, width, scheme)
        ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        shade = sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(",")))
        assert (shade < 200) == (scheme == "dark")
        assert wrong == []
        await page.close()


async def test_a_screen_reader_hears_what_matters_and_nothing_else(
    browser: Browser, worker: WorkerProcess, market: Market
) -> None:
    page, _ = await opened(browser, worker)
    await page.evaluate("""
        window.heard = [];
        new MutationObserver(() => heard.push(document.getElementById("said").textContent))
            .observe(document.getElementById("said"), { childList: true });
        window.alarms = [document.getElementById("notice").textContent];
        new MutationObserver(() => alarms.push(document.getElementById("notice").textContent))
            .observe(document.getElementById("notice"), { childList: true, attributes: true });
    """)
    await market.publish(
        market.order("quiet", now() - timedelta(hours=30)),
        (market.topics.order_status_changed, "y", b"no JSON either"),
    )
    await expect(page.locator("#verdicts tbody tr")).to_have_count(2, timeout=20_000)
    await expect(page.locator("#said")).to_have_text("1 more wait for a person", timeout=20_000)
    assert await page.evaluate("heard") == ["1 more wait for a person"]
    # On a busy machine the figures may be old for a moment: that is news as well.
    alarms = await page.evaluate("alarms")
    assert all(one != before for before, one in pairwise(alarms))


async def test_it_asks_for_the_token(browser: Browser, worker: WorkerProcess) -> None:
    page = await browser.new_page(locale="en-GB")
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
    await expect(page.locator("#verdicts tbody tr")).to_have_count(1)
    worker.sigkill()
    await expect(page.locator("#notice")).to_contain_text("what is shown is old", timeout=20_000)
    await expect(page.locator("#verdicts tbody tr")).to_have_count(1)


async def test_strangers_get_no_data(worker: WorkerProcess) -> None:
    wrong = [None, "", "Bearer", "Bearer a-token", TOKEN, f"Basic {TOKEN}"]
    async with aiohttp.ClientSession(address(worker)) as session:
        for path, given in product(DATA, wrong):
            headers = {} if given is None else {"Authorization": given}
            async with session.get(path, headers=headers) as answer:
                assert answer.status == 401, (path, given)
                assert (await answer.json())["error"] == "the token is missing or wrong"


async def test_it_changes_nothing_and_lets_nobody_frame_it(worker: WorkerProcess) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(address(worker), headers=headers) as session:
        for path in ("/", "/board.js", "/board.css", "/texts.json", *DATA):
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


PROXY = {
    "board_user_header": "X-Forwarded-User",
    "board_role_header": "X-Forwarded-Groups",
    "board_proxies": "127.0.0.0/8",
}


def person(name: str, *roles: str) -> dict[str, str]:
    return {"X-Forwarded-User": name, "X-Forwarded-Groups": ",".join(roles)}


async def test_support_signs_in_by_the_proxy_and_sees_orders_and_no_operations(
    browser: Browser, new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    worker = await new_worker(topics, grace="PT0S", **PROXY).start().wait_ready()
    await market.publish(market.order("late", now() - timedelta(hours=25)))
    await market.told("late auto-cancel stock-not-validated")
    context = await browser.new_context(
        locale="en-GB", extra_http_headers=person("rosa@example.com", "staff", "support")
    )
    page = await context.new_page()
    await page.goto(address(worker))
    await expect(page.locator("#who")).to_have_text("signed in as rosa@example.com")
    assert await page.locator("nav a:visible").all_inner_texts() == ["For a person", "Decisions"]
    assert await page.locator("#tabs a").all_inner_texts() == ["Escalated orders", "On hold"]
    await find(page, "late")
    await expect(page.locator("#order .summary")).to_contain_text("Auto-cancelled")
    headers = person("rosa@example.com", "support")
    async with aiohttp.ClientSession(address(worker), headers=headers) as session:
        for path in (
            "/board.json",
            "/charts.json",
            "/dead-letter.json?id=1",
            "/list.json?of=orphans",
        ):
            async with session.get(path) as answer:
                assert answer.status == 403, path
    (line,) = [json.loads(one) for one in worker.output.splitlines() if "order_viewed" in one]
    assert (line["user"], line["role"]) == ("rosa@example.com", "support")
    assert (line["order_id"], line["personal"]) == ("late", False)
    assert "timestamp" in line


async def test_persons_are_shown_to_named_people_alone_and_each_look_leaves_a_line(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    worker = new_worker(topics, board_token=TOKEN, board_personal="true", **PROXY)
    await worker.start().wait_ready()
    await market.publish(
        market.order("one"),
        market.act(
            "one", "canceled", dispute={"text": "none", "type": "CS", "responsible": SECRET}
        ),
    )
    asked = "/order.json?personal=1&id=one"
    token = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(address(worker)) as session:

        async def seen() -> bool:
            async with session.get(asked, headers=person("ana", "operator")) as answer:
                return SECRET in await answer.text()

        await eventually(seen, 20, "the act")
        async with session.get(asked, headers=token) as answer:
            assert answer.status == 403
    looks = [json.loads(one) for one in worker.output.splitlines() if "order_viewed" in one]
    assert {(one["user"], one["personal"]) for one in looks} == {("ana", True)}
    assert SECRET not in worker.output


async def test_a_crowd_of_tabs_takes_no_connection_of_the_lanes(
    worker: WorkerProcess, database: str
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    admin = await asyncpg.connect(database)
    most = 0
    async with aiohttp.ClientSession(address(worker), headers=headers) as session:

        async def ask(path: str) -> int:
            async with session.get(path) as answer:
                await answer.read()
                return answer.status

        asking = [asyncio.create_task(ask(path)) for path in DATA * 5]
        while not all(task.done() for task in asking):
            found = await admin.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'plazo-board'"
            )
            most = max(most, found)
            await asyncio.sleep(0.01)
    await admin.close()
    assert {task.result() for task in asking} == {200}
    assert 1 <= most <= 2
