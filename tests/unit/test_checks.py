"""What `plazo check` says of the rule, the brake, the topics' limits, publishers and the port."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from worker.errors import DatabaseUnavailable
from worker.kafka.admin import Sample, Skew, TopicState, partition_by_murmur2
from worker.observability.health import Health
from worker.observability.http import HttpServer
from worker.observability.metrics import Metrics
from worker.operations.checks import worker as worker_checks
from worker.operations.checks.model import Check, DatabaseFacts, KafkaFacts, Status
from worker.operations.checks.report import checks
from worker.operations.checks.worker import port_check
from worker.operations.outages import Outage, database_outage, kafka_outage
from worker.settings import Settings
from worker.storage.migrations import HEAD

PLAIN = Settings.model_construct()
ORDERS, STATUSES = PLAIN.input_topics
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Part = KafkaFacts | Outage | None


def settings(**changes: Any) -> Settings:
    return PLAIN.model_copy(update=changes)


def cluster(**facts: Any) -> KafkaFacts:
    state = TopicState(6, 3, 3, 0)
    topics = [*PLAIN.input_topics, PLAIN.decisions_topic, PLAIN.dead_letters_topic]
    return KafkaFacts(3, dict.fromkeys(topics, state), **{"configs": {}, "members": 1, **facts})


def found(name: str, chosen: Settings = PLAIN, kafka: Part = None, **facts: Any) -> list[Check]:
    database = DatabaseFacts(NOW, Skew(0, 0), HEAD, **facts)
    return [one for one in checks(chosen, kafka or cluster(), database) if one.name == name]


def statuses(found: list[Check]) -> list[Status]:
    assert all(one.cure for one in found if one.status in (Status.FAULT, Status.WARNING))
    return [one.status for one in found]


@pytest.mark.parametrize(
    ("name", "status", "facts"),
    [
        ("holds", [Status.WARNING], {"held_long": 2}),
        ("holds", [], {}),
        ("escalations", [], {}),
        ("escalations", [Status.OK], {"escalations": 1, "oldest_escalation": NOW}),
        (
            "escalations",
            [Status.WARNING],
            {"escalations": 2, "oldest_escalation": NOW - timedelta(days=2)},
        ),
        ("unknown statuses", [Status.WARNING], {"unknown_statuses": 1}),
        ("unknown statuses", [], {}),
        ("mode", [Status.FAULT], {"mode": "shadow"}),
        ("mode", [], {"mode": "live"}),
        ("mode", [], {"mode": None}),
        ("rule", [Status.OK], {}),
    ],
)
def test_what_the_database_tells(name: str, status: list[Status], facts: dict[str, Any]) -> None:
    assert statuses(found(name, **facts)) == status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.OK),
        ({"brake_share": 0.3}, Status.OK),
        ({"brake_share": 0.9}, Status.WARNING),
        ({"brake_least": 1_000_000}, Status.WARNING),
        ({"brake_share": 0.9, "brake_cancels": 100}, Status.OK),
        ({"brake_share": 1.0}, Status.WARNING),
    ],
)
def test_a_brake_that_is_off_or_looser_than_the_default(
    changes: dict[str, Any], status: Status
) -> None:
    assert statuses(found("brake", settings(**changes))) == [status]


@pytest.mark.parametrize(
    ("name", "topic", "config", "value", "warned"),
    [
        ("record sizes", ORDERS, "max.message.bytes", 10_485_760, True),
        ("record sizes", ORDERS, "max.message.bytes", 1_048_588, False),
        ("record sizes", PLAIN.dead_letters_topic, "max.message.bytes", 100_000, True),
        ("record sizes", PLAIN.dead_letters_topic, "max.message.bytes", 1_048_588, False),
        ("timestamps", STATUSES, "message.timestamp.before.max.ms", 3_600_000, True),
        ("timestamps", STATUSES, "message.timestamp.before.max.ms", 2**63 - 1, False),
        ("retention", PLAIN.decisions_topic, "cleanup.policy", "compact", True),
        ("retention", PLAIN.decisions_topic, "cleanup.policy", "delete", False),
    ],
)
def test_limits_of_topics(name: str, topic: str, config: str, value: object, warned: bool) -> None:
    kafka = cluster(configs={(topic, config): str(value)})
    assert statuses(found(name, kafka=kafka)) == [Status.WARNING] * warned


def test_the_policy_file_is_read_even_without_a_database(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text("version: 1\npolicies:\n  - name: a\n    grase: 1s\n")
    away = Outage("away", "wait")
    chosen = settings(policy_file=file)
    (one,) = (one for one in checks(chosen, away, away) if one.name == "policy file")
    assert one.status == Status.FAULT
    assert "policies.yaml:4" in one.finding


def test_a_version_that_was_in_force_with_other_terms(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text("version: 1\npolicies:\n  - name: a\n    window: 48h\n")
    chosen = settings(policy_file=file)
    assert statuses(found("policy file", chosen, terms={("a", 1): "others"})) == [Status.FAULT]
    assert statuses(found("policy file", chosen, terms={("a", 2): "others"})) == []


def keyed(where: dict[str, dict[bytes, int]]) -> dict[tuple[str, int], list[Sample]]:
    samples: dict[tuple[str, int], list[Sample]] = {}
    for topic, keys in where.items():
        for key, number in keys.items():
            samples.setdefault((topic, number), []).append(Sample(key, ()))
    return samples


KEYS = [b"order-%d" % number for number in range(60)]
# As no partitioner that Plazo knows puts them.
OTHER = {key: (partition_by_murmur2(key, 6) + 1) % 6 for key in KEYS}


@pytest.mark.parametrize(
    ("code", "chosen", "finding"),
    [
        (object(), True, "compiled code reads plain records"),
        (None, True, "this installation has no compiled code"),
        (object(), False, "PLAZO_COMPILED is off"),
    ],
)
def test_it_says_what_reads_the_records(
    code: object, chosen: bool, finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_checks, "compiled", lambda: code)
    (one,) = found("reader", settings(compiled=chosen))
    assert finding in one.finding
    assert one.status == Status.OK


@pytest.mark.parametrize("proof", ["all", "lane"])
def test_another_partitioner_is_fine_where_all_topics_share_it(proof: str) -> None:
    """Kafka clients with a partitioner of their own hand nothing over if all of them have it."""
    kafka = cluster(samples=keyed({ORDERS: OTHER, STATUSES: OTHER}))
    (one,) = found(f"partitioner of {ORDERS}", settings(proof=proof), kafka)
    assert one.status == Status.OK
    assert "60 orders" in one.finding


@pytest.mark.parametrize(("proof", "status"), [("all", Status.WARNING), ("lane", Status.FAULT)])
def test_orders_in_several_lanes_are_counted(proof: str, status: Status) -> None:
    murmur = {key: partition_by_murmur2(key, 6) for key in KEYS}
    kafka = cluster(samples=keyed({ORDERS: murmur, STATUSES: OTHER}))
    (one,) = found(f"partitioner of {STATUSES}", settings(proof=proof), kafka)
    assert one.status == status
    assert one.finding.startswith("60 of 60 orders are in several lanes")


def test_a_few_orders_are_too_few_for_a_narrow_proof() -> None:
    few = dict(list(OTHER.items())[:3])
    kafka = cluster(samples=keyed({ORDERS: OTHER, STATUSES: few}))
    (one,) = found(f"partitioner of {ORDERS}", settings(proof="lane"), kafka)
    assert one.status == Status.FAULT


# The port


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a server that is not ours."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_port_that_another_program_has(stranger: int) -> None:
    one = await port_check(settings(http_port=stranger))
    assert one.status == Status.FAULT
    assert "PLAZO_HTTP_PORT" in one.cure


async def test_a_port_that_a_worker_has_or_nobody() -> None:
    server = HttpServer("127.0.0.1", 0, Metrics(PLAIN).registry, Health(), {})
    await server.start()
    taken = settings(http_port=server.port)
    try:
        assert (await port_check(taken)).finding.startswith("a worker listens")
    finally:
        await server.stop()
    assert (await port_check(taken)).finding.endswith("is free")


async def test_an_address_of_another_machine() -> None:
    assert (await port_check(settings(http_host="192.0.2.1"))).status == Status.FAULT


# Outages


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("InvalidPasswordError", "28P01", "password is wrong"),
        ("InvalidCatalogNameError", "3D000", "no such database"),
        ("InvalidAuthorizationSpecificationError", "28000", "sslmode"),
        ("InsufficientPrivilegeError", "42501", "grants.sql"),
        ("gaierror", "-", "host is unknown"),
        ("ConnectionRefusedError", "-", "nothing listens there"),
        ("TimeoutError", "-", "firewall"),
        ("SSLCertVerificationError", "-", "sslrootcert"),
        ("SomethingError", "XX000", "SQLSTATE XX000"),
        ("OddError", "-", "OddError"),
    ],
)
def test_each_cause_of_postgres_has_words_and_a_cure(name: str, state: str, words: str) -> None:
    chosen = settings(
        database_url=Settings(database_url="postgresql://me:hush@db:5/d").database_url
    )
    one = database_outage(chosen, DatabaseUnavailable(name, state))
    told = f"{one.finding} {one.cure}"
    assert words in told
    assert "db:5, database d, role me" in one.finding
    assert one.cure
    assert "hush" not in told
    assert "SQLSTATE -" not in told


async def test_each_broker_is_told_with_its_cause(stranger: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, and nobody listens
        refused = free.getsockname()[1]
        servers = f"127.0.0.1:{refused},nowhere.invalid:9092,127.0.0.1:{stranger}"
        one = await kafka_outage(settings(kafka_bootstrap_servers=servers), "no answer")
    assert f"127.0.0.1:{refused}: nothing listens there" in one.finding
    assert "nowhere.invalid:9092: the host is unknown" in one.finding
    assert f"127.0.0.1:{stranger}: it takes connections" in one.finding
    assert "PLAZO_KAFKA_SECURITY_PROTOCOL" in one.cure
