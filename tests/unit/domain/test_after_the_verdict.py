"""The second table of the rule: what arrives after the verdict, and its effect."""

from datetime import timedelta

import pytest

from worker.domain.acts import Act
from worker.domain.case import Kind, Outcome, Reason
from worker.domain.policy import AtLapse

from .words import (
    A_PERSON_DECIDES,
    AUTO_CANCEL,
    CONTRADICTORY,
    DISPUTE_OPEN,
    EARLY,
    ENTERED,
    IN_TIME,
    INCOMPLETE,
    LATE,
    LATE_DISPUTE,
    LATE_HANDLING,
    LATER,
    LATER_STILL,
    UNKNOWN_STATUS,
    UNREADABLE,
    WINDOW,
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


class TestLateEvidenceRevokesAnAutoCancel:
    @pytest.mark.parametrize(
        ("evidence", "outcome", "follows"),
        [
            pytest.param(handled(), Outcome.KEPT, [], id="handled"),
            pytest.param(act("invoiced"), Outcome.KEPT, [], id="invoiced"),
            pytest.param(
                handled(stock_ok=False), Outcome.ESCALATED, [WITHOUT_STOCK], id="without stock"
            ),
            pytest.param(disputed(), Outcome.ESCALATED, [DISPUTE_OPEN], id="disputed"),
        ],
    )
    def test_and_the_verdict_that_follows_is_told(
        self, evidence: Act, outcome: Outcome, follows: list[str]
    ) -> None:
        story = lapsed()

        judgement = story.then(evidence)

        assert judgement.outcome == outcome
        assert story.told == [AUTO_CANCEL, "revoked #1", *follows]
        assert story.standing == follows

    def test_the_revocation_names_what_it_revokes_and_why(self) -> None:
        story = lapsed()
        (given,) = story.case.standing

        (revocation,) = story.then(handled()).decisions

        assert revocation.kind == Kind.REVOKED
        assert revocation.reason == Reason.LATE_EVIDENCE
        assert revocation.revokes == given
        assert revocation.ordinal == 2

    def test_told_again_it_revokes_nothing_more(self) -> None:
        story = lapsed()
        evidence = handled()
        story.then(evidence)
        story.then(repeat(evidence))
        story.then(repeat(evidence), act("handling"))
        assert story.told == [AUTO_CANCEL, "revoked #1"]

    def test_its_follow_ups_go_with_it(self) -> None:
        story = lapsed()
        story.then(handled(LATE))
        story.then(handled())
        assert story.told == [AUTO_CANCEL, LATE_HANDLING, "revoked #1", "revoked #2"]
        assert story.standing == []

    def test_a_late_dispute_outlives_it(self) -> None:
        story = lapsed()
        story.then(disputed(LATE))
        story.then(handled(LATER_STILL))
        story.then(handled())
        assert story.told == [
            AUTO_CANCEL,
            LATE_DISPUTE,
            LATE_HANDLING,
            "revoked #1",
            "revoked #3",
        ]
        assert story.standing == [LATE_DISPUTE]

    def test_evidence_and_late_acts_in_one_batch(self) -> None:
        story = lapsed()
        story.then(handled(LATE), handled(), disputed(LATE))
        assert story.told == [AUTO_CANCEL, "revoked #1", LATE_DISPUTE]


class TestLateEvidenceAgainstOtherVerdicts:
    @pytest.mark.parametrize(
        ("story", "first"),
        [
            pytest.param(lambda: Story(a_refused_record()), UNREADABLE, id="unreadable"),
            pytest.param(
                lambda: Story(evidence_since=ENTERED + LATER), INCOMPLETE, id="incomplete"
            ),
            pytest.param(
                lambda: Story(order=an_order(AtLapse.ESCALATE)), A_PERSON_DECIDES, id="policy"
            ),
            pytest.param(lambda: Story(disputed(EARLY)), DISPUTE_OPEN, id="dispute open"),
            pytest.param(
                lambda: Story(handled(EARLY, stock_ok=False)), WITHOUT_STOCK, id="without stock"
            ),
        ],
    )
    def test_cancelled_in_time_revokes_every_escalation(self, story: object, first: str) -> None:
        told = story()  # type: ignore[operator]
        told.lapses()
        told.then(cancelled())
        assert told.told == [first, "revoked #1"]

    def test_an_open_dispute_is_resolved(self) -> None:
        story = lapsed(handled(EARLY), disputed(LATER))
        story.then(resolved())
        assert story.told == [DISPUTE_OPEN, "revoked #1"]

    def test_a_bad_report_is_followed_by_a_dispute(self) -> None:
        story = lapsed(handled(EARLY, stock_ok=False))
        story.then(disputed())
        assert story.told == [WITHOUT_STOCK, "revoked #1", DISPUTE_OPEN]

    def test_a_bad_report_is_taken_back(self) -> None:
        story = lapsed(handled(EARLY, stock_ok=False))
        story.then(handled(stock_ok=True))
        assert story.told == [WITHOUT_STOCK, "revoked #1"]

    def test_a_kept_order_turns_out_to_lack_stock(self) -> None:
        story = lapsed(handled(EARLY))
        story.then(handled(stock_ok=False))
        assert story.told == [WITHOUT_STOCK]

    def test_a_kept_order_turns_out_to_be_disputed(self) -> None:
        story = lapsed(handled(EARLY))
        story.then(disputed())
        assert story.told == [DISPUTE_OPEN]

    def test_evidence_that_changes_no_verdict_says_nothing(self) -> None:
        story = lapsed(handled(EARLY))
        story.then(cancelled())
        story.then(cancelled(EARLY, form_complete=False))
        assert story.told == []

    def test_it_may_turn_more_than_once(self) -> None:
        story = lapsed()
        story.then(disputed(LATER))
        story.then(resolved())
        story.then(handled(EARLY))
        assert story.told == [
            AUTO_CANCEL,
            "revoked #1",
            DISPUTE_OPEN,
            "revoked #3",
        ]
        assert story.standing == []

    def test_a_cancellation_in_time_contradicts_late_handling(self) -> None:
        story = lapsed(handled(LATE))
        story.then(cancelled())
        assert story.told == [LATE_HANDLING, "revoked #1", CONTRADICTORY]


class TestOurOwnCancellation:
    @pytest.mark.parametrize("after", [EARLY, IN_TIME, WINDOW, LATE])
    def test_confirms_our_auto_cancel_whatever_its_stamp(self, after: timedelta) -> None:
        story = lapsed()
        assert story.then(cancelled(after)).outcome == Outcome.AUTO_CANCELLED
        assert story.told == [AUTO_CANCEL]

    def test_the_sellers_form_tells_that_the_seller_had_cancelled_in_time(self) -> None:
        story = lapsed()
        confirmed = story.then(cancelled(form_complete=True))
        assert (confirmed.outcome, story.told) == (Outcome.CANCELLED_BY_SELLER, [AUTO_CANCEL])

    def test_is_no_evidence_either_when_the_auto_cancel_is_revoked(self) -> None:
        story = lapsed()
        story.then(cancelled(IN_TIME))
        story.then(handled(EARLY))
        assert story.told == [AUTO_CANCEL, "revoked #1"]
        assert story.then(repeat(handled(EARLY))).decisions == ()

    def test_an_obscure_status_asks_a_person_and_revokes_nothing(self) -> None:
        story = lapsed()
        story.then(act("aceptado"))
        story.then(act("aceptado"))
        assert story.told == [AUTO_CANCEL, UNKNOWN_STATUS]


class TestLateHandling:
    def test_after_an_auto_cancel_is_escalated_beside_it(self) -> None:
        story = lapsed()
        assert story.then(handled(LATE)).outcome == Outcome.AUTO_CANCELLED
        assert story.standing == [AUTO_CANCEL, LATE_HANDLING]

    def test_is_escalated_once(self) -> None:
        story = lapsed()
        late = handled(LATE)
        story.then(late)
        story.then(repeat(late))
        story.then(act("invoiced", LATER_STILL))
        assert story.told == [AUTO_CANCEL, LATE_HANDLING]

    @pytest.mark.parametrize(
        ("known", "told"),
        [
            pytest.param([handled()], [], id="kept"),
            pytest.param([cancelled()], [CONTRADICTORY], id="cancelled"),
            pytest.param([cancelled(LATE)], [CONTRADICTORY], id="cancelled late"),
            pytest.param([handled(LATE)], [LATE_HANDLING], id="handled late before"),
            pytest.param([disputed()], [DISPUTE_OPEN], id="dispute open"),
            pytest.param([handled(stock_ok=False)], [WITHOUT_STOCK], id="without stock"),
        ],
    )
    def test_without_an_auto_cancel_is_told_only_if_it_contradicts(
        self, known: list[Act], told: list[str]
    ) -> None:
        story = lapsed(*known)
        story.then(handled(LATER_STILL))
        assert story.told == told

    def test_after_an_unreadable_record_says_nothing(self) -> None:
        story = lapsed(a_refused_record())
        story.then(handled(LATE))
        assert story.told == [UNREADABLE]


class TestLateDispute:
    @pytest.mark.parametrize(
        ("known", "told"),
        [
            pytest.param([], [AUTO_CANCEL], id="auto-cancelled"),
            pytest.param([handled()], [], id="kept"),
            pytest.param([cancelled()], [], id="cancelled"),
            pytest.param([handled(LATE)], [LATE_HANDLING], id="handled late"),
            pytest.param([disputed()], [DISPUTE_OPEN], id="disputed already"),
        ],
    )
    def test_is_escalated_whatever_the_verdict(self, known: list[Act], told: list[str]) -> None:
        story = lapsed(*known)
        story.then(disputed(LATER_STILL))
        assert story.told == [*told, LATE_DISPUTE]

    def test_is_escalated_once(self) -> None:
        story = lapsed()
        story.then(disputed(LATE))
        story.then(disputed(LATER_STILL))
        assert story.told == [AUTO_CANCEL, LATE_DISPUTE]

    def test_its_resolution_says_nothing(self) -> None:
        story = lapsed(handled())
        story.then(disputed(LATE))
        story.then(resolved(LATER_STILL))
        assert story.told == [LATE_DISPUTE]


class TestLateCancellation:
    def test_confirms_our_auto_cancel(self) -> None:
        story = lapsed()
        assert story.then(cancelled(LATE)).outcome == Outcome.AUTO_CANCELLED
        assert story.told == [AUTO_CANCEL]

    @pytest.mark.parametrize(
        ("known", "told"),
        [
            pytest.param([handled()], [], id="kept"),
            pytest.param([handled(LATE)], [LATE_HANDLING], id="handled late"),
            pytest.param([handled(stock_ok=False)], [WITHOUT_STOCK], id="without stock"),
            pytest.param([disputed()], [DISPUTE_OPEN], id="dispute open"),
        ],
    )
    def test_takes_nothing_back(self, known: list[Act], told: list[str]) -> None:
        story = lapsed(*known)
        story.then(cancelled(LATER_STILL))
        assert story.told == told
        assert story.standing == told


def test_a_record_refused_after_the_verdict_changes_nothing() -> None:
    story = lapsed()
    story.then(a_refused_record())
    assert story.told == [AUTO_CANCEL]


def test_late_acts_in_one_batch_are_each_told_once() -> None:
    story = lapsed()
    story.then(handled(LATE), disputed(LATE), cancelled(LATER_STILL), act("staging", IN_TIME))
    assert story.told == [AUTO_CANCEL, LATE_HANDLING, LATE_DISPUTE]


@pytest.mark.parametrize(
    ("said", "told"),
    [(cancelled(IN_TIME), []), (act("aceptado", IN_TIME), [UNKNOWN_STATUS])],
)
def test_an_act_after_an_auto_cancel_that_the_deadline_has_left_behind_counts(
    said: Act, told: list[str]
) -> None:
    """It was taken back for a later deadline, so that nobody carries it out any more."""
    story = lapsed()
    (given,) = story.case.auto_cancels
    later = story.case.order._replace(due=story.case.order.due + timedelta(hours=6))
    story.case = story.case._replace(
        order=later, finding=None, standing=(), auto_cancels=(given._replace(revoked=True),)
    )
    story.now += timedelta(hours=6)
    story._learn([said._replace(place=said.place._replace(offset=1_000_000))])
    judgement = story.lapses()
    assert [f"{one.kind} {one.reason}" for one in judgement.decisions] == told
