"""Who audits the auditor: each fault, planted, must be found, and under its own name."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.end_to_end.audit import Audit, audit
from tests.end_to_end.oracle import Act, Published
from tests.end_to_end.plan import Order
from tests.end_to_end.reader import Reader
from tests.end_to_end.world import World
from tests.support.topics import Topics

WINDOW, GRACE = timedelta(seconds=5), timedelta(seconds=1)
ENTERED = datetime(2026, 11, 22, 12, tzinfo=UTC)
DECIDED = ENTERED + WINDOW + GRACE + timedelta(seconds=0.1)
TOPICS = Topics("created", "status", "decisions", "dead", {"created": 1, "status": 1})


def a_world(*silent: str, handled: tuple[str, ...] = ()) -> World:
    world = World(0, 0, TOPICS, WINDOW, GRACE, spread=0)
    for offset, name in enumerate((*silent, *handled)):
        order = Order(name, "behaviour", ENTERED, "courier", created_at=ENTERED, home=0)
        if name in handled:
            fact = Act("start-handling", ENTERED)
            order.facts.append(Published(fact, ENTERED, ENTERED, "status", 0, offset))
        world.orders[name] = order
    return world


def a_decision(order_id: str, sequence: int, **changes: Any) -> Any:
    """An auto-cancel as it stands in the topic; ``changes`` go to its body or its headers."""
    body: dict[str, Any] = {
        "order_id": order_id,
        "seller_id": "s-1",
        "fulfilment": "courier",
        "entered_at": ENTERED.isoformat(),
        "due": (ENTERED + WINDOW).isoformat(),
        "decided_at": DECIDED.isoformat(),
        "reason": "stock-not-validated",
        "policy": "default",
        "dispute": {"text": "stock break", "type": "CS", "responsible": "worker"},
        "evidence": {"acts": [], "read_to": {"created": [9], "status": [9]}},
    }
    headers = {
        "ce_id": f"id-{order_id}",
        "ce_type": "marketplace.order.auto-cancel.v1",
        "ce_source": "/plazo",
        "ce_time": DECIDED.isoformat(),
        "ce_specversion": "1.0",
        "ce_partitionkey": order_id,
        "ce_sequence": str(sequence),
        "content-type": "application/json",
    }
    for name, value in changes.items():
        (headers if name in headers else body)[name] = value
    return SimpleNamespace(
        partition=0,
        offset=sequence,
        timestamp=DECIDED.timestamp() * 1000,
        key=order_id.encode(),
        value=json.dumps(body).encode(),
        headers=[(name, value.encode()) for name, value in headers.items()],
    )


def audited(world: World, *records: Any, repeats_allowed: bool = False) -> Audit:
    reader = Reader("", "decisions", "dead")
    for record in records:
        reader._take_decision(record)
    return audit(world, reader, repeats_allowed=repeats_allowed)


def kinds(found: Audit) -> set[str]:
    return {name for name, lines in found.faults() if lines}


def test_all_is_well() -> None:
    world = a_world("a", "b", handled=("c",))
    audited(world, a_decision("a", 1), a_decision("b", 2)).check()


def test_a_repeat_is_a_fault_unless_a_process_hung() -> None:
    twice = (a_decision("a", 1), a_decision("a", 1))
    assert kinds(audited(a_world("a"), *twice)) == {"duplicated"}
    audited(a_world("a"), *twice, repeats_allowed=True).check()


@pytest.mark.parametrize(
    ("fault", "plant"),
    [
        pytest.param("missed", lambda: audited(a_world("a")), id="no verdict"),
        pytest.param(
            "falsely cancelled",
            lambda: audited(a_world(handled=("a",)), a_decision("a", 1)),
            id="cancelled against evidence",
        ),
        pytest.param("lost", lambda: audited(a_world("a"), a_decision("a", 2)), id="gap"),
        pytest.param(
            "out of order",
            lambda: audited(a_world("a", "b"), a_decision("b", 2), a_decision("a", 1)),
            id="order",
        ),
        pytest.param(
            "duplicated",
            lambda: audited(
                a_world("a", "b"), a_decision("a", 1), a_decision("b", 1), repeats_allowed=True
            ),
            id="one sequence for two",
        ),
        pytest.param(
            "duplicated",
            lambda: audited(
                a_world("a"), a_decision("a", 1), a_decision("a", 2), repeats_allowed=True
            ),
            id="two sequences for one",
        ),
        pytest.param(
            "wrong",
            lambda: audited(a_world("a"), a_decision("a", 1), a_decision("a", 2, ce_id="other")),
            id="one verdict under two ids",
        ),
        pytest.param(
            "wrong",
            lambda: audited(
                a_world("a"), a_decision("a", 1, decided_at=(DECIDED - GRACE).isoformat())
            ),
            id="too early",
        ),
        pytest.param(
            "wrong", lambda: audited(a_world(), a_decision("a", 1)), id="an order unheard of"
        ),
        pytest.param(
            "malformed",
            lambda: audited(a_world("a"), a_decision("a", 1, ce_specversion="0.3")),
            id="header",
        ),
        pytest.param(
            "malformed",
            lambda: audited(a_world("a"), a_decision("a", 1, ce_partitionkey="b")),
            id="key",
        ),
        pytest.param(
            "malformed",
            lambda: audited(a_world("a"), a_decision("a", 1, dispute=None)),
            id="schema",
        ),
        pytest.param(
            "malformed",
            lambda: audited(a_world("a"), a_decision("a", 1, undocumented=1)),
            id="a field of its own",
        ),
        pytest.param(
            "misfounded",
            lambda: audited(
                a_world("a"),
                a_decision("a", 1, evidence=_evidence(topic="status", offset=3)),
            ),
            id="evidence of another order",
        ),
        pytest.param(
            "misfounded",
            lambda: audited(
                a_world("a"), a_decision("a", 1, evidence=_evidence(topic="created", offset=9))
            ),
            id="evidence beyond what was read",
        ),
    ],
)
def test_a_planted_fault_is_found(fault: str, plant: Callable[[], Audit]) -> None:
    found = plant()
    assert fault in kinds(found)
    with pytest.raises(AssertionError, match=fault):
        found.check()


def test_a_refused_record_without_a_dead_letter_is_lost() -> None:
    world = a_world()
    world.poisoned["status", 0, 7] = "a"
    assert kinds(audited(world)) == {"lost"}


def _evidence(topic: str, offset: int) -> dict[str, Any]:
    act = {
        "status": "start-handling",
        "occurred_at": ENTERED.isoformat(),
        "received_at": ENTERED.isoformat(),
        "topic": topic,
        "partition": 0,
        "offset": offset,
    }
    return {"acts": [act], "read_to": {"created": [9], "status": [9]}}
