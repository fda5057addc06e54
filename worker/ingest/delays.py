"""The delay of records against what they tell: a sample of each batch, for the metrics."""

from collections.abc import Sequence
from typing import Any

from worker.domain.acts import ORDER_CREATED
from worker.observability.labels import Tells
from worker.observability.metrics import Metrics
from worker.records import Record, timestamp_of

# Acts to look at in a batch: more would cost the hot path, and a quantile needs no more.
SAMPLE = 32


def observe_delays(
    metrics: Metrics, records: Sequence[Record], acts: Sequence[tuple[Any, ...]]
) -> None:
    """Observe the delays of some of the ``acts`` that these records gave, in their order."""
    for number in range(0, len(acts), max(1, len(acts) // SAMPLE)):
        _, status, occurred_at, topic, _, offset, *_ = acts[number]
        # A record gives one act as a rule. Where others gave none or several, the sample is
        # smaller.
        record = records[min(number, len(records) - 1)]
        if record.offset == offset and record.topic == topic:
            delay = timestamp_of(record.timestamp) - occurred_at
            tells = Tells.ORDERS if status == ORDER_CREATED else Tells.ACTS
            metrics.record_delay.labels(topic, tells).observe(delay.total_seconds())
