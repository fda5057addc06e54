"""From the rules to a webhook, through a real Prometheus and a real Alertmanager."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from tests.support.market import Market
from tests.support.processes import WorkerProcess
from tests.support.runbooks import RUNBOOKS
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.dev.process import ChildProcess, free_port

from . import programs

DEPLOY = RUNBOOKS.parent


@asynccontextmanager
async def webhook(alerts: list[dict[str, Any]]) -> AsyncIterator[str]:
    """Takes what Alertmanager sends."""

    async def take(request: web.Request) -> web.Response:
        alerts.extend((await request.json())["alerts"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def hasty_rules(directory: Path) -> Path:
    """The rules as they are shipped, but each alert fires at once."""
    rules = yaml.safe_load((DEPLOY / "prometheus" / "plazo.rules.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    file = directory / "rules.yaml"
    file.write_text(json.dumps(rules))
    return file


def checked(program: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [programs.required(program), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_alerts_reach_a_webhook_with_the_address_of_their_runbook(
    new_worker: Callable[..., WorkerProcess], topics: Topics, market: Market, tmp_path: Path
) -> None:
    """Nobody runs, somebody runs, and a record is refused."""
    prometheus = programs.required("prometheus")
    alertmanager = programs.required("alertmanager")
    worker = new_worker(topics)
    manager, port = free_port(), free_port()
    # As deploy/compose sets Prometheus up, but for addresses and the pace.
    shipped = yaml.safe_load((DEPLOY / "compose" / "prometheus.yaml").read_text())
    runbooks = shipped["global"]["external_labels"]["runbooks"]
    shipped["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    shipped["rule_files"] = [str(hasty_rules(tmp_path))]
    target = {"targets": [f"127.0.0.1:{worker.http_port}"]}
    shipped["scrape_configs"][0]["static_configs"] = [target]
    shipped["alerting"] = {
        "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]
    }
    config = tmp_path / "prometheus.yaml"
    config.write_text(json.dumps(shipped))
    checked("promtool", "check", "config", config)
    alerts: list[dict[str, Any]] = []

    def told(name: str, status: str) -> bool:
        return any(one["labels"]["alertname"] == name and one["status"] == status for one in alerts)

    async with webhook(alerts) as url:
        routes = {
            "route": {"receiver": "test", "group_wait": "0s", "group_interval": "1s",
                      "group_by": ["alertname"]},
            "receivers": [{"name": "test", "webhook_configs": [{"url": url}]}],
        }  # fmt: skip
        route = tmp_path / "alertmanager.yaml"
        route.write_text(json.dumps(routes))
        checked("amtool", "check-config", route)
        processes = [
            ChildProcess(
                [alertmanager, f"--config.file={route}", "--cluster.listen-address=",
                 f"--storage.path={tmp_path / 'alerts'}",
                 f"--web.listen-address=127.0.0.1:{manager}"],
                log=tmp_path / "alertmanager.log",
            ),
            ChildProcess(
                [prometheus, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                 f"--web.listen-address=127.0.0.1:{port}",
                    # It finds Alertmanager only after the first alert.
                    "--rules.alert.resend-delay=1s"],
                log=tmp_path / "prometheus.log",
            ),
        ]  # fmt: skip
        try:
            await eventually(lambda: told("PlazoAbsent", "firing"), 60)
            await worker.start().wait_ready()
            await eventually(lambda: told("PlazoAbsent", "resolved"), 60)
            await market.publish((topics.order_created, "broken", b"{"))
            await eventually(lambda: told("PlazoDeadLetters", "firing"), 60)
            listed = await asyncio.to_thread(
                subprocess.check_output,
                [programs.required("amtool"), f"--alertmanager.url=http://127.0.0.1:{manager}",
                 "alert", "query", "--output=json", "alertname=PlazoDeadLetters"],
            )  # fmt: skip
            (one,) = json.loads(listed)
            assert one["labels"]["severity"] == "ticket"
            assert one["annotations"]["summary"].startswith("1 refused records")
        finally:
            for process in processes:
                await process.stop()
    for alert in alerts:
        base, _, page = alert["annotations"]["runbook_url"].rpartition("/")
        assert base == runbooks
        assert base.startswith("https://")
        assert (RUNBOOKS / page).is_file()
