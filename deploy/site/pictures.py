"""Takes the pictures of the board for the documentation.

    python -m deploy.site.pictures

starts Postgres, a broker and a worker, lets it decide a sample week, and looks at its board with
the system's Chromium. The verdicts of that week are moved to the times at which they would have
fallen.
"""

import asyncio
import json
import random
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from playwright.async_api import Browser, async_playwright, expect
from pydantic import SecretStr

from worker.board.pages import pages
from worker.dev.broker import EmbeddedBroker
from worker.dev.ledger import Ledger, Message
from worker.dev.marketplace import publisher
from worker.dev.postgres import EmbeddedPostgres
from worker.dev.topics import create_topics
from worker.runtime.worker import Worker
from worker.settings import Settings
from worker.storage.migrate import migrate

PICTURES = Path(__file__).parents[2] / "docs/pictures"
TOKEN = "a-token-for-pictures"  # noqa: S105
DAYS, LANES = 8, 3
HEIGHTS = {390: 1150, 1280: 862, 2560: 1150}
# The share of sellers up to each, their status, the part of the window before it, more fields.
SELLERS: tuple[tuple[float, str | None, float, dict[str, Any]], ...] = (
    (0.76, "start-handling", 0.4, {}),
    (0.84, "canceled", 0.5, {}),
    (0.93, None, 0.0, {}),
    (0.97, "start-handling", 0.6, {"validation": {"in_stock": False}}),
    (1.00, "dispute-opened", 0.7, {}),
)
DONE = """SELECT (SELECT count(*) FROM decisions) > 0
    AND NOT EXISTS (SELECT FROM deadlines WHERE fires_at < now())"""
MOVE = """UPDATE decisions d SET decided_at = o.due + interval '30 s' + d.lane * interval '0.7 s'
    FROM orders o WHERE o.order_id = d.order_id AND o.due < now() - interval '10 min';
UPDATE acts SET received_at = occurred_at"""


def events(now: datetime) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Orders and acts of a sample week, and whether each is an order."""
    chance = random.Random(7)  # noqa: S311
    at, number = now - timedelta(days=DAYS), 0
    while at < now:
        number += 1
        order = f"v{40480000 + number * 7}naf-01"
        yield True, {
            "order_id": order, "seller_id": f"s-{chance.randint(100, 139)}",
            "fulfilment": chance.choice(("courier", "dropshipping")), "entered_at": at.isoformat(),
            "total": f"{chance.randint(40, 900)}.90", "currency": "PEN",
        }  # fmt: skip
        luck = chance.random()
        _, status, part, more = next(one for one in SELLERS if luck <= one[0])
        acted = at + timedelta(hours=24) * part * chance.uniform(0.4, 1.3)
        if status is not None and acted < now:
            yield (
                False,
                {"order_id": order, "status": status, "occurred_at": acted.isoformat(), **more},
            )
        busy = 1.0 if at.hour >= 13 or at.hour < 4 else 0.25
        at += timedelta(minutes=chance.expovariate(1 / 7) / busy)


async def publish(settings: Settings, now: datetime) -> None:
    """Publish the sample week, and two records that cannot be read."""
    created, changed, *_ = settings.input_topics
    messages = [
        Message(
            created if is_order else changed, value["order_id"].encode(), json.dumps(value).encode()
        )
        for is_order, value in events(now)
    ]
    messages += [Message(changed, one.key, b"no JSON") for one in messages[:2]]
    async with publisher(settings.kafka_bootstrap_servers, Ledger()) as send:
        for start in range(0, len(messages), 500):
            await send(messages[start : start + 500])


async def decided(worker: Worker, url: str) -> None:
    """Return once no deadline is due, then move the verdicts to their times."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(120):
            while not worker.health.ready or not await connection.fetchval(DONE):  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        await connection.execute(MOVE)
    finally:
        await connection.close()


async def take(browser: Browser, board: str) -> None:
    """All pictures: the overview in each width and scheme, and an order on a phone."""
    for scheme in ("light", "dark"):
        for width, height in HEIGHTS.items():
            page = await browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme,
                locale="en-GB", timezone_id="America/Lima",
            )  # fmt: skip
            await page.goto(f"{board}/#token={TOKEN}")
            await page.wait_for_selector("#chart-outlook rect")
            counting = page.locator("#charts").get_by_text("still counting")
            await expect(counting).to_have_count(0, timeout=60_000)
            suffix = "" if (width, scheme) == (1280, "light") else f"-{width}-{scheme}"
            await page.screenshot(path=PICTURES / f"board{suffix}.png")
            if (width, scheme) == (390, "dark"):
                await page.click("#verdicts a")
                await page.wait_for_selector("#order li.verdict")
                await page.screenshot(path=PICTURES / "order.png", full_page=True)
            await page.close()


async def main() -> None:
    """Start the parts, let them decide, and take the pictures."""
    async with EmbeddedPostgres(fsync=False) as postgres, EmbeddedBroker() as broker:
        settings = Settings(
            kafka_bootstrap_servers=broker.bootstrap_servers,
            kafka_idempotence=broker.idempotence,
            database_url=SecretStr(postgres.url),
            board_token=SecretStr(TOKEN),
            http_port=0,
            before_adoption="decide",
            astray_refusals="ignore",
            dead_letter_limit=1,
            brake_least=100_000,
        )
        await migrate(postgres.url)
        widths = dict.fromkeys((*settings.input_topics, settings.output_topic), LANES)
        await create_topics(
            settings.kafka_bootstrap_servers, {**widths, settings.dead_letters_topic: 1}
        )
        await publish(settings, datetime.now(UTC))
        worker = Worker(settings, pages=pages)
        running = asyncio.create_task(worker.run(signals=False))
        try:
            await decided(worker, postgres.url)
            program = shutil.which("chromium-headless-shell")
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=program, args=["--no-sandbox"]
                )
                await take(browser, f"http://127.0.0.1:{worker.http.port}")
                await browser.close()
        finally:
            worker.stop()
            await running


if __name__ == "__main__":
    asyncio.run(main())
