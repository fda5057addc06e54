"""Decisions as events on the wire."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from schemas.decisions import AutoCancel, DecisionRevoked, Escalation
from schemas.statuses import STATUSES
from worker.domain.acts import Act, Place, RefusedRecord
from worker.domain.case import Case, Order, PriorDecision
from worker.domain.decide import decide
from worker.domain.policy import AtLapse
from worker.freshness.evidence import Reading
from worker.outbox.events import MOST_ACTS, Event, events, published_value, wire_time

ENTERED = datetime(2026, 11, 22, 15, tzinfo=UTC)
DUE = ENTERED + timedelta(hours=24)
NOW = DUE + timedelta(seconds=31)
READING = Reading({("orders", 0): 7, ("status", 0): 3, ("status", 2): 9}, None)
MODELS = {"auto-cancel": AutoCancel, "escalation": Escalation, "decision-revoked": DecisionRevoked}

CASE = Case(
    Order(
        order_id="v1-01",
        seller_id="s-1",
        fulfilment="courier",
        entered_at=ENTERED,
        due=DUE,
        policy="default",
        at_lapse=AtLapse.AUTO_CANCEL,
        place=Place("orders", 0, 6),
        received_at=ENTERED,
    )
)


def act(status: str, at: datetime, offset: int = 0) -> Act:
    return Act(status, at, at, Place("status", 2, offset), meaning=STATUSES[status])


def emitted(case: Case) -> list[Event]:
    return list(events(case, decide(case).decisions, READING, NOW))


def revoked() -> Case:
    (cancel,) = emitted(CASE)
    judged = decide(CASE)

    given = PriorDecision(
        1, str(cancel.id), judged.decisions[0].kind, judged.decisions[0].reason, 41,
        NOW, DUE, {},
    )  # fmt: skip
    acts = (act("start-handling", DUE - timedelta(hours=1)),)
    return CASE._replace(acts=acts, finding=judged.finding, decided=1, standing=(given,))


REFUSED = CASE._replace(refusals=(RefusedRecord(Place("status", 0, 2), NOW, "not-json"),))


@pytest.mark.parametrize("case", [CASE, REFUSED, revoked()], ids=["cancel", "refused", "revoked"])
def test_an_event_is_what_the_schema_says(case: Case) -> None:
    (event,) = emitted(case)
    MODELS[event.kind].model_validate_json(event.value)


def test_the_same_verdict_has_the_same_id_whenever_it_is_made() -> None:
    (first,) = emitted(CASE)
    (again,) = events(CASE, decide(CASE).decisions, READING, NOW + timedelta(days=1))
    assert first.id == again.id
    other = CASE._replace(order=CASE.order._replace(order_id="v1-02"))
    assert emitted(other)[0].id != first.id


def test_a_revocation_names_what_it_revokes() -> None:
    (cancel,) = emitted(CASE)
    (event,) = emitted(revoked())
    revokes = json.loads(event.value)["revokes"]
    assert revokes["id"] == str(cancel.id)
    assert revokes["sequence"] == 41
    assert revokes["type"] == "marketplace.order.auto-cancel.v1"


def test_how_far_each_input_was_read_is_stated_by_partition() -> None:
    (event,) = emitted(CASE)
    # A partition that nobody has read yet is at 0.
    assert json.loads(event.value)["evidence"]["read_to"] == {"orders": [7], "status": [3, 0, 9]}


def test_an_order_with_ever_so_many_acts_fits_a_record() -> None:
    acts = tuple(
        act("dispute-opened", ENTERED + timedelta(seconds=n), offset=n) for n in range(50_000)
    )
    (event,) = emitted(CASE._replace(acts=acts))
    evidence = json.loads(event.value)["evidence"]
    assert len(event.value) < 100_000
    assert len(evidence["acts"]) == MOST_ACTS
    assert evidence["omitted"] == 50_001 - MOST_ACTS
    assert evidence["acts"][0]["status"] == "order-created"
    assert evidence["acts"][-1]["offset"] == 49_999
    Escalation.model_validate_json(event.value)


def test_times_always_have_six_digits() -> None:
    """Fixed patterns, as of SQL engines, take no time that is shorter at a whole second."""
    (event,) = emitted(revoked())
    value = json.loads(event.value)
    act = value["evidence"]["acts"][0]
    for time in (value["entered_at"], value["due"], value["decided_at"], act["occurred_at"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time)
    assert value["entered_at"] == "2026-11-22T15:00:00.000000Z"


@pytest.mark.parametrize("microsecond", [0, 1, 1_000, 123_456, 999_999])
@pytest.mark.parametrize("year", [1, 999, 1970, 2026, 9999])
def test_a_time_is_that_of_the_standard_library(year: int, microsecond: int) -> None:
    moment = ENTERED.replace(year=year, microsecond=microsecond)
    told = wire_time(moment).decode()
    assert told == moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def test_a_published_value_tells_its_id_type_and_sequence() -> None:
    (event,) = emitted(CASE)
    value = published_value(
        event.value, str(event.id).encode(), b"marketplace.order.auto-cancel.v1", 2**40
    )
    told = AutoCancel.model_validate_json(value)
    assert told.id == str(event.id)
    assert told.type == "marketplace.order.auto-cancel.v1"
    assert told.sequence == 2**40
    assert json.loads(value).items() >= json.loads(event.value).items()
