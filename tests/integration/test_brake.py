"""The brake on the real parts: it holds, says so, and does what a person tells it."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import asyncpg

from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

NewWorker = Callable[..., WorkerProcess]
HASTY = {"stock_window": "PT1S", "grace": "PT0S"}
CANCEL = "auto-cancel stock-not-validated"


async def held(worker: WorkerProcess, reason: str = "mass-cancel") -> float:
    return (await worker.metrics())[f'plazo_held_orders{{reason="{reason}"}}']


async def brake(database: str, tmp_path: Path, *words: str) -> dict[str, object]:
    command = WorkerProcess(
        tmp_path, {"PLAZO_DATABASE_URL": database}, name="-".join(words),
        arguments=("brake", *words, "--json"),
    ).start()  # fmt: skip
    assert await command.wait() == 0
    found: dict[str, object] = json.loads(command.stdout_file.read_text())
    return found


async def test_it_holds_what_is_too_much_until_it_is_released(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    """Two workers share three cancellations; evidence of a held order still counts."""
    workers = [new_worker(topics, brake_cancels="3", **HASTY).start() for _ in range(2)]
    for worker in workers:
        await worker.wait_ready()
    entered = now()
    await market.publish(*(market.order(f"silent-{n}", entered) for n in range(12)))

    async def nine_held() -> bool:
        return sum([await held(worker) for worker in workers]) == 9

    async def three_told() -> bool:
        return len(await market.decisions()) == 3

    await eventually(nine_held, 30)
    await eventually(three_told, 10)  # they are published once they are committed
    cancelled = [one.order for one in await market.decisions()]
    state = await brake(database, tmp_path, "status")
    assert (state["lapsed"], state["cancels"]) == (3, 3)

    late = next(f"silent-{n}" for n in range(12) if f"silent-{n}" not in cancelled)
    await market.publish(market.act(late, "start-handling", entered))
    state = await brake(database, tmp_path, "release", "--for", "1h", "--by", "anna")
    assert state["set_by"] == "anna"
    everyone = {f"silent-{n}" for n in range(12)} - {late}
    await market.told(*(f"{order} {CANCEL}" for order in everyone))
    await eventually(none_held(workers), 20)


def none_held(workers: list[WorkerProcess]) -> Callable[[], object]:
    async def none() -> bool:
        return not sum([await held(worker) for worker in workers])

    return none


async def test_a_person_may_take_what_is_held(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    worker = await new_worker(topics, brake_cancels="1", **HASTY).start().wait_ready()
    await market.publish(market.order("first"))
    await market.told(f"first {CANCEL}")
    await market.publish(market.order("second"), market.order("third"))
    await eventually(lambda: _is(worker, "mass-cancel", 2), 30)
    await brake(database, tmp_path, "escalate", "--for", "PT10M")
    await market.told(
        f"first {CANCEL}", "second escalation mass-cancel", "third escalation mass-cancel"
    )
    await brake(database, tmp_path, "reset")
    await market.publish(market.order("fourth"))
    await eventually(lambda: _is(worker, "mass-cancel", 1), 30)
    assert (await worker.metrics())['plazo_guard_held_lanes{reason="mass-cancel"}'] == 1


async def test_nobody_is_cancelled_while_the_status_feed_is_silent(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    """Orders flow, acts do not: the fault is not the sellers'."""
    worker = await new_worker(topics, brake_silent_feed="PT3S", **HASTY).start().wait_ready()
    await market.publish(market.act("other", "start-handling"))
    await market.publish(market.order("before"))
    await market.told(f"before {CANCEL}")
    quiet_since = now()

    async def long_enough() -> bool:
        return now() - quiet_since > timedelta(seconds=4)

    await eventually(long_enough, 10)
    await market.publish(market.order("during"))
    await eventually(lambda: _is(worker, "silent-feed", 1), 30)
    assert [one.order for one in await market.decisions()] == ["before"]
    await market.publish(market.act("other", "handling"))
    await market.told(f"before {CANCEL}", f"during {CANCEL}")


async def test_once_tripped_it_stays_until_a_person_resets_it(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    """The window passes, and lets nothing through."""
    limited = HASTY | {"brake_cancels": "1", "brake_window": "PT3S"}
    worker = await new_worker(topics, **limited).start().wait_ready()
    await market.publish(market.order("first"), market.order("second"))
    await eventually(lambda: _is(worker, "mass-cancel", 1), 30)
    tripped = now()

    async def window_is_over() -> bool:
        return now() - tripped > timedelta(seconds=10)

    await eventually(window_is_over, 20)
    assert len(await market.decisions()) == 1
    assert (await brake(database, tmp_path, "status"))["tripped_at"] is not None
    assert (await brake(database, tmp_path, "reset", "--by", "anna"))["tripped_at"] is None
    await market.told(f"first {CANCEL}", f"second {CANCEL}")


async def test_an_order_that_late_news_opens_again_waits_for_it_too(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    """A status feed that was late must not cancel what the limits would hold."""
    worker = await new_worker(topics, brake_cancels="0", **HASTY).start().wait_ready()
    entered = now()
    names = [f"opened-{n}" for n in range(3)]
    await market.publish(*(market.order(name, entered) for name in names))
    await market.publish(*(market.act(name, "canceled", entered) for name in names))
    await eventually(lambda: _judged(worker, 3), 30)
    opened = entered + timedelta(seconds=1)
    await market.publish(*(market.act(name, "reopened", opened) for name in names))
    await eventually(lambda: _is(worker, "mass-cancel", 3), 30)
    assert not await market.decisions()
    await brake(database, tmp_path, "release", "--for", "1h")
    await market.told(*(f"{name} {CANCEL}" for name in names), timeout=30)
    await eventually(none_held([worker]), 20)


async def test_a_feed_that_never_spoke_is_silent(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    worker = await new_worker(topics, brake_silent_feed="PT1H", **HASTY).start().wait_ready()
    await market.publish(market.order("unheard"))
    await eventually(lambda: _is(worker, "silent-feed", 1), 30)
    await market.publish(market.act("other", "start-handling"))
    await market.told(f"unheard {CANCEL}")


async def _is(worker: WorkerProcess, reason: str, number: int) -> bool:
    return await held(worker, reason) == number


async def _judged(worker: WorkerProcess, number: int) -> bool:
    return (await worker.metrics())['plazo_outcomes_total{outcome="cancelled"}'] == number


async def test_a_worker_with_few_connections_asks_it(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    """An open sweep asks over another connection: not all may be taken by sweeps."""
    few = HASTY | {"stock_window": "PT4S", "database_connections": "2"}
    await new_worker(topics, **few).start().wait_ready()
    names = [f"silent-{n}" for n in range(60)]
    entered = now()
    await market.publish(*(market.order(name, entered) for name in names))
    await market.told(*(f"{name} {CANCEL}" for name in names), timeout=12)


async def test_a_seller_at_its_limit_holds_up_nobody_else(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, tmp_path: Path
) -> None:
    limited = HASTY | {"brake_seller_cancels": "2"}
    worker = await new_worker(topics, **limited).start().wait_ready()
    of_seller = {"busy": 5, "quiet": 2}
    orders = [
        (topic, f"{seller}-{n}", value | {"seller_id": seller})
        for seller, number in of_seller.items()
        for n in range(number)
        for topic, _, value in [market.order(f"{seller}-{n}")]
    ]
    await market.publish(*orders)
    await eventually(lambda: _is(worker, "mass-cancel", 3), 30)

    async def four_told() -> bool:
        return len(await market.decisions()) == 4

    await eventually(four_told, 10)  # they are published once they are committed
    told = sorted(one.order.partition("-")[0] for one in await market.decisions())
    assert told == ["busy", "busy", "quiet", "quiet"]
    state = await brake(database, tmp_path, "status")
    assert (state["lapsed"], state["cancels"], state["tripped_at"]) == (4, 4, None)


async def test_what_it_counts_takes_a_row_a_second(
    new_worker: NewWorker, topics: Topics, market: Market, database: str
) -> None:
    await new_worker(topics, **HASTY).start().wait_ready()
    names = [f"silent-{n}" for n in range(40)]
    for name in names:
        await market.publish(market.order(name))
    await market.told(*(f"{name} {CANCEL}" for name in names))
    connection = await asyncpg.connect(database)
    rows = await connection.fetch("SELECT counted_at, cancels FROM brake_counts")
    await connection.close()
    assert sum(row["cancels"] for row in rows) == 40
    seconds = [row["counted_at"] for row in rows]
    assert len(seconds) == len(set(seconds)) == len({at.replace(microsecond=0) for at in seconds})
