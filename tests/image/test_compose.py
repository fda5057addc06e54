"""The services of the Compose file that are ours, in the image, on the tests' Kafka and Postgres.

The images of the others cannot be had everywhere; their listeners and ports are only read here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.image.containers import Container
from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.dev.process import free_port
from worker.operations.topics import PARTITIONS
from worker.settings import Settings

COMPOSE = Path(__file__).parents[2] / "deploy/compose/compose.yaml"
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "plazo"]


@pytest.fixture
def service(
    start: Callable[..., Container], kafka: Kafka, database: str
) -> Callable[..., Container]:
    """``service("worker", http_port="1")``: as the file has it, but for the addresses."""

    def run(name: str, **changes: str) -> Container:
        told = SERVICES[name]
        given = {key.removeprefix("PLAZO_").lower(): value
                 for key, value in told["environment"].items()}  # fmt: skip
        given |= {"kafka_bootstrap_servers": kafka.bootstrap_servers, "database_url": database}
        program, *arguments = (*told.get("entrypoint", [""]), *told.get("command", ()))
        return start(*arguments, program=program, **given | changes)

    return run


async def test_up_shows_decisions_on_the_board(
    service: Callable[..., Container], kafka: Kafka
) -> None:
    assert {*OURS} == {"topics", "migrate", "worker", "marketplace"}
    for name in ("topics", "migrate"):
        assert service(name).wait() == 0
    port = free_port()
    worker = service("worker", http_port=str(port))
    await worker.wait_ready(port)
    marketplace = service("marketplace")

    names = Settings.model_construct()
    topics = Topics(
        names.order_created_topic, names.order_status_changed_topic,
        names.decisions_topic, names.dead_letters_topic,
        widths={names.decisions_topic: PARTITIONS},
    )  # fmt: skip
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)

    async def decided() -> bool:
        return {one.kind for one in await market.decisions()} >= {"auto-cancel", "escalation"}

    await eventually(decided, 60, interval=0.5)
    token = SERVICES["worker"]["environment"]["PLAZO_BOARD_TOKEN"]
    assert f"#token={token}" in COMPOSE.read_text("utf-8")
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"http://127.0.0.1:{port}/board.json", headers={"Authorization": f"Bearer {token}"}
        ) as board,
    ):
        assert board.status == 200
    assert marketplace.stop(20) == 0, marketplace.output()
    assert worker.stop(40) == 0, worker.output()
