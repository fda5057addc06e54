"""Whatever bytes stand in an input topic: each record becomes an act or a dead letter, once."""

import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.events import HEADERS_OMITTED
from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.raw import Raw, append, append_batch
from tests.support.topics import Topics
from tests.support.waiting import eventually
from tests.unit.test_inflate import KEY, bomb
from worker.storage.migrate import migrate

NewWorker = Callable[..., WorkerProcess]
REFUSED = int(os.environ.get("PLAZO_TEST_REFUSED", "20000"))
SILENT = "auto-cancel stock-not-validated"

TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=12)  # surrogates too
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -(10**40), 1e308, 2**63, 2**31])
)
JSONS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def nearly_right(draw: st.DrawFn) -> bytes:
    """An order with some of its fields replaced, added, doubled or cut off."""
    order = {
        "order_id": "o", "seller_id": "s", "fulfilment": "courier",
        "entered_at": "2026-01-01T00:00:00Z", "total": "1.00", "currency": "PEN",
    }  # fmt: skip
    fields = [*order.items()]
    names = st.sampled_from([*order, "lines", "unknown"]) | TEXTS
    fields += draw(st.lists(st.tuples(names, JSONS), max_size=3))
    text = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in fields)
    body = f"{{{text}}}".encode()
    return body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body


NAMES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"ce_type", b"CE_ID", b"content-type", b"", b"\0", b"\xff", b"x" * 999]),
)
VALUES = st.none() | st.binary(max_size=40) | nearly_right()
RECORDS = st.lists(
    st.builds(
        Raw,
        st.none() | st.just(b"o") | st.binary(max_size=6),
        VALUES,
        st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=6)), max_size=4),
    ),
    min_size=1,
    max_size=40,
)
DEEP = b"[" * 100_000
WORST = [
    Raw(b"o", DEEP + b"]" * 100_000),
    Raw(b"o", b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    Raw(b"o", b"9" * 200_000),
    Raw(b"o", b'{"order_id":"' + b"x" * 300_000 + b'"}'),
    Raw(b"\xff" * 10_000, b'"\xed\xa0\x80"'),
    Raw(b"o", b"{}", [(b"h%d" % n, None) for n in range(2_000)]),
    Raw(b"o", b"{}", [(b"same", b"1"), (b"same", None), (b"same", b"2")]),
    Raw(b"o", b"{}", [(b"\xc3\x28\xff", b"\xff")]),
    Raw(None, None, [(b"\0", b"\0")]),
]


class Place:
    """One worker, and what it made of the records of one partition."""

    def __init__(self, bootstrap: str, market: Market, database: str, worker: WorkerProcess):
        self.bootstrap = bootstrap
        self.market = market
        self.database = database
        self.worker = worker

    async def check(self, records: list[Raw], *, gzip: bool) -> None:
        """Append, wait until all took effect, and compare."""
        topic = self.market.topics.order_created
        first = await append(self.bootstrap, topic, 0, records, gzip=gzip)
        end = first + len(records)
        connection = await asyncpg.connect(self.database)
        try:
            await eventually(lambda: self._read_up_to(connection, end), 30, "the end of the batch")
            acts = await connection.fetch(
                'SELECT "offset" FROM acts WHERE topic = $1 AND "offset" >= $2', topic, first
            )
            letters = await connection.fetch(
                'SELECT * FROM dead_letters WHERE topic = $1 AND "offset" >= $2', topic, first
            )
        finally:
            await connection.close()
        found = [row["offset"] for row in (*acts, *letters)]
        # A key without a value is a tombstone, which tells nothing, unless a header gives a type.
        empty = {first + n for n, one in enumerate(records) if one.key and one.value is None}
        bare = {
            first + n
            for n, one in enumerate(records)
            if one.key and len(one.key) <= 800 and one.value is None and not one.headers
        }
        assert len({*found}) == len(found)
        assert {*range(first, end)} - empty <= {*found} <= {*range(first, end)} - bare
        for row in letters:
            headers = zip(row["header_names"], row["header_values"], strict=True)
            came = records[row["offset"] - first]
            kept, whole = list(headers), list(came.headers)
            if kept and kept[-1][0] == HEADERS_OMITTED.encode():
                # More headers than anybody sends: the first are kept.
                kept, whole = kept[:-1], whole[: len(kept) - 1]
            assert Raw(row["key"], row["value"], kept) == came._replace(headers=whole)

    async def _read_up_to(self, connection: asyncpg.Connection, end: int) -> bool:
        assert self.worker.alive
        return bool(
            await connection.fetchval(
                "SELECT next_offset >= $1 FROM positions WHERE topic = $2 AND partition = 0",
                end, self.market.topics.order_created,
            )
        )  # fmt: skip


@pytest.fixture
async def place(
    kafka: Kafka, topics: Topics, database: str, new_worker: NewWorker
) -> AsyncIterator[Place]:
    await migrate(database)
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    worker = new_worker(topics, stock_window="PT1S", grace="PT0S", dead_letter_limit="1.0")
    await worker.start().wait_ready()
    yield Place(kafka.bootstrap_servers, market, database, worker)
    worker.kill_if_alive()


@pytest.mark.apache_kafka
@pytest.mark.timeout(300)
@settings(
    max_examples=int(os.environ.get("PLAZO_TEST_EXAMPLES", "25")),
    database=None,
    suppress_health_check=list(HealthCheck),
)
@example(records=WORST, gzip=False)
@example(records=WORST, gzip=True)
@given(records=RECORDS, gzip=st.booleans())
async def test_any_record_becomes_an_act_or_a_dead_letter(
    place: Place, records: list[Raw], gzip: bool
) -> None:
    await place.check(records, gzip=gzip)


@pytest.mark.apache_kafka
async def test_after_the_worst_the_lane_goes_on_and_publishes_it_all(place: Place) -> None:
    await place.check(WORST, gzip=False)
    await place.market.publish(place.market.order("good", now()), partition=0)
    await place.market.told(f"good {SILENT}")

    async def published() -> bool:
        connection = await asyncpg.connect(place.database)
        try:
            return not await connection.fetchval(
                "SELECT count(*) FROM dead_letters WHERE NOT published"
            )
        finally:
            await connection.close()

    await eventually(published, 30, "everything published")
    published_names = {name for one in await place.market.dead_letters() for name, _ in one.headers}
    assert r"\xc3(\xff" in published_names  # readable there, and as it came in Postgres
    metrics = await place.worker.metrics()
    assert metrics["plazo_lanes_halted"] == 0
    assert not [key for key in metrics if key.startswith("plazo_restarts_total{") and metrics[key]]


@pytest.mark.apache_kafka
@pytest.mark.timeout(1800)
async def test_a_long_run_of_refused_records_keeps_memory_flat(
    place: Place, record_property: Callable[[str, object], None]
) -> None:
    bad = [Raw(b"k%d" % n, b"not JSON, " * 10) for n in range(1_000)]
    topic = place.market.topics.order_created
    memory: list[int] = []
    began = time.monotonic()
    for _ in range(REFUSED // 1_000):
        await append(place.bootstrap, topic, 0, bad)
        memory.append(_resident(place.worker.pid))
    connection = await asyncpg.connect(place.database)
    try:

        async def kept() -> bool:
            memory.append(_resident(place.worker.pid))
            count = await connection.fetchval("SELECT count(*) FROM dead_letters")
            return bool(count == REFUSED)

        await eventually(kept, 900, "all of them kept", interval=0.5)
        stored = REFUSED / (time.monotonic() - began)
        await place.market.publish(place.market.order("good"), partition=0)
        await place.market.told(f"good {SILENT}", timeout=60)

        async def published() -> bool:
            memory.append(_resident(place.worker.pid))
            return not await connection.fetchval(
                "SELECT EXISTS (SELECT FROM dead_letters WHERE NOT published)"
            )

        await eventually(published, 900, "all of them published", interval=0.5)
    finally:
        await connection.close()
    both = REFUSED / (time.monotonic() - began)
    third = len(memory) // 3
    early, late = max(memory[:third]), max(memory[-third:])
    record_property("refused", f"{REFUSED}: {stored:.0f}/s kept, {both:.0f}/s published")
    print(f"{REFUSED}: {stored:.0f}/s kept, {both:.0f}/s published; {early} then {late} KiB")
    assert late < early + 32_768, f"{early} KiB at first, {late} KiB at last"


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.mark.apache_kafka
@pytest.mark.timeout(300)
async def test_a_batch_that_inflates_without_measure_is_a_dead_letter(
    place: Place, topics: Topics
) -> None:
    before = peak_memory(place.worker.pid)
    # Less than in the unit test: the broker of the tests has a small heap, and inflates it too.
    batch = bomb("gzip", int(time.time() * 1000), 96 << 20)
    await append_batch(place.bootstrap, topics.order_created, 0, batch)
    await place.market.publish(place.market.order("silent", now()))
    connection = await asyncpg.connect(place.database)
    try:
        letters = "SELECT error, key, value, message FROM dead_letters"
        await eventually(lambda: connection.fetch(letters), 60, "the dead letter")
        (letter,) = await connection.fetch(letters)
        shielded = await connection.fetchval("SELECT order_id FROM shields")
    finally:
        await connection.close()
    assert (letter["error"], letter["key"], letter["value"]) == ("oversize", KEY, None)
    assert shielded == KEY.decode()
    await place.market.told(f"silent {SILENT}")
    peak = peak_memory(place.worker.pid)
    assert peak < before + 4 * 32, f"{before} MiB before, at most {peak} MiB"


@pytest.mark.apache_kafka
async def test_records_behind_the_limit_of_a_batch_cancel_nothing(
    new_worker: NewWorker, kafka: Kafka, market: Market, database: str, topics: Topics
) -> None:
    """Nobody can read their keys: a seller may have answered in one of them."""
    await migrate(database)
    small = {"max_batch_bytes": "100000", "max_record_bytes": "100000"}
    worker = (
        await new_worker(
            topics, stock_window="PT4S", grace="PT1S", dead_letter_limit="1.0", **small
        )
        .start()
        .wait_ready()
    )
    await market.publish(market.order("before", now()), partition=0)
    _, key, act = market.act("before", "start-handling", now())
    records = [Raw(b"large", bytes(150_000)), Raw(key.encode(), json.dumps(act).encode())]
    await append(kafka.bootstrap_servers, topics.order_status_changed, 1, records, gzip=True)
    await eventually(lambda: "records_not_inflated" in worker.output, 20, "the loss")
    await market.publish(market.order("after", now()), partition=0)
    await market.told("before escalation evidence-incomplete", f"after {SILENT}")


def peak_memory(pid: int) -> int:
    """Return the most memory that a process had in use, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10
