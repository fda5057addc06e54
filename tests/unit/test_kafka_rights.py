"""What `plazo check` says of the rights that Kafka's authorizer gives us."""

from pathlib import Path
from typing import Any

import pytest

from worker.kafka.admin import TopicState
from worker.kafka.rights import Allowed, Operation
from worker.operations.checks.model import KafkaFacts, Status
from worker.operations.checks.rights import right_checks, topic_needs
from worker.operations.checks.topics import topic_checks
from worker.settings import Settings

PAGE = Path(__file__).parents[2] / "docs/how-to/security.md"
PLAIN = Settings.model_construct()
ORDERS, STATUSES = PLAIN.input_topics
DECISIONS, LETTERS = PLAIN.decisions_topic, PLAIN.dead_letters_topic
TOPICS = (ORDERS, STATUSES, DECISIONS, LETTERS)
ALL = frozenset(Operation)
SEEN = frozenset({Operation.DESCRIBE})
READ = SEEN | {Operation.READ}
BOTH = READ | {Operation.WRITE}
ENOUGH: dict[str, Allowed] = {ORDERS: READ, STATUSES: READ, DECISIONS: BOTH, LETTERS: BOTH}


def told(topics: dict[str, Allowed], group: Allowed = READ, **changes: Any) -> dict[str, str]:
    settings = PLAIN.model_copy(update=changes)
    facts = KafkaFacts(3, {}, allowed_on_topics=topics, allowed_on_group=group)
    found = list(right_checks(settings, facts))
    assert all((one.status == Status.FAULT) == bool(one.cure) for one in found)
    return {one.name: one.finding for one in found}


@pytest.mark.parametrize("topics", [{}, dict.fromkeys(TOPICS, ALL), dict.fromkeys(TOPICS)])
def test_a_cluster_without_an_authorizer_gets_no_line(topics: dict[str, Allowed]) -> None:
    assert told(topics, ALL) == {}


def test_the_least_rights_are_enough() -> None:
    assert [*told(ENOUGH)] == ["rights in Kafka"]


def test_each_missing_right_is_named_with_its_topic() -> None:
    found = told({ORDERS: READ, STATUSES: SEEN, DECISIONS: READ, LETTERS: SEEN})
    assert found == {
        f"rights on topic {STATUSES}": "we lack READ.",
        f"rights on topic {DECISIONS}": "we lack WRITE.",
        f"rights on topic {LETTERS}": "we lack READ and WRITE.",
    }


def test_the_cure_is_a_command() -> None:
    settings = PLAIN.model_copy(update={"kafka_sasl_username": "ana"})
    facts = KafkaFacts(3, {}, allowed_on_topics={LETTERS: SEEN})
    (fault,) = right_checks(settings, facts)
    assert fault.cure.endswith(
        f"--allow-principal User:ana --operation Read --operation Write --topic {LETTERS}"
    )


def test_the_group_and_the_topics_in_use_are_looked_at() -> None:
    assert told(ENOUGH, SEEN) == {f"rights on group {PLAIN.group_id}": "we lack READ."}
    assert told(ENOUGH, frozenset()) == {f"rights on group {PLAIN.group_id}": "we lack READ."}
    changes = {"deadline_changes_topic": "changes"}
    assert [*told({**ENOUGH, "changes": SEEN}, **changes)] == ["rights on topic changes"]
    shadow = {**ENOUGH, PLAIN.shadow_topic: READ}
    assert [*told(shadow, mode="shadow")] == [f"rights on topic {PLAIN.shadow_topic}"]


def test_a_hidden_topic_is_a_missing_right_not_a_missing_topic() -> None:
    hidden: dict[str, Allowed] = {**ENOUGH, STATUSES: frozenset()}
    name = f"rights on topic {STATUSES}"
    assert told(hidden) == {name: "we lack READ. It may not exist either."}
    others = dict.fromkeys((ORDERS, DECISIONS), TopicState(6, 3, 3, 0))
    facts = KafkaFacts(3, others, allowed_on_topics={**hidden, ORDERS: READ})
    del facts.allowed_on_topics[LETTERS]  # type: ignore[attr-defined]
    missing = [one.name for one in topic_checks(PLAIN, facts) if "not exist" in one.finding]
    assert missing == [f"topic {LETTERS}"]


def test_the_page_lists_what_is_checked() -> None:
    roles = {
        "order-created": ORDERS, "order-status-changed": STATUSES, "decisions": DECISIONS,
        "dead letters": LETTERS, "the group": "the group",
    }  # fmt: skip
    table = PAGE.read_text().partition("<!-- acls -->")[2].partition("<!-- /acls -->")[0]
    listed = {}
    for line in table.strip().splitlines()[2:]:
        _, role, operations = (cell.strip() for cell in line.strip("|").split("|"))
        listed[roles[role]] = operations.replace("`", "").split(", ")
    wanted = {topic: [one.name for one in needs] for topic, needs in topic_needs(PLAIN).items()}
    assert listed == {**wanted, "the group": ["READ"]}
