"""The first table of the rule: what is known at the deadline, and the verdict."""

from datetime import timedelta

import pytest

from worker.domain.acts import Act, RefusedRecord
from worker.domain.case import Kind, Outcome, Reason
from worker.domain.decide import decide
from worker.domain.policy import AtLapse

from .words import (
    A_PERSON_DECIDES,
    AUTO_CANCEL,
    CONTRADICTORY,
    DISPUTE_OPEN,
    DUE,
    EARLY,
    ENTERED,
    IN_TIME,
    INCOMPLETE,
    LATE,
    LATE_DISPUTE,
    LATE_HANDLING,
    LATER,
    LATER_STILL,
    TICK,
    UNKNOWN_STATUS,
    UNREADABLE,
    WITHOUT_STOCK,
    Story,
    a_refused_record,
    act,
    an_order,
    cancelled,
    disputed,
    handled,
    lapsed,
    repeat,
    resolved,
)

PERSON = AtLapse.ESCALATE


def row(name: str, known: list[Act | RefusedRecord], outcome: Outcome, *told: str) -> object:
    return pytest.param(known, outcome, list(told), id=name)


@pytest.mark.parametrize(
    ("known", "outcome", "told"),
    [
        row("handled in time: kept", [handled()], Outcome.KEPT),
        row("handled, all confirmed: kept", [handled(stock_ok=True)], Outcome.KEPT),
        row("cancelled, complete form", [cancelled(form_complete=True)], Outcome.CANCELLED),
        row("cancelled without a form, as by the customer", [cancelled()], Outcome.CANCELLED),
        row(
            "cancelled, fields missing",
            [cancelled(form_complete=False)],
            Outcome.CANCELLED_INCOMPLETE,
        ),
        row("cancelled after handling", [handled(EARLY), cancelled()], Outcome.CANCELLED),
        row("nothing", [], Outcome.AUTO_CANCELLED, AUTO_CANCEL),
        row(
            "handled without stock",
            [handled(stock_ok=False)],
            Outcome.ESCALATED,
            WITHOUT_STOCK,
        ),
        row(
            "handled without stock, then cancelled",
            [handled(EARLY, stock_ok=False), cancelled()],
            Outcome.CANCELLED,
        ),
        row(
            "handled without stock, then a dispute, still open",
            [handled(EARLY, stock_ok=False), disputed()],
            Outcome.ESCALATED,
            DISPUTE_OPEN,
        ),
        row(
            "handled without stock, then a dispute, resolved",
            [handled(EARLY, stock_ok=False), disputed(LATER), resolved()],
            Outcome.KEPT,
        ),
        row(
            "a dispute before the bad report did not follow it",
            [disputed(EARLY), resolved(LATER), handled(stock_ok=False)],
            Outcome.ESCALATED,
            WITHOUT_STOCK,
        ),
        row("dispute open", [handled(EARLY), disputed()], Outcome.ESCALATED, DISPUTE_OPEN),
        row("dispute open, never handled", [disputed()], Outcome.ESCALATED, DISPUTE_OPEN),
        row(
            "dispute resolved, handled", [handled(EARLY), disputed(LATER), resolved()], Outcome.KEPT
        ),
        row(
            "dispute reopened",
            [handled(EARLY), disputed(EARLY), resolved(LATER), disputed()],
            Outcome.ESCALATED,
            DISPUTE_OPEN,
        ),
        row(
            "dispute resolved only after the deadline was open at it",
            [handled(EARLY), disputed(), resolved(LATE)],
            Outcome.ESCALATED,
            DISPUTE_OPEN,
        ),
        row("unreadable record only", [a_refused_record()], Outcome.ESCALATED, UNREADABLE),
        row("handled only after due", [handled(LATE)], Outcome.ESCALATED, LATE_HANDLING),
        row("cancelled only after due", [cancelled(LATE)], Outcome.CANCELLED_LATE),
    ],
)
def test_what_is_known_at_the_deadline_gives_the_verdict(
    known: list[Act | RefusedRecord], outcome: Outcome, told: list[str]
) -> None:
    story = Story(*known)

    judgement = story.lapses()

    assert judgement.outcome == outcome
    assert story.told == told


@pytest.mark.parametrize("fulfilment", ["courier", "dropshipping"])
def test_courier_and_dropshipping_follow_the_same_rule(fulfilment: str) -> None:
    assert lapsed(order=an_order(fulfilment=fulfilment)).told == [AUTO_CANCEL]
    assert lapsed(handled(), order=an_order(fulfilment=fulfilment)).told == []


def test_the_first_decision_of_an_order_has_ordinal_one_and_revokes_nothing() -> None:
    (decision,) = decide(Story().case).decisions

    assert (decision.ordinal, decision.kind, decision.reason, decision.revokes) == (
        1,
        Kind.AUTO_CANCEL,
        Reason.STOCK_NOT_VALIDATED,
        None,
    )


class TestTheInstantOf24Hours:
    BOUNDARY = (
        pytest.param(timedelta(hours=24) - TICK, True, id="23:59:59.999999"),
        pytest.param(timedelta(hours=24), True, id="24:00:00"),
        pytest.param(timedelta(hours=24) + TICK, False, id="24:00:00.000001"),
    )

    @pytest.mark.parametrize(("after", "in_time"), BOUNDARY)
    def test_handling(self, after: timedelta, in_time: bool) -> None:
        assert lapsed(handled(after)).told == ([] if in_time else [LATE_HANDLING])

    @pytest.mark.parametrize(("after", "in_time"), BOUNDARY)
    def test_cancellation(self, after: timedelta, in_time: bool) -> None:
        story = Story(cancelled(after))
        expected = Outcome.CANCELLED if in_time else Outcome.CANCELLED_LATE
        assert story.lapses().outcome == expected
        assert story.told == []

    @pytest.mark.parametrize(("after", "in_time"), BOUNDARY)
    def test_dispute(self, after: timedelta, in_time: bool) -> None:
        expected = [DISPUTE_OPEN] if in_time else [LATE_DISPUTE]
        assert lapsed(handled(), disputed(after)).told == expected

    @pytest.mark.parametrize(("after", "in_time"), BOUNDARY)
    def test_resolution(self, after: timedelta, in_time: bool) -> None:
        expected = [] if in_time else [DISPUTE_OPEN]
        assert lapsed(handled(), disputed(), resolved(after)).told == expected

    @pytest.mark.parametrize(("after", "in_time"), BOUNDARY)
    def test_a_report_of_missing_stock(self, after: timedelta, in_time: bool) -> None:
        expected = [WITHOUT_STOCK] if in_time else []
        assert lapsed(handled(), handled(after, stock_ok=False)).told == expected


@pytest.mark.parametrize(
    "status", ["start-handling", "handling", "ready-for-invoicing", "invoice", "invoiced"]
)
class TestEveryStatusThatImpliesHandling:
    def test_in_time_keeps_the_order(self, status: str) -> None:
        assert lapsed(act(status)).told == []

    def test_after_the_deadline_it_can_no_longer_be_cancelled(self, status: str) -> None:
        assert lapsed(act(status, LATE)).told == [LATE_HANDLING]

    def test_after_an_auto_cancel_it_is_escalated(self, status: str) -> None:
        story = lapsed()
        story.then(act(status, LATE))
        assert story.told == [AUTO_CANCEL, LATE_HANDLING]

    def test_its_validation_counts(self, status: str) -> None:
        assert lapsed(act(status, stock_ok=False)).told == [WITHOUT_STOCK]


@pytest.mark.parametrize(
    "status",
    [
        "ready-for-handling",
        "cancellation-requested",
        "payment-approved",
        "order-created",
    ],
)
class TestStatusesThatDecideNothing:
    def test_a_silent_order_stays_silent(self, status: str) -> None:
        assert lapsed(act(status)).told == [AUTO_CANCEL]

    def test_a_kept_order_stays_kept(self, status: str) -> None:
        assert lapsed(handled(EARLY), act(status)).told == []

    def test_a_report_on_it_is_no_report(self, status: str) -> None:
        assert lapsed(handled(EARLY), act(status, stock_ok=False)).told == []

    def test_after_the_verdict_it_changes_nothing(self, status: str) -> None:
        story = lapsed()
        story.then(act(status, IN_TIME), act(status, LATE))
        assert story.told == [AUTO_CANCEL]


class TestReportsOfStock:
    def test_the_last_report_counts(self) -> None:
        assert lapsed(handled(EARLY, stock_ok=False), handled(stock_ok=True)).told == []
        assert lapsed(handled(EARLY, stock_ok=True), handled(stock_ok=False)).told == [
            WITHOUT_STOCK
        ]

    def test_of_two_reports_at_one_instant_the_worse_counts(self) -> None:
        good, bad = handled(stock_ok=True), handled(stock_ok=False)
        assert lapsed(good, bad).told == lapsed(bad, good).told == [WITHOUT_STOCK]

    def test_a_later_status_without_a_report_does_not_heal_a_bad_one(self) -> None:
        assert lapsed(handled(EARLY, stock_ok=False), act("invoiced")).told == [WITHOUT_STOCK]

    def test_a_dispute_at_the_instant_of_the_bad_report_followed_it(self) -> None:
        bad = handled(EARLY, stock_ok=False)
        assert lapsed(bad, disputed(EARLY), resolved(LATER)).told == []

    def test_a_dispute_after_the_deadline_does_not_replace_one_in_time(self) -> None:
        story = lapsed(handled(stock_ok=False), disputed(LATE))
        assert story.told == [WITHOUT_STOCK, LATE_DISPUTE]


class TestTies:
    def test_opened_and_resolved_at_one_instant_is_resolved(self) -> None:
        opened, closed = disputed(IN_TIME), resolved(IN_TIME)
        assert lapsed(handled(EARLY), opened, closed).told == []
        assert lapsed(handled(EARLY), closed, opened).told == []

    def test_cancelled_twice_at_one_instant_is_judged_alike_in_either_order(self) -> None:
        complete, lacking = cancelled(form_complete=True), cancelled(form_complete=False)
        one, other = Story(complete, lacking), Story(lacking, complete)
        assert one.lapses() == other.lapses()


class TestWhatShieldsAnOrderFromAutoCancel:
    def test_a_refused_record_beside_readable_acts_changes_nothing(self) -> None:
        assert lapsed(handled(), a_refused_record()).told == []
        assert lapsed(cancelled(), a_refused_record()).told == []
        assert lapsed(disputed(), a_refused_record()).told == [DISPUTE_OPEN]

    def test_a_refused_record_beside_an_unknown_status(self) -> None:
        assert lapsed(act("ready-for-handling"), a_refused_record()).told == [UNREADABLE]

    def test_many_refused_records_give_one_escalation(self) -> None:
        assert lapsed(*[a_refused_record() for _ in range(5)]).told == [UNREADABLE]

    def test_logs_that_begin_after_the_order_entered(self) -> None:
        assert lapsed(evidence_since=ENTERED + TICK).told == [INCOMPLETE]

    @pytest.mark.parametrize("since", [None, ENTERED - TICK, ENTERED])
    def test_logs_that_reach_back_to_its_entry(self, since: object) -> None:
        assert lapsed(evidence_since=since).told == [AUTO_CANCEL]  # type: ignore[arg-type]

    def test_logs_that_begin_after_due(self) -> None:
        assert lapsed(evidence_since=DUE + LATE).told == [INCOMPLETE]

    @pytest.mark.parametrize(
        ("known", "told"),
        [
            pytest.param([handled()], [], id="handled"),
            pytest.param([cancelled()], [], id="cancelled"),
            pytest.param([handled(stock_ok=False)], [WITHOUT_STOCK], id="without stock"),
            pytest.param([disputed()], [DISPUTE_OPEN], id="disputed"),
            pytest.param([handled(LATE)], [LATE_HANDLING], id="handled late"),
            pytest.param([cancelled(LATE)], [], id="cancelled late"),
        ],
    )
    def test_short_logs_do_not_touch_an_order_that_spoke(
        self, known: list[Act], told: list[str]
    ) -> None:
        assert lapsed(*known, evidence_since=ENTERED + LATER).told == told

    def test_a_person_decides(self) -> None:
        assert lapsed(order=an_order(PERSON)).told == [A_PERSON_DECIDES]

    @pytest.mark.parametrize("known", [[handled()], [cancelled()]])
    def test_no_person_is_asked_about_an_order_that_is_settled(self, known: list[Act]) -> None:
        assert lapsed(*known, order=an_order(PERSON)).told == []


class TestPrecedence:
    """Where several rows apply, the one that knows most of the order speaks."""

    def test_cancelled_in_time_closes_whatever_else_happened(self) -> None:
        known: list[Act | RefusedRecord] = [
            handled(EARLY, stock_ok=False),
            disputed(LATER),
            cancelled(),
            cancelled(LATE),
            a_refused_record(),
        ]
        story = Story(*known, order=an_order(PERSON), evidence_since=ENTERED + LATER)
        assert story.lapses().outcome == Outcome.CANCELLED
        assert story.told == []

    def test_an_open_dispute_comes_before_missing_stock(self) -> None:
        assert lapsed(handled(EARLY, stock_ok=False), disputed()).told == [DISPUTE_OPEN]

    def test_a_dispute_open_at_due_is_told_even_if_the_order_was_cancelled_late(self) -> None:
        assert lapsed(handled(EARLY), disputed(), cancelled(LATE)).told == [DISPUTE_OPEN]

    def test_late_cancellation_settles_missing_stock(self) -> None:
        story = Story(handled(stock_ok=False), cancelled(LATE))
        assert story.lapses().outcome == Outcome.CANCELLED_LATE
        assert story.told == []

    def test_late_cancellation_comes_before_late_handling(self) -> None:
        assert lapsed(handled(LATE), cancelled(LATER_STILL)).told == []

    def test_handling_after_a_cancellation_contradicts_it(self) -> None:
        assert lapsed(cancelled(LATE), handled(LATER_STILL)).told == [CONTRADICTORY]
        assert lapsed(cancelled(), handled(LATE)).told == [CONTRADICTORY]
        assert lapsed(cancelled(EARLY), handled()).told == [CONTRADICTORY]
        assert lapsed(handled(EARLY), cancelled()).told == []
        assert lapsed(handled(), cancelled()).told == []  # at one instant

    def test_a_cancellation_from_before_the_order_is_none_of_it(self) -> None:
        assert lapsed(cancelled(-TICK)).told == [AUTO_CANCEL]
        assert lapsed(cancelled(timedelta(0))).told == []

    @pytest.mark.parametrize("status", ["aceptado", "request-cancel", "received"])
    def test_a_status_that_says_something_unclear_goes_to_a_person(self, status: str) -> None:
        assert lapsed(act(status)).told == [UNKNOWN_STATUS]
        assert lapsed(act(status), handled()).told == []
        assert lapsed(act(status, LATE)).told == [AUTO_CANCEL]

    def test_late_handling_comes_before_an_unreadable_record(self) -> None:
        assert lapsed(handled(LATE), a_refused_record()).told == [LATE_HANDLING]

    def test_late_handling_comes_before_policy(self) -> None:
        assert lapsed(handled(LATE), order=an_order(PERSON)).told == [LATE_HANDLING]

    def test_unreadable_comes_before_incomplete_and_policy(self) -> None:
        story = lapsed(a_refused_record(), order=an_order(PERSON), evidence_since=ENTERED + LATER)
        assert story.told == [UNREADABLE]

    def test_incomplete_comes_before_policy(self) -> None:
        assert lapsed(order=an_order(PERSON), evidence_since=ENTERED + LATER).told == [INCOMPLETE]

    def test_late_dispute_of_a_silent_order_shows_late_handling(self) -> None:
        assert lapsed(disputed(LATE)).told == [LATE_HANDLING, LATE_DISPUTE]

    def test_a_dispute_that_is_resolved_shows_handling(self) -> None:
        assert lapsed(disputed(EARLY), resolved()).told == []

    def test_late_dispute_of_a_kept_order(self) -> None:
        assert lapsed(handled(), disputed(LATE)).told == [LATE_DISPUTE]

    def test_late_dispute_of_an_order_handled_late(self) -> None:
        assert lapsed(handled(LATE), disputed(LATER_STILL)).told == [LATE_HANDLING, LATE_DISPUTE]


class TestRepeats:
    @pytest.mark.parametrize(
        "told_twice",
        [
            pytest.param(handled(), id="handled"),
            pytest.param(handled(stock_ok=False), id="without stock"),
            pytest.param(cancelled(form_complete=False), id="cancelled"),
            pytest.param(disputed(), id="disputed"),
            pytest.param(handled(LATE), id="handled late"),
            pytest.param(disputed(LATE), id="disputed late"),
        ],
    )
    def test_an_act_told_twice_counts_once(self, told_twice: Act) -> None:
        once, twice = Story(told_twice), Story(told_twice, repeat(told_twice))
        assert once.lapses() == twice.lapses()

    def test_judging_twice_says_nothing_new(self) -> None:
        story = lapsed(disputed(LATE))
        story.lapses()
        assert story.told == [LATE_HANDLING, LATE_DISPUTE]
