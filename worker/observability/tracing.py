"""Traces: the producer's context goes with the order, into the spans of its verdict and the event.

Off unless ``PLAZO_TRACES`` is set, and then nothing here is loaded. What is kept in Postgres is the
context alone, so that a verdict of tomorrow, by another worker, belongs to the trace of today's
order. Spans follow OpenTelemetry's conventions for messaging.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from worker.errors import PlazoError
from worker.ingest.rows import Rows
from worker.outbox.events import Event
from worker.records import Record
from worker.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_HEADERS = ("traceparent", "tracestate")
_FLUSH = 3.0

Context = tuple[str, str]  # traceparent, tracestate


class TracesNotInstalled(PlazoError):
    """PLAZO_TRACES is set without the packages for it."""


class Traces:
    """The spans of one worker."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("plazo")
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def of(cls, settings: Settings) -> "Traces | None":
        """What the settings ask for.

        Raises:
            TracesNotInstalled: the extra ``otel`` is missing.
        """
        if not settings.traces:
            return None
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise TracesNotInstalled("PLAZO_TRACES needs plazo[otel]") from None
        name = os.environ.get("OTEL_SERVICE_NAME", "plazo")
        provider = TracerProvider(resource=Resource.create({"service.name": name}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def received(self, records: Iterable[Record], rows: Rows) -> dict[str, "Span"]:
        """A span, by order, for each record with a context that may have brought the order.

        They are exported once they end: after the commit, so that none tells of what was undone.
        """
        brought = {order[-1]: order_id for order_id, order in rows.orders.items()}
        spans = {}
        for record in records:
            if (record.topic, record.partition) != rows.home or record.offset not in brought:
                continue
            carrier = _carried(record.headers)
            if "traceparent" not in carrier:
                continue
            spans[brought[record.offset]] = self._span(
                f"process {record.topic}",
                "CONSUMER",
                carrier,
                {
                    "messaging.operation.type": "process",
                    "messaging.destination.name": record.topic,
                    "messaging.destination.partition.id": str(record.partition),
                    "messaging.kafka.offset": record.offset,
                    "plazo.order_id": brought[record.offset],
                },
            )
        return spans

    def context(self, span: "Span") -> Context:
        """What carries a span to its children elsewhere."""
        from opentelemetry.trace import set_span_in_context

        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span))
        return carrier.get("traceparent", ""), carrier.get("tracestate", "")

    def sent(self, event: Event, parent: Context, topic: str) -> "Span":
        """The verdict's span, which is over, and that of its publication, which begins."""
        decided = int(event.decided_at.timestamp() * 1e9)
        carrier = _only_full(parent)
        verdict = self._span(
            f"decide {event.kind}",
            "INTERNAL",
            carrier,
            {"plazo.order_id": event.order_id, "plazo.verdict": event.kind},
            start=decided,
        )
        verdict.end(decided)
        return self._span(
            f"send {topic}",
            "PRODUCER",
            _only_full(self.context(verdict)),
            {
                "messaging.operation.type": "send",
                "messaging.destination.name": topic,
                "messaging.message.id": str(event.id),
            },
        )

    def headers(self, span: "Span") -> list[tuple[str, bytes]]:
        """The headers of the emitted event."""
        return [(name, text.encode()) for name, text in _only_full(self.context(span)).items()]

    async def close(self) -> None:
        """Export what has ended, for a few seconds at most."""
        await asyncio.to_thread(self._provider.force_flush, int(_FLUSH * 1000))
        await asyncio.to_thread(self._provider.shutdown)

    def _span(
        self,
        name: str,
        kind: str,
        carrier: Mapping[str, str],
        attributes: Mapping[str, str | int],
        start: int | None = None,
    ) -> "Span":
        from opentelemetry.trace import SpanKind

        return self._tracer.start_span(
            name,
            context=self._propagator.extract(carrier),
            kind=SpanKind[kind],
            attributes={"messaging.system": "kafka", **attributes},
            start_time=start,
        )


def carries_context(record: Record) -> bool:
    """Whether a record belongs to a trace."""
    return any(name.lower() == _HEADERS[0] for name, _ in record.headers)


def _carried(headers: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    # Kafka allows null for a header's value, whatever the client's types say.
    return {
        name.lower(): value.decode("ascii", "replace")
        for name, value in headers
        if name.lower() in _HEADERS and value is not None
    }


def _only_full(context: Context) -> dict[str, str]:
    return {name: text for name, text in zip(_HEADERS, context, strict=True) if text}
