"""An order with very many acts or changes is judged by a few of them, and judged the same.

The selection is the twin of the statements; ``test_model.py`` holds it against Postgres.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.statuses import STATUSES as TABLE
from schemas.statuses import Meaning
from tests.simulation.statements import STATEMENTS, Row
from worker.decide.cases import _acts, _change
from worker.decide.deadlines import ChangeLimits, Deadlines
from worker.domain.acts import EXTENDED, HELD, RELEASED, Act, Change, Place
from worker.domain.case import Case, Finding, Kind, Order, PriorDecision, Reason
from worker.domain.deadline import schedule
from worker.domain.decide import decide, find, remind
from worker.domain.policy import AtLapse, Facts, Policies, Policy

START = datetime(2026, 11, 22, tzinfo=UTC)
DUE = START + timedelta(seconds=5)
STATUSES = [
    "start-handling",
    "handling",
    "invoiced",
    "canceled",
    "dispute-opened",
    "dispute-resolved",
    "ready-for-handling",
    "request-cancel",
    "aceptado",
]
POLICIES = Policies.of(Policy("p", timedelta(hours=1), timedelta(0)))
LIMITS = ChangeLimits(timedelta(days=30), timedelta(days=30))
FACTS = Facts("s", "courier", None, None)
ORDER = Order("o", "s", "courier", START, DUE, "p", AtLapse.AUTO_CANCEL, Place("t", 0, 0), START,
              fires_at=DUE)  # fmt: skip
CANCELLED = PriorDecision(1, "id", Kind.AUTO_CANCEL, Reason.STOCK_NOT_VALIDATED, 1, DUE, DUE,
                          {"t": [0]})  # fmt: skip


class Table:
    """As a transaction of the model, with the rows of one table."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = [*rows]

    def scan(self, _: str) -> list[Row]:
        return self.rows


def ask(name: str, table: Table, *arguments: Any) -> list[Row]:
    try:
        next(STATEMENTS[name](table, *arguments))
    except StopIteration as end:
        found: list[Row] = end.value
        return found
    raise AssertionError("it locks nothing")


# Few times around the deadline, so that ties are the rule.
ACTS = st.lists(
    st.builds(
        lambda status, at, stock, form: (status, START + timedelta(seconds=at), stock, form),
        st.sampled_from(STATUSES), st.integers(3, 7),
        st.sampled_from([None, True, False]), st.sampled_from([None, True, False]),
    ),
    max_size=40,
)  # fmt: skip


def rows_of(acts: Sequence[Any]) -> list[Row]:
    return [
        Row(order_id="o", status=status, occurred_at=at, received_at=START, topic="t", partition=0,
            offset=offset, stock_ok=stock, form_complete=form,
            unknown=status not in TABLE, body="{}")
        for offset, (status, at, stock, form) in enumerate(acts)
    ]  # fmt: skip


def whole(acts: Sequence[Any]) -> tuple[Act, ...]:
    return tuple(
        Act(
            status,
            at,
            START,
            Place("t", 0, offset),
            stock,
            form,
            TABLE.get(status, Meaning.UNKNOWN),
        )
        for offset, (status, at, stock, form) in enumerate(acts)
    )


@settings(max_examples=1_000)
@given(ACTS, st.booleans())
# A cancellation with a complete form and one without at the same instant.
@example([("canceled", DUE, None, True), ("canceled", DUE, None, False)], False)
# Two validations at the same instant, and a dispute then.
@example([("handling", DUE, None, True), ("invoiced", DUE, False, None),
          ("dispute-opened", DUE, None, None)], True)  # fmt: skip
def test_the_selection_is_judged_as_all_acts_are(acts: Sequence[Any], decided: bool) -> None:
    rows = ask("abridged_acts", Table(rows_of(acts)), ["o"], [DUE], [*POLICIES.telling])
    chosen = _acts(rows, POLICIES)
    case = Case(ORDER, acts=whole(acts))
    if decided:
        case = case._replace(finding=Finding.SILENT, decided=1, standing=(CANCELLED,),
                             auto_cancels=(CANCELLED,))  # fmt: skip
    few = case._replace(acts=chosen)
    assert find(few) == find(case)
    for unconfirmed in (False, True):
        assert decide(few, unconfirmed=unconfirmed) == decide(case, unconfirmed=unconfirmed)
    assert remind(few, DUE, {DUE}) == remind(case, DUE, {DUE})
    # At most the first and the last of each kind on either side.
    assert len(chosen) <= len(STATUSES) * 9 * 4


CHANGES = st.lists(
    st.tuples(
        st.sampled_from([EXTENDED, HELD, RELEASED]), st.integers(0, 4), st.integers(3, 9)
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=500)
@given(CHANGES, st.integers(1, 4))
def test_changes_by_the_page_end_as_all_at_once(changes: Sequence[Any], page: int) -> None:
    table = Table(
        Row(order_id="o", kind=kind, occurred_at=START + timedelta(seconds=at), received_at=START,
            due=START + timedelta(seconds=due) if kind == EXTENDED else None, topic="t",
            partition=0, offset=offset, counted=None)
        for offset, (kind, at, due) in enumerate(changes)
    )  # fmt: skip
    every: list[Change] = [_change(row.but(counted=False)) for row in table.rows]
    valid = [c for c in every if c.kind != EXTENDED or (c.due or DUE) > DUE]
    expected = schedule(DUE, START, valid)
    order, first = ORDER, True
    while first or any(row["counted"] is None for row in table.rows):
        found = ask("abridged_changes", table, ["o"], [order.first_due or order.due], page)
        sweep = Deadlines(POLICIES, LIMITS, [], START)
        settled = sweep.settle(Case(order, changes=tuple(map(_change, found))), FACTS)
        # Whatever is left for later: the deadline is that of all changes from the first page on.
        for _, planned, _ in sweep._moved:
            assert planned == expected
            order = order._replace(due=planned.due, first_due=order.first_due or order.due)
        assert order.due == expected.due
        assert (settled.judgement is not None) >= expected.held
        judged = {c.place.offset: True for _, c in sweep._counted}
        judged |= {c.place.offset: False for _, c, _, _ in sweep._refused}
        for row in table.rows:
            row["counted"] = judged.get(row["offset"], row["counted"])
        first = False
    counted = [row["offset"] for row in table.rows if row["counted"]]
    assert counted == [change.place.offset for change in valid]
