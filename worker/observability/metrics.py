"""The catalogue of metrics: every series that /metrics shows, declared once.

Labels take values from closed sets, topics and partitions; never an order or a seller.
"""

import platform
from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from schemas.events import RefusalClass
from worker import __version__
from worker.domain.case import Kind, Outcome, Reason
from worker.observability.histogram import Histogram
from worker.observability.labels import (
    DECISIONS,
    Connection,
    Effect,
    FaultKind,
    Guard,
    Part,
    Purpose,
    Readiness,
    RegistryAnswer,
    Tells,
    Waiting,
)
from worker.observability.metric_family import INPUT_TOPICS, OPEN, Family, Row, row
from worker.settings import Settings

# The `_created` series would double the counters, and nothing uses them.
disable_created_metrics()  # type: ignore[no-untyped-call]

_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LATENESS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_DELAY = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 21600, 86400, 604800)
_BATCH = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)


class Metrics:
    """All metrics of one worker, on their own registry. The rows are its attributes."""

    # Reading
    records: Family[Counter, str, Effect] = row(
        Counter,
        "plazo_records_total",
        "Input records that took effect, by effect.",
        topic=INPUT_TOPICS,
        outcome=Effect,
    )
    handed_over: Counter = row(
        Counter,
        "plazo_handed_over_total",
        "Acts that arrived in a foreign lane and were handed to the order's home lane.",
    )
    dead_letters: Family[Counter, RefusalClass] = row(
        Counter,
        "plazo_dead_letters_total",
        "Records refused and kept as dead letters, by error class.",
        error=RefusalClass,
    )
    records_lost: Family[Counter, str] = row(
        Counter,
        "plazo_records_lost_total",
        "Offsets that retention or truncation removed before they were read.",
        topic=INPUT_TOPICS,
    )
    unknown_statuses: Family[Counter, str] = row(
        Counter,
        "plazo_unknown_statuses_total",
        "Acts with a status that no table knows.",
        topic=INPUT_TOPICS,
    )
    registry_answers: Family[Counter, RegistryAnswer] = row(
        Counter,
        "plazo_schema_registry_answers_total",
        "Requests for schemas, by the answer of the schema registry.",
        answer=RegistryAnswer,
    )
    record_delay: Family[Histogram, str, Tells] = row(
        Histogram,
        "plazo_record_delay_seconds",
        "Time of a record minus the time of the order or act that it tells of. A sample.",
        buckets=_DELAY,
        topic=INPUT_TOPICS,
        of=Tells,
    )
    grace: Gauge = row(
        Gauge, "plazo_grace_seconds", "Shortest wait from a deadline to its verdict."
    )
    lag_records: Family[Gauge, str, int] = row(
        Gauge,
        "plazo_lag_records",
        "Offsets between the stored position and the end of the partition.",
        topic=OPEN,
        partition=OPEN,
    )
    lag_seconds: Family[Gauge, str, int] = row(
        Gauge,
        "plazo_lag_seconds",
        "Age of the oldest record not yet applied, else 0; it grows while none is read.",
        topic=OPEN,
        partition=OPEN,
    )

    # Deciding
    decisions: Family[Counter, Kind, Reason] = row(
        Counter,
        "plazo_decisions_total",
        "Decisions committed, by kind and reason.",
        known=DECISIONS,
        kind=Kind,
        reason=Reason,
    )
    outcomes: Family[Counter, Outcome] = row(
        Counter,
        "plazo_outcomes_total",
        "Deadlines settled, by the outcome of the order.",
        outcome=Outcome,
    )
    lateness: Histogram = row(
        Histogram,
        "plazo_lateness_seconds",
        "Time from deadline plus grace to the commit of the verdict.",
        buckets=_LATENESS,
    )
    open_deadlines: Family[Gauge, int] = row(
        Gauge, "plazo_open_deadlines", "Deadlines not yet settled.", lane=OPEN
    )
    overdue: Gauge = row(
        Gauge,
        "plazo_overdue_deadlines",
        "Deadlines past their grace without a verdict, over the lanes owned.",
    )
    overdue_age: Gauge = row(
        Gauge,
        "plazo_overdue_age_seconds",
        "Wait of the oldest overdue deadline past its grace; 0 when there is none.",
    )
    deadlines_on_hold: Gauge = row(
        Gauge,
        "plazo_deadlines_on_hold",
        "Orders whose verdict is on hold by an event until its release.",
    )
    orders_waiting_for_clock: Gauge = row(
        Gauge,
        "plazo_orders_waiting_for_clock",
        "Orders that wait for the status that starts their clock. At most 10000.",
    )
    stub_orders: Gauge = row(
        Gauge,
        "plazo_stub_orders",
        "Orders of any lane with acts and no order-created yet. At most 10000.",
    )
    orphan_orders: Gauge = row(
        Gauge,
        "plazo_orphan_orders",
        "Of these, the orders whose first act came more than an hour ago.",
    )
    astray_refusals: Gauge = row(
        Gauge,
        "plazo_astray_refusals",
        "Refused acts of the lanes owned that name no known order and are not settled. "
        "At most 10000.",
    )
    waiting_for_person: Family[Gauge, Waiting] = row(
        Gauge,
        "plazo_waiting_for_person",
        "What waits for a person until it is settled, by kind; the sum over workers. The owner "
        "of lane 0 reports what belongs to no lane. At most 10000 each.",
        kind=Waiting,
    )
    escalation_age: Gauge = row(
        Gauge,
        "plazo_escalation_oldest_age_seconds",
        "Age of the oldest escalation of the last week that no act has answered and no decision "
        "revoked, over the lanes owned; 0 when there is none.",
    )
    held_orders: Family[Gauge, Guard] = row(
        Gauge,
        "plazo_held_orders",
        "Orders whose auto-cancel the brake holds, by reason.",
        reason=Guard,
    )
    guard: Family[Gauge, Guard] = row(
        Gauge,
        "plazo_guard_held_lanes",
        "Lanes whose due verdicts a guard holds back, by reason.",
        reason=Guard,
    )
    proof_seconds: Histogram = row(
        Histogram,
        "plazo_proof_seconds",
        "Time from the probe of the end offsets to the proof that all before them was applied.",
        buckets=_SHORT,
    )
    proven_at: Gauge = row(
        Gauge,
        "plazo_proven_timestamp_seconds",
        "Time up to which all evidence is proven read, in the lane furthest behind.",
    )

    # Publishing
    outbox_pending: Family[Gauge, int] = row(
        Gauge, "plazo_outbox_pending", "Decisions committed but not yet published.", lane=OPEN
    )
    outbox_age: Gauge = row(
        Gauge,
        "plazo_outbox_oldest_age_seconds",
        "Age of the oldest decision not yet published; 0 when there is none.",
    )
    published: Counter = row(
        Counter, "plazo_published_total", "Decisions that the broker acknowledged."
    )

    # Postgres
    pool: Family[Gauge, Connection] = row(
        Gauge, "plazo_database_connections", "Pooled connections, by state.", state=Connection
    )
    pool_limit: Gauge = row(
        Gauge, "plazo_database_connections_limit", "Most connections the pool may open."
    )
    database_errors: Family[Counter, FaultKind] = row(
        Counter,
        "plazo_database_errors_total",
        "Errors from Postgres or on the connection to it, by kind.",
        kind=FaultKind,
    )
    transaction_seconds: Family[Histogram, Purpose] = row(
        Histogram,
        "plazo_transaction_seconds",
        "Duration of a transaction of one or several lanes, commit included.",
        buckets=_SHORT,
        kind=Purpose,
    )
    clock_skew: Gauge = row(
        Gauge,
        "plazo_clock_skew_seconds",
        "Postgres' clock minus the worker's; verdicts wait for the slower of the two.",
    )
    batch_records: Histogram = row(
        Histogram, "plazo_batch_records", "Records of a lane applied at once.", buckets=_BATCH
    )

    # Lanes and the process
    ready: Family[Gauge, Readiness] = row(
        Gauge,
        "plazo_ready",
        "1 while a part is at work, else 0; then its gauges do not change.",
        part=Readiness,
    )
    lanes: Gauge = row(Gauge, "plazo_lanes_owned", "Lanes this worker owns.")
    lanes_halted: Gauge = row(
        Gauge, "plazo_lanes_halted", "Owned lanes that stopped on purpose and need a person."
    )
    take_overs: Counter = row(
        Counter, "plazo_lane_take_overs_total", "Lanes taken over, first starts included."
    )
    fenced: Counter = row(
        Counter,
        "plazo_lane_fenced_total",
        "Transactions refused because another worker owned the lane.",
    )
    rebalances: Counter = row(
        Counter, "plazo_rebalances_total", "Rebalances of the consumer group seen."
    )
    members_removed: Counter = row(
        Counter,
        "plazo_members_removed_total",
        "Workers whose end was seen in Postgres, removed from the group before their time-out.",
    )
    name_taken: Gauge = row(
        Gauge, "plazo_name_taken", "1 while another worker runs under the name of this one."
    )
    restarts: Family[Counter, Part] = row(
        Counter, "plazo_restarts_total", "Parts of the worker restarted after a fault.", part=Part
    )
    loop_lag: Gauge = row(
        Gauge,
        "plazo_loop_lag_seconds",
        "Longest delay of the event loop within the last one to two minutes.",
    )
    loop_delay: Histogram = row(
        Histogram,
        "plazo_loop_delay_seconds",
        "Delay with which the event loop wakes a sleeper, each 20 ms: the slices that hold it.",
        buckets=_SHORT,
    )
    loop_tasks: Gauge = row(
        Gauge, "plazo_loop_tasks", "Tasks of the event loop; steady growth is a leak."
    )
    _build: Info = row(
        Info,
        "plazo_build_info",
        "Version of Plazo, of Python and of the database schema; always 1.",
        shown=("version", "python", "schema"),
    )

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        for name, each in _rows(Metrics):
            setattr(self, name, each.register(self.registry, settings.input_topics))
        self.set_schema("")
        self.pool_limit.set(settings.database_connections)
        self.grace.set(settings.grace.total_seconds())
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

    def forget_lane(self, lane: int, topics: Sequence[str]) -> None:
        """Drop the gauges of a lane no longer owned: its new owner shows them now."""
        self.open_deadlines.remove(lane)
        self.outbox_pending.remove(lane)
        for topic in topics:
            self.lag_records.remove(topic, lane)
            self.lag_seconds.remove(topic, lane)

    @staticmethod
    def documentation() -> list[Row]:
        """The rows of the catalogue, for the reference."""
        return [each for table in (Metrics, DeliverMetrics) for _, each in _rows(table)]


class DeliverMetrics:
    """The metrics of ``plazo deliver``, apart: it is no worker, and has none of its gauges."""

    registry: CollectorRegistry

    delivered: Family[Counter, str] = row(
        Counter,
        "plazo_deliver_delivered_total",
        "Decisions that a receiver of webhooks took.",
        receiver=OPEN,
    )
    failed: Family[Counter, str] = row(
        Counter,
        "plazo_deliver_failed_total",
        "Decisions that went to the dead-letter file instead of a receiver of webhooks.",
        receiver=OPEN,
    )
    lost: Family[Counter, str] = row(
        Counter,
        "plazo_deliver_lost_total",
        "Offsets that retention removed before their decisions were delivered.",
        receiver=OPEN,
    )
    retries: Family[Counter, str] = row(
        Counter,
        "plazo_deliver_retries_total",
        "Requests to a receiver of webhooks that failed and are sent again.",
        receiver=OPEN,
    )
    in_flight: Family[Gauge, str] = row(
        Gauge,
        "plazo_deliver_in_flight",
        "Requests to a receiver of webhooks that are under way.",
        receiver=OPEN,
    )
    oldest_age: Family[Gauge, str] = row(
        Gauge,
        "plazo_deliver_oldest_age_seconds",
        "Age of the oldest decision that was read and not delivered; 0 when there is none.",
        receiver=OPEN,
    )

    def __init__(self, receivers: Sequence[str]) -> None:
        self.registry = CollectorRegistry()
        for name, each in _rows(DeliverMetrics):
            family = each.register(self.registry, ())
            for receiver in receivers:
                family.labels(receiver)  # from the start, at zero
            setattr(self, name, family)
        GCCollector(self.registry)
        PlatformCollector(self.registry)
        ProcessCollector(registry=self.registry)


def _rows(table: type) -> list[tuple[str, Row]]:
    return [(name, each) for name, each in vars(table).items() if isinstance(each, Row)]
