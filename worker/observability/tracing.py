"""Traces: carries the producer's context with the order to its verdict and its event.

Off unless ``PLAZO_TRACES`` is set; when off, OpenTelemetry is not loaded. Postgres stores only the
context, so tomorrow's verdict by another worker belongs to the trace of today's order. Spans follow
the conventions of OpenTelemetry for messaging.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from worker.errors import PlazoError
from worker.records import Partition, Record
from worker.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_HEADERS = ("traceparent", "tracestate")
_FLUSH = 3.0

Context = tuple[str, str]  # traceparent, tracestate


class Decided(Protocol):
    """The fields of an outbox event that a span shows."""

    @property
    def order_id(self) -> str: ...
    @property
    def id(self) -> UUID: ...
    @property
    def kind(self) -> str: ...
    @property
    def decided_at(self) -> datetime: ...


class TracesNotInstalled(PlazoError):
    """PLAZO_TRACES is set and its packages are missing."""


class Traces:
    """The spans of one worker."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("plazo")
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def of(cls, settings: Settings) -> "Traces | None":
        """The traces in the settings; ``None`` if they are off.

        Raises:
            TracesNotInstalled: the extra ``otel`` is missing.
        """
        if not settings.traces:
            return None
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import OTELResourceDetector, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise TracesNotInstalled("PLAZO_TRACES needs plazo[otel]") from None
        # The detector reads the variables of OpenTelemetry, which override our default.
        named = Resource.create({"service.name": "plazo"}).merge(OTELResourceDetector().detect())
        provider = TracerProvider(resource=named)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def received(
        self, records: Iterable[Record], home: Partition | None, brought: Mapping[int, str]
    ) -> dict[str, "Span"]:
        """Spans, by order, for the records of new orders that carry a trace context.

        ``brought`` are the new orders by the offset of their record in the partition ``home``.
        A span is exported when it ends: after the commit, so none reports a rolled-back record.
        """
        spans = {}
        for record in records:
            if (record.topic, record.partition) != home or record.offset not in brought:
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
        """The context that a span passes to its children in other processes."""
        from opentelemetry.trace import set_span_in_context

        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span))
        return carrier.get("traceparent", ""), carrier.get("tracestate", "")

    def sent(self, event: Decided, parent: Context, topic: str) -> "Span":
        """Export the span of a verdict, and start the span of its publication.

        The first lasts from the judgement, over its commit, until now, when the relay takes it up.
        """
        decided = int(event.decided_at.timestamp() * 1e9)
        # The clock of Postgres may be ahead of ours.
        taken_up = max(decided, time.time_ns())
        carrier = _only_full(parent)
        verdict = self._span(
            f"decide {event.kind}",
            "INTERNAL",
            carrier,
            {"plazo.order_id": event.order_id, "plazo.verdict": event.kind},
            start=decided,
        )
        verdict.end(taken_up)
        return self._span(
            f"send {topic}",
            "PRODUCER",
            _only_full(self.context(verdict)),
            {
                "messaging.operation.type": "send",
                "messaging.destination.name": topic,
                "messaging.message.id": str(event.id),
            },
            start=taken_up,
        )

    def headers(self, span: "Span") -> list[tuple[str, bytes]]:
        """The headers of the published event."""
        return [(name, text.encode()) for name, text in _only_full(self.context(span)).items()]

    async def close(self) -> None:
        """Export all spans that have ended, for a few seconds at most."""
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
    # Kafka allows null as the value of a header, against the types of the client.
    return {
        name.lower(): value.decode("ascii", "replace")
        for name, value in headers
        if name.lower() in _HEADERS and value is not None
    }


def _only_full(context: Context) -> dict[str, str]:
    return {name: text for name, text in zip(_HEADERS, context, strict=True) if text}
