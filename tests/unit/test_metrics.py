"""Metrics: one catalogue, bounded labels, zeroes from the start."""

import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

from schemas.events import RefusalClass
from worker.domain.case import Kind, Outcome, Reason
from worker.observability.labels import Connection, Effect, Guard, Part, Waiting
from worker.observability.loop_delay import LoopDelay
from worker.observability.metric_family import Row
from worker.observability.metrics import DeliverMetrics, Metrics
from worker.settings import Settings

ROWS = Metrics.documentation()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Settings.model_construct())


def series(metrics: Metrics, name: str) -> list[dict[str, str]]:
    return [
        sample.labels
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    ]


def test_two_workers_in_one_process_do_not_collide(metrics: Metrics) -> None:
    metrics.published.inc()
    other = Metrics(Settings.model_construct())
    assert other.registry.get_sample_value("plazo_published_total") == 0
    assert metrics.registry.get_sample_value("plazo_published_total") == 1


def test_many_observations_at_once_are_as_many_single_ones(metrics: Metrics) -> None:
    bounds = metrics.lateness._upper_bounds
    amounts = [0.0, *bounds[:-1], *(bound * 1.01 for bound in bounds[:-1]), 1e9, bounds[3]]
    other = Metrics(Settings.model_construct())
    for amount in amounts:
        other.lateness.observe(amount)
    metrics.lateness.observe_all(amounts)
    found, wanted = (
        {
            (sample.name, sample.labels.get("le")): sample.value
            for family in one.registry.collect()
            for sample in family.samples
            if sample.name.startswith("plazo_lateness") and not sample.name.endswith("created")
        }
        for one in (metrics, other)
    )
    assert found == pytest.approx(wanted)
    assert found["plazo_lateness_seconds_count", None] == len(amounts)


def test_known_label_sets_start_at_zero(metrics: Metrics) -> None:
    topics = Settings.model_construct().input_topics
    for name, expected in {
        "plazo_records_total": len(topics) * len(Effect),
        "plazo_dead_letters_total": len(RefusalClass),
        "plazo_records_lost_total": len(topics),
        "plazo_outcomes_total": len(Outcome),
        "plazo_guard_held_lanes": len(Guard),
        "plazo_waiting_for_person": len(Waiting),
        "plazo_database_connections": len(Connection),
        "plazo_restarts_total": len(Part),
        "plazo_lateness_seconds_count": 1,
        "plazo_transaction_seconds_count": 2,
    }.items():
        found = series(metrics, name)
        assert len(found) == expected, name
        assert all(metrics.registry.get_sample_value(name, labels) == 0 for labels in found)


def test_only_decisions_that_exist_have_a_series(metrics: Metrics) -> None:
    pairs = {(found["kind"], found["reason"]) for found in series(metrics, "plazo_decisions_total")}
    assert (Kind.AUTO_CANCEL, Reason.STOCK_NOT_VALIDATED) in pairs
    assert (Kind.REVOKED, Reason.LATE_EVIDENCE) in pairs
    assert {reason for _, reason in pairs} == set(Reason)
    assert len(pairs) == len(Reason)


def test_a_lane_that_left_is_forgotten(metrics: Metrics) -> None:
    for lane in (1, 2):
        metrics.open_deadlines.labels(lane).set(5)
        metrics.outbox_pending.labels(lane).set(5)
        metrics.lag_records.labels("orders", lane).set(5)
        metrics.lag_seconds.labels("orders", lane).set(5)
    metrics.forget_lane(1, ["orders", "never-seen"])
    metrics.forget_lane(1, ["orders"])
    for name in ("plazo_open_deadlines", "plazo_outbox_pending"):
        assert series(metrics, name) == [{"lane": "2"}]
    for name in ("plazo_lag_records", "plazo_lag_seconds"):
        assert series(metrics, name) == [{"topic": "orders", "partition": "2"}]


def test_the_build_names_its_versions(metrics: Metrics) -> None:
    metrics.set_schema("0001")
    (build,) = series(metrics, "plazo_build_info")
    assert set(build) == {"version", "python", "schema"}
    assert build["schema"] == "0001"


def test_the_longest_delay_of_the_loop_shows_for_a_minute_at_least(metrics: Metrics) -> None:
    delay = LoopDelay(metrics)
    shown = []
    for seconds, now in ((0.22, 100.0), (0.02, 101.0), (0.03, 161.0), (0.01, 222.0)):
        delay.slept(seconds, now)
        shown.append(metrics.registry.get_sample_value("plazo_loop_lag_seconds"))
    assert shown == pytest.approx([0.2, 0.2, 0.2, 0.01])
    assert metrics.registry.get_sample_value("plazo_loop_delay_seconds_count") == 4
    above = metrics.registry.get_sample_value("plazo_loop_delay_seconds_bucket", {"le": "0.1"})
    assert above == 3


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_names_follow_the_conventions(row: Row) -> None:
    name, kind, labels, text = row.name, row.type, row.label_names, row.help
    assert re.fullmatch(r"plazo_[a-z][a-z_]*[a-z]", name)
    assert name.endswith("_total") == (kind == "counter")
    assert not re.search(r"_(ms|milliseconds|minutes|hours|kb)(_|$)", name)
    assert not {"order", "order_id", "seller", "seller_id"} & set(labels)
    assert text.endswith(".")


def test_the_catalogue_names_what_is_exposed(metrics: Metrics) -> None:
    text = generate_latest(metrics.registry).decode()
    exposed = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE plazo_")}
    # Those of `plazo deliver` are apart.
    delivered = generate_latest(DeliverMetrics(["a"]).registry).decode()
    apart = {line.split()[2] for line in delivered.splitlines() if line.startswith("# TYPE plazo_")}
    assert exposed | apart == {row.name for row in ROWS}
    assert not exposed & apart
    assert 'plazo_deliver_failed_total{receiver="a"} 0.0' in delivered
    assert len(list(text_string_to_metric_families(text))) > len(exposed)  # and the process's own
    assert "process_cpu_seconds_total" in text
    assert "python_info" in text
    assert "_created" not in text
    encode, _ = choose_encoder("application/openmetrics-text")
    assert encode(metrics.registry).endswith(b"# EOF\n")
