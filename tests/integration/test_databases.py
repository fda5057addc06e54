"""Lanes in two databases, on two servers: evidence is found wherever it stands.

Lane 0 lives in the first, lanes 1 and 2 in the second.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from schemas import events as names
from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.waiting import eventually
from worker.databases import Databases
from worker.dev.postgres import EmbeddedPostgres
from worker.errors import DatabaseUnavailable
from worker.hand_over import HandOver
from worker.lane import Lane
from worker.metrics import Metrics
from worker.migrate import migrate
from worker.retention import forget
from worker.settings import Settings

CANCEL = "auto-cancel stock-not-validated"
REVOKED = "decision-revoked late-evidence"
HASTY = {"stock_window": "PT3S", "grace": "PT0S"}
HERE, THERE = 0, 1  # partitions of lanes in the first database and in the second


class Place:
    """A marketplace over two databases."""

    def __init__(
        self, market: Market, new_worker: Callable[..., WorkerProcess], first: str, second: str
    ) -> None:
        self.market = market
        self.topics = market.topics
        self.urls = (first, second)
        self.lanes = f"1-={second}"
        self._new_worker = new_worker

    def worker(self, **more: str) -> WorkerProcess:
        return self._new_worker(
            self.topics, **({"database_lanes": self.lanes} | HASTY | more)
        ).start()

    async def run(self, *arguments: str, code: int = 0, **more: str) -> str:
        """What a command prints on stdout."""
        command = self._new_worker(
            self.topics, arguments=arguments, **({"database_lanes": self.lanes} | HASTY | more)
        ).start()
        assert await command.wait() == code, command.output
        return command.stdout_file.read_text()

    async def publish(self, partition: int, *records: tuple[str, str | None, Any]) -> None:
        await self.market.publish(*records, partition=partition)

    async def change(
        self, partition: int, order: str, kind: str, at: datetime | None = None, **more: Any
    ) -> None:
        value = {"order_id": order, "occurred_at": (at or now()).isoformat(), "author": "Ana Rojas",
                 "reason": "the portal was down"} | more  # fmt: skip
        record = (self.topics.order_status_changed, order, value)
        await self.market.publish(record, partition=partition, ce_type=kind)

    async def rows(self, database: int, query: str, *arguments: object) -> list[Any]:
        connection = await asyncpg.connect(self.urls[database])
        try:
            return await connection.fetch(query, *arguments)  # type: ignore[no-any-return]
        finally:
            await connection.close()

    async def entered(self, *orders: str) -> None:
        """Wait until these are known, in whichever database."""

        async def there() -> bool:
            query = "SELECT order_id FROM orders WHERE lane IS NOT NULL"
            found = {row[0] for d in (0, 1) for row in await self.rows(d, query)}
            return found >= set(orders)

        await eventually(there, 30, f"{orders} entered")

    async def settled(self, number: int) -> None:
        """Wait until so many orders are decided and nothing is left to be handed over."""

        async def there() -> bool:
            decided = 0
            for database in (0, 1):
                (row,) = await self.rows(
                    database,
                    """SELECT count(*) FILTER (WHERE finding IS NOT NULL) AS decided,
                        (SELECT count(*) FROM strays) + (SELECT count(*) FROM notices)
                        + (SELECT count(*) FROM deadlines) AS waiting FROM orders""",
                )
                assert row["waiting"] == 0
                decided += row["decided"]
            return decided == number

        await eventually(there, 30, f"{number} orders decided")


@pytest.fixture
async def place(
    market: Market, new_worker: Callable[..., WorkerProcess], database: str, second_database: str
) -> Place:
    await migrate(second_database)
    return Place(market, new_worker, database, second_database)


async def test_evidence_in_the_other_database_counts(place: Place) -> None:
    """Both ways, and before its order."""
    market = place.market
    worker = await place.worker().wait_ready()
    await place.publish(THERE, market.act("early", "start-handling"))
    await place.publish(HERE, *map(market.order, ("early", "kept", "silent-here")))
    await place.publish(THERE, *map(market.order, ("cancelled", "silent-there")))
    await place.publish(THERE, market.act("kept", "start-handling"))
    await place.publish(HERE, market.act("cancelled", "canceled"))
    told = await market.told(f"silent-here {CANCEL}", f"silent-there {CANCEL}")
    await place.settled(5)
    for one in told:
        # What was read is told of both databases.
        read_to = one.value["evidence"]["read_to"]
        assert all(offset > 0 for offset in read_to[place.topics.order_status_changed][:2])
    assert await worker.sigterm() == 0


async def test_evidence_after_the_verdict_finds_the_home(place: Place) -> None:
    market = place.market
    worker = await place.worker().wait_ready()
    entered = now()
    await place.publish(HERE, market.order("a", entered))
    await place.publish(THERE, market.order("b", entered))
    await market.told(f"a {CANCEL}", f"b {CANCEL}")
    await place.publish(THERE, market.act("a", "start-handling", entered))
    await place.publish(HERE, market.act("b", "start-handling", entered))
    told = await market.told(f"a {CANCEL}", f"a {REVOKED}", f"b {CANCEL}", f"b {REVOKED}")
    for one in told:
        if one.kind == "decision-revoked":
            acts = [act["status"] for act in one.value["evidence"]["acts"]]
            assert acts == ["order-created", "start-handling"]
    await place.settled(2)
    assert (await worker.metrics())["plazo_handed_over_total"] == 2


async def test_a_refused_record_in_the_other_database_shields(place: Place) -> None:
    market = place.market
    await place.worker().wait_ready()
    broken = (place.topics.order_status_changed, "a", b"not JSON")
    await place.publish(THERE, broken)
    await place.publish(HERE, market.order("a"), market.order("b"))
    await market.told("a escalation unreadable-evidence", f"b {CANCEL}")


async def test_a_deadline_is_moved_through_the_other_database(place: Place) -> None:
    """Extended, held and released; what comes too late becomes a dead letter, with its bytes."""
    market = place.market
    await place.worker().wait_ready()
    entered = now()
    due = entered + timedelta(seconds=6)
    # It is known before its order is.
    await place.change(THERE, "early", names.DEADLINE_EXTENDED, due=due.isoformat())
    await place.publish(HERE, *(market.order(o, entered) for o in ("early", "late", "held")))
    await place.change(THERE, "late", names.DEADLINE_EXTENDED, due=due.isoformat())
    await place.change(THERE, "held", names.DEADLINE_HELD)
    await place.publish(HERE, market.order("plain", entered))
    told = await market.told(f"plain {CANCEL}", f"early {CANCEL}", f"late {CANCEL}")
    by_order = {one.order: one.value for one in told}
    for order in ("early", "late"):
        assert datetime.fromisoformat(by_order[order]["due"]) == due
        statuses = [act["status"] for act in by_order[order]["evidence"]["acts"]]
        assert statuses == ["order-created", names.DEADLINE_EXTENDED.split(".", 1)[1][:-3]]
    await place.change(THERE, "held", names.DEADLINE_RELEASED)
    await market.told(*(f"{order} {CANCEL}" for order in ("plain", "early", "late", "held")))
    await place.change(THERE, "held", names.DEADLINE_HELD)
    letters = await eventually(market.dead_letters, 30)
    assert [json.loads(letter.value)["order_id"] for letter in letters] == ["held"]
    assert dict(letters[0].headers)["plazo-error-class"] == b"too-late"
    await place.settled(4)


async def test_a_clock_is_started_from_the_other_database(place: Place, tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text(
        "version: 1\npolicies:\n  - {name: paid, window: PT2S, grace: PT0S, "
        "clock: ready-for-handling}\n"
    )
    market = place.market
    await place.worker(policy_file=str(policies)).wait_ready()
    await place.publish(THERE, market.act("early", "ready-for-handling"))
    await place.publish(HERE, market.order("early"), market.order("late"))
    await place.entered("early", "late")
    await place.publish(THERE, market.act("late", "ready-for-handling"))
    await market.told(f"early {CANCEL}", f"late {CANCEL}")


async def test_an_order_that_entered_in_both_has_one_home(place: Place) -> None:
    market = place.market
    await place.worker().wait_ready()
    entered = now()
    orders = [market.order(order, entered) for order in ("kept", "silent", "held")]
    await place.publish(THERE, *orders)
    await place.entered("kept", "silent", "held")
    await place.publish(HERE, *orders)
    await place.publish(THERE, market.act("kept", "start-handling", entered))
    # It reaches the order that will not be the home, and is released through it as well.
    await place.change(THERE, "held", names.DEADLINE_HELD)
    await market.told(f"silent {CANCEL}")
    await place.change(THERE, "held", names.DEADLINE_RELEASED)
    await market.told(f"silent {CANCEL}", f"held {CANCEL}")
    await place.publish(THERE, market.act("silent", "start-handling", entered))
    await market.told(f"silent {CANCEL}", f"held {CANCEL}", f"silent {REVOKED}")
    await place.settled(3)
    homes = [
        {
            row[0]
            for row in await place.rows(d, "SELECT order_id FROM orders WHERE lane IS NOT NULL")
        }
        for d in (0, 1)
    ]
    assert homes[0] | homes[1] == {"kept", "silent", "held"}
    assert not homes[0] & homes[1]


async def test_while_a_server_is_away_all_verdicts_wait(
    place: Place, second_postgres: EmbeddedPostgres
) -> None:
    market = place.market
    worker = await place.worker().wait_ready()
    entered = now()
    await place.publish(HERE, *(market.order(o, entered) for o in ("silent", "kept", "late")))
    await place.entered("silent", "kept", "late")
    await second_postgres.kill9()
    try:
        await place.publish(THERE, market.act("kept", "start-handling", entered))
        held = 'plazo_guard_held_lanes{reason="database"}'
        await eventually(lambda: _shows(worker, held, 1), 30, "the guard is told")
        assert await market.decisions() == []
        # Lanes of the database that is there go on reading.
        await place.publish(HERE, market.act("silent", "ready-for-handling"))
        query = "SELECT FROM acts WHERE status = 'ready-for-handling'"
        await eventually(lambda: place.rows(0, query), 30, "an act is stored")
    finally:
        await second_postgres.start()
    await market.told(f"silent {CANCEL}", f"late {CANCEL}")
    # And a correction, while it is away once more.
    await place.publish(HERE, market.act("late", "start-handling", entered))
    await market.told(f"silent {CANCEL}", f"late {CANCEL}", f"late {REVOKED}")
    await place.settled(3)


async def test_strays_wait_for_a_server_that_is_away(
    place: Place, second_postgres: EmbeddedPostgres
) -> None:
    market = place.market
    worker = await place.worker().wait_ready()
    entered = now()
    await place.publish(THERE, market.order("a", entered))
    await market.told(f"a {CANCEL}")
    await second_postgres.kill9()
    try:
        await place.publish(HERE, market.act("a", "start-handling", entered))
        await eventually(lambda: place.rows(0, "SELECT FROM strays"), 30, "a stray is left")
        await eventually(lambda: "evidence_unavailable" in worker.output, 30, "it is tried")
        assert await place.rows(0, "SELECT FROM strays")
    finally:
        await second_postgres.start()
    await market.told(f"a {CANCEL}", f"a {REVOKED}")
    await place.settled(1)


async def _shows(worker: WorkerProcess, metric: str, least: float) -> bool:
    return (await worker.metrics())[metric] >= least


async def test_a_crash_before_the_stray_is_removed_repeats_a_notice(place: Place) -> None:
    market = place.market
    worker = await place.worker().wait_ready()
    entered = now()
    await place.publish(HERE, market.order("a", entered))
    await market.told(f"a {CANCEL}")
    assert await worker.sigterm() == 0
    settings = Settings(
        database_url=SecretStr(place.urls[0]), database_lanes=SecretStr(place.lanes)
    )
    metrics = Metrics(settings)
    databases = Databases(settings, metrics)
    await databases.open()
    try:
        await place.rows(1, "INSERT INTO strays (lane, order_id) VALUES (1, 'a'), (1, 'unknown')")
        lane = Lane(1, databases.of(1), metrics)
        crashing = HandOver(lane, [databases.first, _Away()], metrics, 100)  # type: ignore[list-item]
        with pytest.raises(DatabaseUnavailable):
            await crashing.hand_over()
        assert len(await place.rows(0, "SELECT FROM notices")) == 1
        assert len(await place.rows(1, "SELECT FROM strays")) == 2
        await HandOver(lane, databases.all, metrics, 100).hand_over()
    finally:
        await databases.close()
    assert len(await place.rows(0, "SELECT FROM notices WHERE order_id = 'a'")) == 2
    assert await place.rows(1, "SELECT FROM strays") == []
    await place.worker().wait_ready()
    await place.publish(THERE, market.act("a", "start-handling", entered))
    await market.told(f"a {CANCEL}", f"a {REVOKED}")
    await place.settled(1)


class _Away:
    """A database that goes away in the middle."""

    def session(self) -> Any:
        raise DatabaseUnavailable("Planted", "08006")


@pytest.mark.parametrize(
    "lanes",
    ["", "1={second}", "0-={second}", "1-={third}"],
    ids=["none", "one less", "one more", "another database"],
)
async def test_lanes_that_have_begun_do_not_move(
    place: Place, lanes: str, postgres: EmbeddedPostgres
) -> None:
    """A worker with other settings would decide again, or without evidence."""
    worker = await place.worker().wait_ready()
    assert await worker.sigterm() == 0
    third = place.urls[0].replace("/test_", "/third_")
    connection = await asyncpg.connect(postgres.url)
    name = third.rsplit("/", 1)[1]
    await connection.execute(f"CREATE DATABASE {name}")
    try:
        await migrate(third)
        said = lanes.format(second=place.urls[1], third=third)
        if "third" in lanes:
            # It holds nothing yet. That the lanes were decided elsewhere the decisions topic tells.
            await place.publish(THERE, place.market.order("a"))
            before = await place.worker().wait_ready()
            await place.market.told(f"a {CANCEL}")
            assert await before.sigterm() == 0
            other = place.worker(database_lanes=said)
            await eventually(lambda: "lane_halted" in other.output, 30, "the lane halts")
        else:
            other = place.worker(database_lanes=said)
            assert await other.wait() == 3, other.output
            assert "PLAZO_DATABASE_LANES" in other.output
        assert place.urls[1] not in other.output
        other.kill_if_alive()
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


async def test_a_worker_that_runs_with_other_settings_cannot_take_the_lane(place: Place) -> None:
    """It started before the lanes were placed, and is given one of them later."""
    worker = await place.worker().wait_ready()
    await place.rows(0, "UPDATE installation SET elsewhere = '{}'")
    stale = Settings(database_url=SecretStr(place.urls[0]))
    databases = Databases(stale, Metrics(stale))
    await databases.open()
    try:
        await databases.claim("live")
        await place.rows(0, "UPDATE installation SET elsewhere = '{[1,)}'")
        with pytest.raises(Exception, match="it lives in another database"):
            await Lane(2, databases.of(2), Metrics(stale)).take("stale")
    finally:
        await databases.close()
    assert worker.alive


AGED = """UPDATE orders SET decided_at = decided_at - interval '100 days',
    received_at = received_at - interval '100 days'"""
AGED_ACTS = "UPDATE acts SET received_at = received_at - interval '100 days'"


async def test_acts_are_forgotten_after_their_order(place: Place) -> None:
    market = place.market
    worker = await place.worker().wait_ready()
    entered = now()
    await place.publish(HERE, market.order("a", entered), market.order("b", entered))
    await place.publish(THERE, *(market.act(o, "start-handling") for o in "ab"))
    await place.settled(2)
    assert await worker.sigterm() == 0
    settings = Settings(
        database_url=SecretStr(place.urls[0]), database_lanes=SecretStr(place.lanes)
    )
    databases = Databases(settings, Metrics(settings))
    await databases.open()
    before = datetime.now(UTC) - timedelta(days=90)
    topic = place.topics.order_status_changed

    async def run() -> tuple[set[str], set[str]]:
        for number in (1, 0):  # the stubs first, which must stay
            others = [databases.all[1 - number]]
            await forget(databases.all[number], topic, before, pause=0, others=others)
        first, second = [
            {row[0] for row in await place.rows(d, "SELECT order_id FROM orders")} for d in (0, 1)
        ]
        return first, second

    try:
        await place.rows(1, AGED)
        await place.rows(1, AGED_ACTS)
        assert await run() == ({"a", "b"}, {"a", "b"})
        await place.rows(0, AGED)
        await place.rows(0, AGED_ACTS)
        # An act of one of them is younger.
        await place.rows(1, "UPDATE acts SET received_at = now() WHERE order_id = 'b'")
        assert await run() == ({"b"}, {"a", "b"})
        assert await run() == ({"b"}, {"b"})
        await place.rows(1, AGED_ACTS)
        assert await run() == (set(), {"b"})
        assert await run() == (set(), set())
        for database in (0, 1):
            rows = await place.rows(
                database, "SELECT covered_since FROM positions WHERE topic = $1", topic
            )
            assert {row[0] for row in rows} == {before}
    finally:
        await databases.close()


async def test_the_brake_is_one(place: Place) -> None:
    market = place.market
    worker = await place.worker(brake_cancels="1").wait_ready()
    await place.publish(HERE, market.order("a"))
    await place.publish(THERE, market.order("b"))
    held = 'plazo_held_orders{reason="mass-cancel"}'
    await eventually(lambda: _shows(worker, held, 1), 30, "one of them is held")
    # It may be held before the other, which was committed first, is published.
    (one,) = await eventually(market.decisions, 30, "the other is told")
    await place.run("brake", "release", "--for", "1h")
    told = await market.told(f"a {CANCEL}", f"b {CANCEL}")
    assert {one.order} < {each.order for each in told}


async def test_the_commands_know_both(place: Place) -> None:
    market = place.market
    await place.run("migrate")
    worker = await place.worker(board_token="x" * 16).wait_ready()
    await place.publish(HERE, market.order("a"))
    await place.publish(THERE, market.order("b"), market.act("a", "start-handling"))
    broken = (place.topics.order_status_changed, "b", b"not JSON")
    await place.publish(THERE, broken)
    await place.publish(HERE, (place.topics.order_status_changed, "c", b"nor this"))
    await market.told("b escalation unreadable-evidence")
    await place.settled(2)

    lanes = json.loads(await place.run("lanes", "--json"))
    assert [row["lane"] for row in lanes] == [0, 1, 2]
    explained = json.loads(await place.run("explain", "a", "--json"))
    assert "kept because" in explained["summary"]
    assert [act["status"] for act in explained["acts"]] == ["order-created", "start-handling"]
    explained = json.loads(await place.run("explain", "b", "--json"))
    assert [refusal["database"] for refusal in explained["refusals"]] == [2]
    checks = json.loads(await place.run("check", "--json"))["checks"]
    found = {one["name"]: one for one in checks}
    assert found["postgres"]["finding"] == "all 2 answer"
    assert found["lanes"]["finding"] == "3, each with an owner"
    assert found["dead letters"]["finding"].startswith("2 not settled")
    (day,) = json.loads(await place.run("sellers", "--json"))
    assert (day["orders"], day["validated_in_time"], day["escalated"]) == (2, 1, 1)
    report = json.loads(await place.run("shadow", "report", "--json"))
    assert {row["happened"]: row["orders"] for row in report} == {
        "handled in time": 1, "nothing heard": 1
    }  # fmt: skip
    assert json.loads(await place.run("brake", "status", "--json"))["limits"] is None
    forgot = json.loads(await place.run("forget", "--older-than", "90d", "--json"))
    assert forgot["looked_at"] == 3  # with the stub

    letters = json.loads(await place.run("dead-letters", "list", "--json"))
    ids = {row["shields"][0]: (str(row["id"]), str(row["database"])) for row in letters}
    assert {order: database for order, (_, database) in ids.items()} == {"b": "2", "c": "1"}
    number, database = ids["b"]
    await place.run("dead-letters", "discard", number, "--yes", code=2)
    assert len(json.loads(await place.run("dead-letters", "list", "--json"))) == 2
    shown = await place.run("dead-letters", "show", number, "--database", database, "--json")
    assert json.loads(shown)["shields"] == ["b"]
    await place.run("dead-letters", "discard", number, "--database", database, "--yes")
    left = json.loads(await place.run("dead-letters", "list", "--json"))
    assert [row["shields"] for row in left] == [["c"]]
    await place.run("dead-letters", "replay", "--all")
    # It is refused again, and stands there anew.
    again = json.loads(await place.run("dead-letters", "list", "--json"))
    assert [(row["shields"], row["database"]) for row in again] == [(["c"], 1)]
    assert await worker.sigterm() == 0
