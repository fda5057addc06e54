"""The outlook gives the verdicts that the worker then gives."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from worker.observability.metrics import Metrics
from worker.operations.outlook import Outlook, look_ahead
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
# By id: hours until its verdict, seller, at lapse, statuses in time.
ORDERS: dict[str, tuple[float, str, str, tuple[str, ...]]] = {
    "late": (-1, "one", "auto-cancel", ()),
    "silent": (2.5, "one", "auto-cancel", ()),
    "silent too": (2.6, "two", "auto-cancel", ()),
    "handled": (2.7, "two", "auto-cancel", ("start-handling",)),
    "obscure": (3.5, "two", "auto-cancel", ("galaxy",)),
    "by a person": (3.6, "three", "escalate", ()),
    "far": (50, "one", "auto-cancel", ()),
}


@pytest.fixture
async def store(database: str) -> AsyncIterator[Database]:
    await migrate(database)
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO lanes (lane) VALUES (0), (1)")
    for n, (order_id, (left, seller, at_lapse, statuses)) in enumerate(ORDERS.items()):
        fires_at = NOW + left * HOUR
        await connection.execute(
            """WITH entered AS (
                INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due,
                    fires_at, policy, at_lapse, topic, partition, "offset", received_at)
                VALUES ($1, $2, $3, 'courier', $4, $5, $5, $6, $6, 'orders', $2, $7, $4)
                RETURNING lane, fires_at, order_id)
            INSERT INTO deadlines SELECT * FROM entered""",
            order_id, n % 2, seller, fires_at - 24 * HOUR, fires_at, at_lapse, n,
        )  # fmt: skip
        for status in statuses:
            await connection.execute(
                "INSERT INTO acts VALUES ($1, $2, $3, $3, 'acts', 0, $4, NULL, NULL, '{}')",
                order_id, status, fires_at - 20 * HOUR, n,
            )  # fmt: skip
    await connection.close()
    store = Database(settings(database), Metrics(settings(database)))
    await store.open()
    yield store
    await store.close()


def settings(database: str, **more: Any) -> Settings:
    return Settings(database_url=SecretStr(database), **more)


def numbers(found: Outlook) -> dict[str, tuple[int, ...]]:
    return {
        one.name: (one.judged, one.silent, one.auto_cancels, one.escalations, one.others)
        for one in [*found.policies, *found.sellers]
    }


async def test_verdicts_to_expect(store: Database, database: str) -> None:
    found = await look_ahead(settings(database), store, hours=24)
    assert found.complete
    total = found.total
    assert (total.judged, total.silent, total.auto_cancels, total.escalations) == (6, 4, 3, 2)
    assert numbers(found) == {
        "auto-cancel": (5, 3, 3, 1, 1),
        "escalate": (1, 1, 0, 1, 0),
        "one": (2, 2, 2, 0, 0),
        "two": (3, 1, 1, 1, 1),
        "three": (1, 1, 0, 1, 0),
    }
    assert [one.name for one in found.sellers] == ["one", "two", "three"]
    assert len(found.hours) == 25  # with all time before now
    assert (found.hours[0].overdue, found.hours[0].auto_cancels) == (True, 1)
    for hour in found.hours[1:]:
        assert hour.since is not None
        assert hour.until is not None
        due = [left for left, *_ in ORDERS.values() if hour.since <= NOW + left * HOUR < hour.until]
        assert hour.lapsing == hour.judged == len(due)


async def test_too_many_orders_are_counted_and_the_first_ones_judged(
    store: Database, database: str
) -> None:
    found = await look_ahead(settings(database), store, most=2)
    assert not found.complete
    assert found.total.judged == 2
    assert sum(hour.lapsing for hour in found.hours) == 6
    assert numbers(found)["one"] == (2, 2, 2, 0, 0)


@pytest.mark.parametrize(
    ("limits", "state", "trips"),
    [
        ({"brake_share": 1}, "off", False),
        ({"brake_cancels": 3}, "ready", False),
        ({"brake_cancels": 1}, "ready", True),  # two within an hour
        ({"brake_share": 0.5, "brake_least": 2}, "ready", True),
    ],
)
async def test_whether_the_brake_would_trip(
    store: Database, database: str, limits: dict[str, Any], state: str, trips: bool
) -> None:
    brake = (await look_ahead(settings(database, **limits), store)).brake
    assert (brake.state, brake.trip is not None) == (state, trips)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("tripped_at = now()", "tripped"),
        ("released_until = now() + interval '1 hour'", "released"),
        ("escalate_until = now() + interval '1 hour'", "escalates"),
        ("released_until = now() - interval '1 hour'", "ready"),
    ],
)
async def test_the_setting_of_a_person_shows(
    store: Database, database: str, said: str, state: str
) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(f"UPDATE brake SET {said}")
    await connection.close()
    assert (await look_ahead(settings(database), store)).brake.state == state
