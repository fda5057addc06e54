"""The catalogue of metrics: every series that /metrics shows, declared once.

Labels take values from closed sets, topics and partitions; never an order or a seller. Known
label sets exist from the start at zero, so that a first error is a step and not a new series.
"""

import platform
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import product
from typing import NamedTuple, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase

from worker import __version__
from worker.domain.case import Kind, Outcome, Reason
from worker.records import RefusalClass
from worker.settings import Settings

_M = TypeVar("_M", bound=MetricWrapperBase)

# The `_created` series would double the counters for nobody.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Effect(StrEnum):
    """What an input record did."""

    CREATED = "created"
    STATUS = "status"
    DEADLINE = "deadline"  # a change of a deadline
    REPEAT = "repeat"
    REFUSED = "refused"
    IGNORED = "ignored"  # a foreign record of no concern, such as a hook's ping


class Guard(StrEnum):
    """Why verdicts wait although they are due."""

    BEHIND = "behind"  # an input partition has not been read up to its end
    PROBE = "probe"  # the end offsets cannot be had
    DATABASE = "database"
    CLOCK = "clock"
    HALTED = "halted"
    MASS_CANCEL = "mass-cancel"  # too many auto-cancels: a person decides
    SILENT_FEED = "silent-feed"  # orders flow, and no status changes do


class Connection(StrEnum):
    """What a pooled connection does."""

    IDLE = "idle"
    BUSY = "busy"


class FaultKind(StrEnum):
    """What kind of error Postgres, or the way to it, gave."""

    TRANSIENT = "transient"
    READONLY = "readonly"
    DATA = "data"
    OTHER = "other"


class Transaction(StrEnum):
    """What a lane's transaction was for."""

    APPLY = "apply"
    DECIDE = "decide"


class Readiness(StrEnum):
    """What must be at work for the worker to be ready."""

    WORKER = "worker"  # in the group, and each of its lanes runs
    DATABASE = "database"
    KAFKA = "kafka"


class Part(StrEnum):
    """What is restarted on its own after a fault."""

    LANE = "lane"
    RELAY = "relay"
    CONSUMER = "consumer"
    PROBE = "probe"


# The pairs that exist: the alerts name them, and no others may appear.
DECISIONS = (
    (Kind.AUTO_CANCEL, Reason.STOCK_NOT_VALIDATED),
    *(
        (Kind.ESCALATION, reason)
        for reason in Reason
        if reason
        not in (Reason.STOCK_NOT_VALIDATED, Reason.LATE_EVIDENCE, Reason.DEADLINE_APPROACHES)
    ),
    (Kind.REVOKED, Reason.LATE_EVIDENCE),
    (Kind.REMINDER, Reason.DEADLINE_APPROACHES),
)

_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LATENESS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_BATCH = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)


class Row(NamedTuple):
    """One metric as README.md lists it."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


class Metrics:
    """Every metric of one worker, on a registry of its own."""

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        self._rows: list[Row] = []
        topics = settings.input_topics

        # Reading
        self.records = self._add(
            Counter,
            "plazo_records_total",
            "Input records that took effect, by what they did.",
            topic=topics,
            outcome=Effect,
        )
        self.handed_over = self._add(
            Counter,
            "plazo_handed_over_total",
            "Acts that arrived in a foreign lane and were handed to the order's home lane.",
        )
        self.dead_letters = self._add(
            Counter,
            "plazo_dead_letters_total",
            "Records refused and kept as dead letters, by class of error.",
            error=RefusalClass,
        )
        self.records_lost = self._add(
            Counter,
            "plazo_records_lost_total",
            "Offsets that retention or truncation removed before they were read.",
            topic=topics,
        )
        self.lag_records = self._add(
            Gauge,
            "plazo_lag_records",
            "Offsets between the stored position and the end of the partition.",
            topic=None,
            partition=None,
        )
        self.lag_seconds = self._add(
            Gauge,
            "plazo_lag_seconds",
            "Age of the oldest record not yet applied, or 0; it grows while none is read.",
            topic=None,
            partition=None,
        )

        # Deciding
        self.decisions = self._add(
            Counter,
            "plazo_decisions_total",
            "Decisions committed, by kind and reason.",
            sets=DECISIONS,
            kind=Kind,
            reason=Reason,
        )
        self.outcomes = self._add(
            Counter,
            "plazo_outcomes_total",
            "Deadlines settled, by where the order stood.",
            outcome=Outcome,
        )
        self.lateness = self._add(
            Histogram,
            "plazo_lateness_seconds",
            "Time from deadline plus grace to the commit of the verdict.",
            buckets=_LATENESS,
        )
        self.open_deadlines = self._add(
            Gauge, "plazo_open_deadlines", "Deadlines not yet settled.", lane=None
        )
        self.overdue = self._add(
            Gauge,
            "plazo_overdue_deadlines",
            "Deadlines past their grace without a verdict, over the lanes owned.",
        )
        self.overdue_age = self._add(
            Gauge,
            "plazo_overdue_age_seconds",
            "How long the oldest overdue deadline has waited past its grace; 0 when none does.",
        )
        self.deadlines_on_hold = self._add(
            Gauge,
            "plazo_deadlines_on_hold",
            "Orders whose verdict somebody holds by an event, until it is released.",
        )
        self.held_orders = self._add(
            Gauge,
            "plazo_held_orders",
            "Orders whose auto-cancel the brake holds, by why.",
            reason=Guard,
        )
        self.guard = self._add(
            Gauge,
            "plazo_guard_held_lanes",
            "Lanes whose due verdicts a guard holds back, by what it waits for.",
            reason=Guard,
        )
        self.proof_seconds = self._add(
            Histogram,
            "plazo_proof_seconds",
            "Time from the probe of the end offsets to the proof that all of it was applied.",
            buckets=_SHORT,
        )
        self.proven_at = self._add(
            Gauge,
            "plazo_proven_timestamp_seconds",
            "Instant up to which all evidence is proven read, in the lane furthest behind.",
        )

        # Publishing
        self.outbox_pending = self._add(
            Gauge, "plazo_outbox_pending", "Decisions committed but not yet published.", lane=None
        )
        self.outbox_age = self._add(
            Gauge,
            "plazo_outbox_oldest_age_seconds",
            "Age of the oldest decision not yet published; 0 when there is none.",
        )
        self.published = self._add(
            Counter, "plazo_published_total", "Decisions that the broker acknowledged."
        )

        # Postgres
        self.pool = self._add(
            Gauge,
            "plazo_database_connections",
            "Pooled connections, by what they do.",
            state=Connection,
        )
        self.pool_limit = self._add(
            Gauge, "plazo_database_connections_limit", "Most connections the pool may open."
        )
        self.database_errors = self._add(
            Counter,
            "plazo_database_errors_total",
            "Errors from Postgres or on the way to it, by kind.",
            kind=FaultKind,
        )
        self.transaction_seconds = self._add(
            Histogram,
            "plazo_transaction_seconds",
            "Duration of a lane's transaction, commit included.",
            buckets=_SHORT,
            kind=Transaction,
        )
        self.batch_records = self._add(
            Histogram,
            "plazo_batch_records",
            "Records applied in one transaction.",
            buckets=_BATCH,
        )

        # Lanes and the process
        self.ready = self._add(
            Gauge,
            "plazo_ready",
            "Whether a part is at work, 1 or 0; where it is not, its gauges stand still.",
            part=Readiness,
        )
        self.lanes = self._add(Gauge, "plazo_lanes_owned", "Lanes this worker owns.")
        self.lanes_halted = self._add(
            Gauge, "plazo_lanes_halted", "Owned lanes that stopped on purpose and need a person."
        )
        self.take_overs = self._add(
            Counter, "plazo_lane_take_overs_total", "Lanes taken over, first starts included."
        )
        self.fenced = self._add(
            Counter,
            "plazo_lane_fenced_total",
            "Transactions refused because another worker owned the lane.",
        )
        self.rebalances = self._add(
            Counter, "plazo_rebalances_total", "Rebalances of the consumer group seen."
        )
        self.restarts = self._add(
            Counter,
            "plazo_restarts_total",
            "Parts of the worker restarted after a fault.",
            part=Part,
        )
        self.loop_lag = self._add(
            Gauge,
            "plazo_loop_lag_seconds",
            "How late the event loop last woke a sleeper.",
        )
        self.loop_delay = self._add(
            Histogram,
            "plazo_loop_delay_seconds",
            "The same as a distribution: spikes between two scrapes show here.",
            buckets=_SHORT,
        )
        self.loop_tasks = self._add(
            Gauge, "plazo_loop_tasks", "Tasks of the event loop: steady, or something leaks."
        )
        self._build = self._add(
            Info,
            "plazo_build_info",
            "Version of Plazo, of Python and of the database schema; always 1.",
            shown=("version", "python", "schema"),
        )

        self.set_schema("")
        self.pool_limit.set(settings.database_connections)
        GCCollector(self.registry)
        PlatformCollector(self.registry)
        ProcessCollector(registry=self.registry)

    def set_schema(self, revision: str) -> None:
        """Show the revision of the schema in ``plazo_build_info``, once it is known."""
        self._build.info(
            {
                "version": __version__,
                "python": platform.python_version(),
                "schema": revision,
            }
        )

    def observe_loop_lag(self, seconds: float) -> None:
        """Record how late a sleeper woke."""
        self.loop_lag.set(seconds)
        self.loop_delay.observe(seconds)

    def forget_lane(self, lane: int, topics: Sequence[str]) -> None:
        """Drop the gauges of a lane no longer owned: its new owner shows them now."""
        self.open_deadlines.remove(lane)
        self.outbox_pending.remove(lane)
        for topic in topics:
            self.lag_records.remove(topic, lane)
            self.lag_seconds.remove(topic, lane)

    @classmethod
    def documentation(cls) -> list[Row]:
        """Rows of name, type, labels and description, for README.md."""
        # model_construct: the defaults, whatever the environment says.
        return list(cls(Settings.model_construct())._rows)

    def _add(
        self,
        cls: type[_M],
        name: str,
        text: str,
        /,
        *,
        sets: Iterable[tuple[str, ...]] | None = None,
        shown: tuple[str, ...] = (),
        buckets: Sequence[float] | None = None,
        **labels: Iterable[str] | None,
    ) -> _M:
        """Register a metric, with a series for each of ``sets`` or of all known label values."""
        # prometheus_client adds these two by itself.
        bare = name.removesuffix("_total").removesuffix("_info")
        more = {} if buckets is None else {"buckets": buckets}
        metric = cls(bare, text, labelnames=tuple(labels), registry=self.registry, **more)  # type: ignore[arg-type]
        known = [tuple(values) for values in labels.values() if values is not None]
        if labels and len(known) == len(labels):
            for values in sets or product(*known):
                metric.labels(*values)
        self._rows.append(Row(name, cls.__name__.lower(), tuple(labels) or shown, text))
        return metric
