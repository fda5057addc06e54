"""The reader finds the record that our own code fails on, and names it."""

from collections.abc import Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from worker.errors import DatabaseUnavailable, Fenced, Halted, RecordFailed, RowRejected
from worker.ingest.reader import Reader
from worker.ingest.registry.schemas import SchemasMissing
from worker.records import Batch, Mark, Record

ORDERS = ("orders", 0)


class Log:
    """A consumer of one partition, and the intake that applies its records."""

    def __init__(self, values: Sequence[bytes], *, gap: int = 0) -> None:
        self.records = [
            Record(*ORDERS, offset + gap, 1_000 + offset, b"k", value, ())
            for offset, value in enumerate(values)
        ]
        self.lane: Any = SimpleNamespace(positions={ORDERS: 0})
        self.applied: list[bytes | None] = []
        self.refused: list[bytes | None] = []
        self.decode_fails: Exception | None = None
        self.apply_fails: Exception | None = None
        self.refuse_fails: Exception | None = None
        self._at = 0
        # Records that the client fetches at once.
        self.at_once = 1_000_000
        self.connection = "a"
        self.now = 100.0
        self.replaced = False
        self.found_out = False
        self.looks = 0
        self.known: set[int] = set()
        self.fetched: list[set[int]] = []

    # As Clock.

    def monotonic(self) -> float:
        return self.now

    async def recognise(self) -> bool:
        self.looks += 1
        if self.replaced:
            raise Halted("another log")
        return True

    # As Schemas.

    async def fetch(self, schemas: Any) -> bool:
        self.fetched.append(set(schemas))
        # Room for so many: those before them are forgotten.
        self.known = set(list(schemas)[:2])
        return True

    # As Consumer.

    def source(self, _partition: Any) -> str:
        return self.connection

    # As Prover.

    def is_another(self, _partition: Any) -> bool:
        return self.found_out

    def seek(self, positions: Mapping[Any, int]) -> None:
        self._at = positions[ORDERS]

    async def pull(
        self, positions: Any, _assignment: int, limit: int, _wait: float, _to: Any, sink: Any
    ) -> Batch:
        assert positions[ORDERS] == self._at
        rest = [one for one in self.records if one.offset >= self._at]
        found = rest[: min(limit, self.at_once)]
        if not found:
            return Batch()
        self._at = found[-1].offset + 1
        sink(found)
        last = Mark(found[-1].offset, found[-1].timestamp)
        return Batch(len(found), {ORDERS: self._at}, {ORDERS: last})

    # As Intake.

    def new_rows(self) -> list[Record]:
        return []

    def decode(self, rows: list[Record], records: Sequence[Record], *, pack: bool = False) -> None:
        del pack
        if self.decode_fails and any(one.value == b"bad" for one in records):
            raise self.decode_fails
        named = {int(one.value[1:]) for one in records if one.value and one.value[:1] == b"#"}
        if missing := named - self.known:
            raise SchemasMissing(missing)
        rows += records

    async def apply(self, batch: Batch, rows: list[Record]) -> Any:
        if self.apply_fails and any(one.value == b"bad" for one in rows):
            raise self.apply_fails
        self.lane.positions.update(batch.after)
        self.applied += [one.value for one in rows]
        return SimpleNamespace()

    async def refuse(self, batch: Batch, record: Record, _error: RowRejected) -> Any:
        if self.refuse_fails:
            raise self.refuse_fails
        self.lane.positions.update(batch.after)
        self.refused.append(record.value)
        return SimpleNamespace()


class _Turns:
    async def reading(self, _positions: Any, most: int) -> int:
        return most

    @asynccontextmanager
    async def applying(self) -> Any:
        yield


async def _wait(work: Awaitable[Any]) -> Any:
    return await work


def reader(log: Any) -> Reader:
    turns: Any = _Turns()
    return Reader(
        log.lane,
        log,
        log,
        turns,
        1,
        2_000,
        {},
        _wait,
        log,
        log.recognise,
        log.is_another,
        {ORDERS: "a"},
        log.fetch,
    )


async def test_a_leader_that_came_during_the_take_over_is_looked_at() -> None:
    log = Log([b"1"])
    log.connection = "b"
    one = reader(log)
    await one.read()
    assert log.looks == 1
    await one.read()
    assert log.looks == 1


async def read_all(log: Log) -> None:
    one = reader(log)
    while log.lane.positions[ORDERS] <= log.records[-1].offset:
        await one.read()


@pytest.mark.parametrize("size", [1, 7, 300, 1_500])
@pytest.mark.parametrize("error", [ValueError("Rosa"), UnicodeError("Rosa"), KeyError("Rosa")])
async def test_an_exception_on_decoding_is_traced_to_its_record(size: int, error: Any) -> None:
    log = Log([b"good"] * (size - 1) + [b"bad"] + [b"good"] * size)
    log.decode_fails = error
    with pytest.raises(RecordFailed) as failed:
        await read_all(log)
    assert str(failed.value) == f"{type(error).__name__} at orders/0@{size - 1}"
    assert log.lane.positions == {ORDERS: size - 1}
    assert log.applied == [b"good"] * (size - 1)


@pytest.mark.parametrize("size", [1, 7, 300])
async def test_an_exception_on_applying_is_traced_to_its_record(size: int) -> None:
    log = Log([b"good"] * (size - 1) + [b"bad"] + [b"good"] * size)
    log.apply_fails = ZeroDivisionError()
    with pytest.raises(RecordFailed, match=f"ZeroDivisionError at orders/0@{size - 1}"):
        await read_all(log)
    assert log.lane.positions == {ORDERS: size - 1}


async def test_a_breach_of_integrity_is_traced_too_and_an_outage_is_not() -> None:
    log = Log([b"good"] * 5 + [b"bad"])
    log.apply_fails = DatabaseUnavailable("UniqueViolationError", "23505")
    with pytest.raises(
        RecordFailed, match=r"UniqueViolationError \(SQLSTATE 23505\) at orders/0@5"
    ):
        await read_all(log)
    for outage in (DatabaseUnavailable("ConnectionDoesNotExistError", "08003"), Fenced("lost")):
        log = Log([b"good"] * 5 + [b"bad"])
        log.apply_fails = outage
        with pytest.raises(type(outage)):
            await read_all(log)
        assert log.applied == []


async def test_a_row_that_postgres_refuses_is_still_a_dead_letter() -> None:
    log = Log([b"good"] * 250 + [b"bad"] + [b"good"] * 250)
    log.apply_fails = RowRejected("DataError", "22000")
    await read_all(log)
    assert log.refused == [b"bad"]
    assert log.applied == [b"good"] * 500


async def test_an_exception_on_refusing_is_traced_to_its_record() -> None:
    log = Log([b"good"] * 3 + [b"bad"])
    log.apply_fails, log.refuse_fails = RowRejected("DataError", "22000"), OverflowError()
    with pytest.raises(RecordFailed, match="OverflowError at orders/0@3"):
        await read_all(log)


async def test_the_position_moves_up_to_the_record_that_fails() -> None:
    """Markers of transactions before it hold no record: `plazo lanes skip` must not care."""
    log = Log([b"bad"], gap=3)
    log.decode_fails = ValueError()
    with pytest.raises(RecordFailed, match="orders/0@3"):
        await reader(log).read()
    assert log.lane.positions == {ORDERS: 3}


@pytest.mark.parametrize("size", [1, 300])
async def test_a_log_is_looked_at_again_after_a_new_connection(size: int) -> None:
    log = Log([b"good"] * size)
    one = reader(log)
    log.connection, log.replaced = "b", True
    for _ in range(2):
        log.seek(log.lane.positions)
        with pytest.raises(Halted):
            await one.read()
    assert log.applied == []


@pytest.mark.parametrize("size", [1, 300])
async def test_a_log_is_looked_at_again_after_a_freeze(size: int) -> None:
    log = Log([b"good"] * size)
    records, log.records = log.records, []
    one = reader(log)
    log.now += 3.5
    await one.read()  # finds nothing yet
    log.now += 0.5
    log.records, log.replaced = records, True
    with pytest.raises(Halted):
        await one.read()
    assert log.applied == []


async def test_an_idle_lane_looks_at_a_log_that_the_prover_does_not_know() -> None:
    log = Log([])
    one = reader(log)
    await one.read()
    assert log.looks == 0
    log.found_out = log.replaced = True
    with pytest.raises(Halted):
        await one.read()


async def test_a_known_log_is_looked_at_once_for_each_change() -> None:
    log = Log([b"good"] * 5)
    one = reader(log)
    await one.read()
    assert log.looks == 0
    log.connection = "b"
    for offset in range(5, 8):
        log.records.append(Record(*ORDERS, offset, 2_000, b"k", b"good", ()))
        await one.read()
    assert log.looks == 1
    assert len(log.applied) == 8


@pytest.mark.parametrize("size", [3, 150, 300])
async def test_records_wait_for_their_schemas_and_are_read_once(size: int) -> None:
    """Though there is room for few schemas at a time: the batches shrink until they fit."""
    values = [b"#%d" % (n % 5) if n % 3 == 0 else b"good" for n in range(size)]
    log = Log(values)
    await read_all(log)
    assert log.applied == values
    assert log.fetched[0] <= {0, 1, 2, 3, 4}


async def test_a_lane_that_stops_while_it_waits_for_a_schema_reads_nothing() -> None:
    log = Log([b"#1"])

    async def stopped(work: Awaitable[Any]) -> Any:
        found = await work
        return None if log.fetched else found

    turns: Any = _Turns()
    one = Reader(
        log.lane, log, log, turns, 1, 9, {}, stopped, log, log.recognise, log.is_another,
        {ORDERS: "a"}, log.fetch,
    )  # type: ignore[arg-type]  # fmt: skip
    assert await one.read() is None
    assert log.lane.positions == {ORDERS: 0}
    assert not log.applied
