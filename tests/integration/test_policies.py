"""Policies, end to end: who gets which deadline, when the clock starts, and what stays fixed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

NewWorker = Callable[..., WorkerProcess]
FILE = """\
version: 1
policies:
  - name: prudent
    when: {seller: careful}
    window: PT1S
    grace: PT0S
    at_lapse: escalate
  - name: unpaid
    when: {fulfilment: dropshipping}
    clock: ready-for-handling
    window: PT2S
    grace: PT0S
    dispute: {type: XX, text: Sin stock}
  - name: others
    window: PT1S
    grace: PT0S
"""


def order(
    market: Market, name: str, entered_at: datetime | None = None, **more: Any
) -> tuple[str, str, Any]:
    topic, key, value = market.order(name, entered_at)
    return topic, key, value | more


def unpaid(market: Market, name: str, entered_at: datetime | None = None) -> tuple[str, str, Any]:
    return order(market, name, entered_at, fulfilment="dropshipping")


def policy_file(tmp_path: Path, text: str = FILE) -> str:
    path = tmp_path / "policies.yaml"
    path.write_text(text)
    return str(path)


def due(told: Any) -> datetime:
    return datetime.fromisoformat(told.value["due"])


async def test_each_order_gets_its_own_terms(
    new_worker: NewWorker, topics: Topics, market: Market, tmp_path: Path
) -> None:
    """The clock of an unpaid order starts with its status, whichever of the two comes first."""
    worker = await new_worker(topics, policy_file=policy_file(tmp_path)).start().wait_ready()
    await market.publish(
        order(market, "careful", seller_id="careful"), order(market, "plain"),
        unpaid(market, "never-paid"), unpaid(market, "paid"),
    )  # fmt: skip
    started = now()
    await market.publish(
        market.act("paid", "ready-for-handling", started),
        market.act("early", "ready-for-handling", started),
        market.act("early", "payment-approved", started - timedelta(hours=1)),
        market.act("handled", "ready-for-handling", started),
        market.act("handled", "start-handling", started + timedelta(seconds=1)),
    )
    entered = started - timedelta(minutes=1)
    await market.publish(unpaid(market, "early", entered), unpaid(market, "handled", entered))

    told = {
        one.order: one
        for one in await market.told(
            "careful escalation policy",
            "plain auto-cancel stock-not-validated",
            "paid auto-cancel stock-not-validated",
            "early auto-cancel stock-not-validated",
        )
    }
    assert [due(told["paid"]), due(told["early"])] == [started + timedelta(seconds=2)] * 2
    assert told["paid"].value["dispute"]["type"] == "XX"
    assert told["paid"].value["dispute"]["text"] == "Sin stock"
    assert told["plain"].value["dispute"]["type"] == "CS"
    assert (told["paid"].value["policy"], told["paid"].value["policy_version"]) == ("unpaid", 1)
    acts = [act["status"] for act in told["paid"].value["evidence"]["acts"]]
    assert acts == ["order-created", "ready-for-handling"]

    async def none_open() -> bool:
        metrics = await worker.metrics()
        return not sum(v for name, v in metrics.items() if name.startswith("plazo_open_deadlines"))

    await eventually(none_open, 20)
    assert await worker.sigterm() == 0


async def test_a_clock_that_another_lane_starts(
    new_worker: NewWorker, topics: Topics, market: Market, tmp_path: Path
) -> None:
    """Publishers partition differently: the status comes by a foreign lane, and a late one too."""
    await new_worker(topics, policy_file=policy_file(tmp_path)).start().wait_ready()
    await market.publish(unpaid(market, "one"), partition=0)
    started = now()
    await market.publish(market.act("one", "ready-for-handling", started), partition=1)
    told = await market.told("one auto-cancel stock-not-validated")
    assert due(told[0]) == started + timedelta(seconds=2)
    # Evidence in time that comes after all, by a third lane.
    await market.publish(market.act("one", "start-handling", started), partition=2)
    await market.told("one auto-cancel stock-not-validated", "one decision-revoked late-evidence")


async def entered(database: str) -> bool:
    connection = await asyncpg.connect(database)
    try:
        return bool(await connection.fetchval("SELECT count(*) FROM orders"))
    finally:
        await connection.close()


async def test_a_new_file_touches_new_orders_only(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    path = policy_file(tmp_path, FILE.replace("window: PT1S", "window: PT8S"))
    worker = await new_worker(topics, policy_file=path).start().wait_ready()
    await market.publish(order(market, "old"))
    before = now()
    await eventually(lambda: entered(database), 20)
    assert await worker.sigterm() == 0

    changed = new_worker(topics, policy_file=policy_file(tmp_path)).start()
    assert await changed.wait(20) == 3  # the same version, with other terms
    assert "give the file a higher version" in changed.output

    path = policy_file(tmp_path, FILE.replace("version: 1", "version: 2"))
    worker = await new_worker(topics, policy_file=path).start().wait_ready()
    await market.publish(order(market, "new"))
    told = await market.told(
        "new auto-cancel stock-not-validated", "old auto-cancel stock-not-validated"
    )
    terms = {one.order: (one.value["policy_version"], due(one) - before) for one in told}
    assert (terms["old"][0], terms["new"][0]) == (1, 2)
    assert timedelta(seconds=6) < terms["old"][1] <= timedelta(seconds=8)
    assert await worker.sigterm() == 0


async def test_a_file_with_a_fault_stops_the_start(
    new_worker: NewWorker, topics: Topics, database: str, tmp_path: Path
) -> None:
    path = policy_file(tmp_path, FILE.replace("PT2S", "soon"))
    worker = new_worker(topics, policy_file=path).start()
    assert await worker.wait(20) == 2
    assert "policies.yaml:11: policies.1.window: not a duration" in worker.output


WAITING = FILE.replace("ready-for-handling", "order-created")


async def test_no_order_loses_its_clock_when_files_change(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    """A worker whose file gives the status no meaning reads it; the next one starts the clock."""
    path = policy_file(tmp_path, FILE.replace("window: PT2S", "window: PT20S"))
    worker = await new_worker(topics, policy_file=path).start().wait_ready()
    await market.publish(unpaid(market, "rolled"))
    await eventually(lambda: entered(database), 20)
    assert await worker.sigterm() == 0

    # The order waits, and this file has no clock: it starts when the order entered.
    before = WAITING.replace("version: 1", "version: 2").replace("PT2S", "PT3S")
    worker = (
        await new_worker(topics, policy_file=policy_file(tmp_path, before)).start().wait_ready()
    )
    (told,) = await market.told("rolled auto-cancel stock-not-validated")
    assert due(told) == datetime.fromisoformat(told.value["entered_at"]) + timedelta(seconds=3)


async def test_a_clock_that_never_starts_waits_for_a_person(
    new_worker: NewWorker, topics: Topics, market: Market, tmp_path: Path
) -> None:
    """Of three orders that were never paid, one was cancelled and one does not wait for payment."""
    path = policy_file(tmp_path)
    worker = await new_worker(topics, policy_file=path, clock_wait="PT1S").start().wait_ready()
    await market.publish(
        unpaid(market, "forgotten"), unpaid(market, "given-up"), order(market, "others"),
        market.act("given-up", "Cancelled"),
    )  # fmt: skip
    await market.told("others auto-cancel stock-not-validated")
    assert await worker.sigterm() == 0

    async def counted() -> bool:
        metrics = await worker.metrics()
        return metrics.get('plazo_waiting_for_person{kind="clocks"}') == 1

    # A worker counts when it takes its lanes, and then once a minute.
    await worker.start().wait_ready()
    await eventually(counted, 30)
    assert await worker.sigterm() == 0
    longer = await new_worker(topics, policy_file=path, clock_wait="PT1H").start().wait_ready()

    async def nobody() -> bool:
        metrics = await longer.metrics()
        return metrics.get('plazo_waiting_for_person{kind="clocks"}') == 0

    await eventually(nobody, 30)


async def test_a_status_of_another_file_starts_a_clock(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    """The order waits for a status that is none of the rule's and none of the worker's file."""
    worker = await new_worker(topics, policy_file=policy_file(tmp_path)).start().wait_ready()
    await market.publish(unpaid(market, "waits"))
    await eventually(lambda: entered(database), 20)

    async def counted() -> bool:
        return (await worker.metrics())["plazo_orders_waiting_for_clock"] == 1

    await eventually(counted, 10)
    await market.publish(market.act("waits", "paid-in-full"))

    async def noticed() -> bool:
        connection = await asyncpg.connect(database)
        try:
            # Taken and found to start no clock here, so it is gone again.
            return bool(await connection.fetchval(
                "SELECT last_value > 1 FROM pg_sequences "
                "WHERE sequencename = 'notices_id_seq'"))  # fmt: skip
        finally:
            await connection.close()

    await eventually(noticed, 10)
