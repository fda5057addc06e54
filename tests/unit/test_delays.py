"""The delay of records against what they tell, as a sample."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from worker.domain.acts import ORDER_CREATED
from worker.ingest.delays import SAMPLE, observe_delays
from worker.observability.metrics import Metrics
from worker.records import Record
from worker.settings import Settings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORDERS, ACTS = Settings.model_construct().input_topics


def record(offset: int, topic: str = ACTS) -> Record:
    return Record(topic, 0, offset, int(NOW.timestamp() * 1000), b"k", b"{}", ())


def act(offset: int, ago: float, topic: str = ACTS, status: str = "handling") -> tuple[Any, ...]:
    return "o", status, NOW - timedelta(seconds=ago), topic, 0, offset, None, None, None, b"{}"


def seen(records: list[Record], acts: list[tuple[Any, ...]]) -> dict[tuple[str, str], float]:
    """Sum of the delays by topic and what the records tell."""
    metrics = Metrics(Settings.model_construct())
    observe_delays(metrics, records, acts)
    return {
        (sample.labels["topic"], sample.labels["of"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "plazo_record_delay_seconds_sum" and sample.value
    }


def test_orders_and_acts_count_apart() -> None:
    acts = [act(7, 3, ORDERS, ORDER_CREATED), act(8, 5)]
    assert seen([record(7, ORDERS), record(8)], acts) == {(ORDERS, "orders"): 3, (ACTS, "acts"): 5}


def test_no_record_lends_its_time_to_the_act_of_another() -> None:
    """The first record was refused."""
    assert seen([record(7), record(8)], [act(8, 5)]) == {}


@pytest.mark.parametrize("acts", [[], [act(7, 1), act(7, 1)]])
def test_a_record_may_tell_nothing_or_more(acts: list[tuple[Any, ...]]) -> None:
    assert sum(seen([record(7)], acts).values()) == len(acts)


def test_a_large_batch_is_sampled() -> None:
    offsets = range(10 * SAMPLE)
    total = sum(seen([record(n) for n in offsets], [act(n, 1) for n in offsets]).values())
    assert total == SAMPLE
