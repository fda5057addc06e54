"""The dashboard's queries, asked of a real Prometheus that scrapes a real worker at work."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support import runbooks
from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.dev.process import free_port
from worker.storage.migrate import migrate

DEPLOY = Path(__file__).parents[2] / "deploy"
CONFIG = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: plazo
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
# Nothing of the kind happens in this test; that the query is answered at all is enough.
SILENT = ("plazo_database_errors_total", "plazo_handed_over_total")


@contextmanager
def prometheus(program: str, directory: Path, worker_port: int) -> Iterator[str]:
    port = free_port()
    config = directory / "prometheus.yaml"
    rules = DEPLOY / "prometheus" / "plazo.rules.yaml"
    config.write_text(CONFIG.format(rules=rules, port=worker_port))
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={config}", f"--storage.tsdb.path={directory / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.terminate()
        process.wait(20)


async def asked(base: str, path: str, **words: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{base}/{path}", params=words) as answer,
    ):
        body = await answer.json()
    assert body["status"] == "success", body
    return body["data"]


def queries(port: int) -> list[str]:
    board = json.loads((DEPLOY / "grafana" / "plazo.json").read_text())
    found = [t["expr"] for panel in board["panels"] for t in panel.get("targets", ())]
    # All cells: the series of this one have no such label.
    chosen = {
        "$cell": ".*", "$job": "plazo", "$instance": f"127.0.0.1:{port}", "$__rate_interval": "10s"
    }  # fmt: skip
    for name, value in chosen.items():
        found = [query.replace(name, value) for query in found]
    return found


async def test_every_panel_shows_something(
    new_worker: Callable[..., WorkerProcess], kafka: Kafka, topics: Topics, database: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    program = shutil.which("prometheus")
    if program is None:
        assert not os.environ.get("CI"), "CI needs Debian's package prometheus"
        pytest.skip("prometheus is not installed: the dashboard's queries were not asked")
    await migrate(database)
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    worker = await new_worker(topics, stock_window="PT1S", grace="PT0S").start().wait_ready()
    with prometheus(program, tmp_path, worker.http_port) as base:

        async def scraped() -> bool:
            try:
                return bool((await asked(base, "query", query="plazo_build_info"))["result"])
            except aiohttp.ClientError:
                return False

        await eventually(scraped, 30)
        empty: list[str] = []

        async def all_shown() -> bool:
            number = asyncio.get_running_loop().time()
            await market.publish(
                *(market.order(f"order-{number}-{n}") for n in range(5)),
                market.act(f"order-{number}-0", "start-handling"),
                (topics.order_created, "broken", b"{"),
            )
            answers = [(q, await asked(base, "query", query=q)) for q in queries(worker.http_port)]
            empty[:] = [
                query for query, data in answers
                if not data["result"] and not any(name in query for name in SILENT)
            ]  # fmt: skip
            assert not empty, empty
            return True

        await eventually(all_shown, 60, interval=1.0)
        for query in runbooks.queries():
            await asked(base, "query", query=query)
        # The recording rules and alerts load, and none that should wake anybody fires.
        firing = (await asked(base, "alerts"))["alerts"]
        pages = [a["labels"]["alertname"] for a in firing if a["labels"]["severity"] == "page"]
        assert not pages, firing
        rules = (await asked(base, "rules"))["groups"]
        broken = [rule for group in rules for rule in group["rules"] if rule["health"] == "err"]
        assert not broken, broken
