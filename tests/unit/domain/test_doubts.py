"""Doubts: a silent order with any of them goes to a person, and the gravest one is told."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import combinations, count

import pytest

from worker.domain.acts import Act, Place
from worker.domain.case import Limits, Outcome, Reason, Version
from worker.domain.decide import watch
from worker.domain.policy import AtLapse, Policy

from .words import (
    A_PERSON_DECIDES,
    AUTO_CANCEL,
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
    WINDOW,
    WITHOUT_STOCK,
    Story,
    a_refused_record,
    act,
    an_order,
    cancelled,
    disputed,
    handled,
    resolved,
)

CONFLICTING = "escalation conflicting-orders"
ENTERED_LATE = "escalation entered-late"
FACTS_MISSING = "escalation facts-missing"
HOLD_EXPIRED = "escalation hold-expired"
BEFORE_ADOPTION = "escalation before-adoption"

_offsets = count(1_000_000)


def version(
    seller_id: str | None = "s-123", at_lapse: AtLapse = AtLapse.AUTO_CANCEL, offset: int = 0
) -> Version:
    """The order told otherwise; an ``offset`` of 0 was known at every verdict."""
    policy = Policy("other", WINDOW, timedelta(0), at_lapse)
    return Version(Place("created", 0, offset), ENTERED, seller_id, ENTERED, policy, DUE)


# Whatever the policy of an order wants, one of these wants otherwise.
OTHERWISE = version(at_lapse=AtLapse.ESCALATE), version(at_lapse=AtLapse.NONE)


def with_order(story: Story, **terms: object) -> None:
    story.case = story.case._replace(order=story.case.order._replace(**terms))  # type: ignore[arg-type]


def with_case(story: Story, **facts: object) -> None:
    story.case = story.case._replace(**facts)  # type: ignore[arg-type]


def with_limits(story: Story, **limits: object) -> None:
    story.limits = story.limits._replace(**limits)  # type: ignore[arg-type]


def with_acts(story: Story, *acts: Act) -> None:
    with_case(story, acts=story.case.acts + acts)


Doubt = tuple[str, Callable[[Story], None]]

# The gravest first; those of one row are told alike.
DOUBTS: list[list[Doubt]] = [
    [
        (UNREADABLE, lambda s: with_case(s, refusals=(a_refused_record(),))),
        (UNREADABLE, lambda s: with_case(s, has_namesake=True)),
        (UNREADABLE, lambda s: with_limits(s, astray_at=ENTERED)),
    ],
    [(INCOMPLETE, lambda s: with_limits(s, evidence_since=ENTERED + TICK))],
    [
        (UNKNOWN_STATUS, lambda s: with_acts(s, act("aceptado"))),
        (UNKNOWN_STATUS, lambda s: with_acts(s, act("request-cancel"))),
    ],
    [(CONFLICTING, lambda s: with_case(s, versions=OTHERWISE))],
    [
        (ENTERED_LATE, lambda s: with_order(s, doubt=Reason.ENTERED_LATE)),
        (FACTS_MISSING, lambda s: with_order(s, doubt=Reason.FACTS_MISSING)),
    ],
    [(HOLD_EXPIRED, lambda s: with_case(s, hold_expired=True))],
    [(A_PERSON_DECIDES, lambda s: with_order(s, at_lapse=AtLapse.ESCALATE))],
]
EVERY = [doubt for row in DOUBTS for doubt in row]


@pytest.mark.parametrize(("told", "raise_doubt"), EVERY)
class TestEachDoubt:
    def test_gives_a_silent_order_to_a_person(
        self, told: str, raise_doubt: Callable[[Story], None]
    ) -> None:
        story = Story()
        raise_doubt(story)
        assert story.lapses().outcome == Outcome.ESCALATED
        assert story.told == [told]
        assert story.lapses().decisions == (), "judged twice, it says nothing new"

    def test_needs_no_brake(self, told: str, raise_doubt: Callable[[Story], None]) -> None:
        story = Story()
        raise_doubt(story)
        story.lapses(braked=True, unconfirmed=True)
        assert story.told == [told]

    def test_changes_nothing_of_an_order_that_spoke(
        self, told: str, raise_doubt: Callable[[Story], None]
    ) -> None:
        for acts, expected in (
            ([handled()], []),
            ([cancelled()], []),
            ([cancelled(LATE)], []),
            ([disputed(EARLY), resolved()], []),
            ([disputed()], [DISPUTE_OPEN]),
            ([handled(stock_ok=False)], [WITHOUT_STOCK]),
            ([handled(LATE)], [LATE_HANDLING]),
        ):
            story = Story(*acts)
            raise_doubt(story)
            story.lapses()
            assert story.told == expected

    def test_ends_with_evidence_in_time(
        self, told: str, raise_doubt: Callable[[Story], None]
    ) -> None:
        story = Story()
        raise_doubt(story)
        story.lapses()
        assert story.then(handled()).outcome == Outcome.KEPT
        assert story.told == [told, "revoked #1"]


@pytest.mark.parametrize(("graver", "other"), [*combinations(DOUBTS, 2)])
def test_the_gravest_doubt_is_told(graver: list[Doubt], other: list[Doubt]) -> None:
    for told, raise_graver in graver:
        for _, raise_other in other:
            story = Story()
            raise_graver(story)
            raise_other(story)
            story.lapses()
            assert story.told == [told]


class TestRefusalsThatNameNoOrder:
    @pytest.mark.parametrize(
        ("astray_at", "told"),
        [(ENTERED - TICK, AUTO_CANCEL), (ENTERED, UNREADABLE), (DUE + LATE, UNREADABLE)],
    )
    def test_concern_the_orders_of_their_time(self, astray_at: datetime, told: str) -> None:
        story = Story()
        with_limits(story, astray_at=astray_at)
        story.lapses()
        assert story.told == [told]


class TestBeforeAdoption:
    """The order was over before this installation began."""

    def story(self, *acts: Act, at: datetime = DUE + TICK, escalate: bool = False) -> Story:
        story = Story(*acts)
        story.limits = Limits(None, at, escalate)
        return story

    @pytest.mark.parametrize(
        "acts",
        [
            [],
            [handled(LATE)],
            [disputed()],
            [disputed(LATE)],
            [handled(stock_ok=False)],
            [act("aceptado")],
            [cancelled(), handled(LATE)],
        ],
    )
    def test_nothing_is_told(self, acts: list[Act]) -> None:
        story = self.story(*acts, at=DUE + LATER_STILL)
        assert story.lapses().outcome == Outcome.BEFORE_ADOPTION
        assert story.told == []

    def test_a_person_can_be_told(self) -> None:
        story = self.story(disputed(LATE), at=DUE + LATER_STILL, escalate=True)
        assert story.lapses().outcome == Outcome.ESCALATED
        assert story.told == [BEFORE_ADOPTION]

    @pytest.mark.parametrize(
        ("known", "outcome"),
        [
            (handled(), Outcome.KEPT),
            (cancelled(), Outcome.CANCELLED),
            (cancelled(form_complete=False), Outcome.CANCELLED_INCOMPLETE),
            (cancelled(LATE), Outcome.CANCELLED_LATE),
        ],
    )
    def test_an_order_that_needs_no_verdict_ends_as_ever(
        self, known: Act, outcome: Outcome
    ) -> None:
        assert self.story(known).lapses().outcome == outcome
        assert self.story(known, escalate=True).lapses().outcome == outcome

    def test_a_deadline_at_the_very_beginning_is_not_before(self) -> None:
        story = self.story(at=DUE)
        story.lapses()
        assert story.told == [AUTO_CANCEL]

    def test_evidence_that_arrives_later_ends_it_without_a_word(self) -> None:
        story = self.story()
        story.lapses()
        assert story.then(handled()).outcome == Outcome.KEPT
        assert story.told == []
        assert story.then(handled(stock_ok=False)).outcome == Outcome.BEFORE_ADOPTION
        assert story.told == []

    def test_an_old_dispute_of_a_kept_order_is_history(self) -> None:
        story = self.story(handled(), disputed(LATE), at=DUE + LATER_STILL)
        assert story.lapses().outcome == Outcome.KEPT
        assert story.told == []

    @pytest.mark.parametrize("known", [[], [handled()]])
    def test_a_new_dispute_is_told(self, known: list[Act]) -> None:
        story = self.story(*known)
        story.lapses()
        story.then(disputed(LATE))
        assert story.told == [LATE_DISPUTE]

    def test_a_deadline_that_moved_and_is_still_before_starts_anew(self) -> None:
        story = self.story(escalate=True)
        story.lapses()
        # An extension that came late took the verdict back.
        story.case = story.case._replace(finding=None, decided=2, standing=())
        story.lapses()
        assert story.told == [BEFORE_ADOPTION, BEFORE_ADOPTION]

    def test_what_was_told_once_is_corrected_as_ever(self) -> None:
        story = Story()
        story.lapses()
        story.limits = Limits(None, DUE + TICK)
        story.then(disputed())
        assert story.told == [AUTO_CANCEL, "revoked #1", DISPUTE_OPEN]


class TestNoVerdictAtTheLapse:
    def story(self, *acts: Act) -> Story:
        return Story(*acts, order=an_order(AtLapse.NONE))

    def test_a_silent_order_lapses_without_a_word(self) -> None:
        story = self.story()
        assert story.lapses().outcome == Outcome.LAPSED
        assert story.told == []
        assert story.then(handled()).outcome == Outcome.KEPT
        assert story.told == []

    def test_nobody_waits_for_late_handling_either(self) -> None:
        """Known before the verdict or after it, the order ends alike."""
        known = self.story(handled(LATE))
        assert known.lapses().outcome == Outcome.LAPSED
        later = self.story()
        later.lapses()
        assert later.then(handled(LATE)).outcome == Outcome.LAPSED
        assert known.told == later.told == []

    def test_a_doubt_that_comes_after_the_lapse_is_no_escalation(self) -> None:
        story = self.story()
        story.lapses()
        assert story.then(a_refused_record()).outcome == Outcome.LAPSED
        assert story.told == []

    def test_what_contradicts_is_told_all_the_same(self) -> None:
        story = self.story(disputed())
        story.lapses()
        assert story.told == [DISPUTE_OPEN]

    @pytest.mark.parametrize(("told", "raise_doubt"), EVERY[:-1])
    def test_and_so_is_what_was_not_understood(
        self, told: str, raise_doubt: Callable[[Story], None]
    ) -> None:
        story = self.story()
        raise_doubt(story)
        story.lapses()
        assert story.told == [told]


class TestAnOrderToldOfTwoSellers:
    def story(self, *acts: Act, seller_id: str | None = "s-999") -> Story:
        story = Story(*acts)
        with_case(story, versions=(version(seller_id),))
        return story

    @pytest.mark.parametrize("acts", [[], [handled()], [handled(stock_ok=False)], [handled(LATE)]])
    def test_goes_to_a_person_for_the_acts_of_one_are_not_those_of_the_other(
        self, acts: list[Act]
    ) -> None:
        story = self.story(*acts)
        assert story.lapses().outcome == Outcome.ESCALATED
        assert story.told == [CONFLICTING]

    @pytest.mark.parametrize("acts", [[cancelled()], [cancelled(LATE)]])
    def test_cancelled_it_is_closed_for_both(self, acts: list[Act]) -> None:
        story = self.story(*acts)
        story.lapses()
        assert story.told == []

    @pytest.mark.parametrize("seller_id", [None, "s-123"])
    def test_another_version_of_the_same_seller_is_none(self, seller_id: str | None) -> None:
        story = self.story(seller_id=seller_id)
        story.lapses()
        assert story.told == [AUTO_CANCEL]

    def test_after_our_auto_cancel_it_revokes_nothing(self) -> None:
        story = Story()
        story.lapses()
        later = version("s-999", AtLapse.ESCALATE, next(_offsets))
        with_case(story, versions=(later,))
        assert story.lapses().outcome == Outcome.AUTO_CANCELLED
        assert story.told == [AUTO_CANCEL]

    def test_after_an_order_was_kept_it_goes_to_a_person(self) -> None:
        story = Story(handled())
        story.lapses()
        with_case(story, versions=(version("s-999", offset=next(_offsets)),))
        story.lapses()
        assert story.told == [CONFLICTING]


class TestObscureActsAfterOurAutoCancel:
    @pytest.mark.parametrize("status", ["aceptado", "request-cancel"])
    def test_are_told_once_and_revoke_nothing(self, status: str) -> None:
        story = Story()
        story.lapses()
        assert story.then(act(status)).outcome == Outcome.AUTO_CANCELLED
        story.then(act(status, LATER))
        assert story.told == story.standing == [AUTO_CANCEL, UNKNOWN_STATUS]

    def test_of_after_the_deadline_say_nothing(self) -> None:
        story = Story()
        story.lapses()
        story.then(act("aceptado", LATE))
        assert story.told == [AUTO_CANCEL]

    def test_are_taken_back_with_it(self) -> None:
        story = Story()
        story.lapses()
        story.then(act("aceptado"))
        story.then(handled())
        assert story.told == [AUTO_CANCEL, UNKNOWN_STATUS, "revoked #1", "revoked #2"]


class TestCancelledByTheSeller:
    @pytest.mark.parametrize(
        ("cancellation", "outcome"),
        [
            (cancelled(), Outcome.AUTO_CANCELLED),  # the OMS carries out ours
            (cancelled(form_complete=True), Outcome.CANCELLED_BY_SELLER),
            (cancelled(form_complete=False), Outcome.CANCELLED_BY_SELLER),
            (cancelled(WINDOW, form_complete=True), Outcome.CANCELLED_BY_SELLER),
            (cancelled(LATE, form_complete=True), Outcome.AUTO_CANCELLED),  # too late
        ],
    )
    def test_a_form_in_time_shows_it(self, cancellation: Act, outcome: Outcome) -> None:
        story = Story()
        story.lapses()
        assert story.then(cancellation).outcome == outcome
        assert story.then(cancelled(LATER_STILL)).outcome == outcome
        assert story.lapses(unconfirmed=True).outcome == outcome
        assert story.told == [AUTO_CANCEL]


class TestHandlingOfAnOrderThatAnEarlierCycleCancelled:
    """Downstream was told to cancel it."""

    def story(self, *acts: Act) -> Story:
        story = Story(*acts)
        with_case(story, cancelled_before=True)
        return story

    def test_is_told_at_once_and_once(self) -> None:
        story = self.story()
        assert [d.reason for d in watch(story.case).decisions] == []
        with_acts(story, handled(EARLY))
        (told,) = watch(story.case).decisions
        assert (told.reason, told.ordinal) == (Reason.HANDLED_AFTER_DEADLINE, 1)
        assert watch(story.case).outcome is None, "its deadline still runs"

    def test_is_told_beside_the_verdict(self) -> None:
        story = self.story(handled(EARLY))
        assert story.lapses().outcome == Outcome.KEPT
        story.then(handled(IN_TIME))
        assert story.told == [LATE_HANDLING]
        assert watch(story.case).decisions == ()

    def test_outlives_the_verdicts_of_its_cycle(self) -> None:
        story = self.story(handled(EARLY, stock_ok=False))
        story.lapses()
        assert story.told == [WITHOUT_STOCK, LATE_HANDLING]
        story.then(handled(stock_ok=True))
        assert story.standing == [LATE_HANDLING]

    def test_is_not_told_of_a_cancellation(self) -> None:
        story = self.story(cancelled())
        story.lapses()
        assert story.told == []

    def test_a_silent_order_is_cancelled_again(self) -> None:
        story = self.story()
        story.lapses()
        assert story.told == [AUTO_CANCEL]
        story.then(handled(LATE))
        assert story.told == [AUTO_CANCEL, LATE_HANDLING]


def test_a_dispute_that_is_resolved_after_our_auto_cancel_shows_that_somebody_handles_it() -> None:
    story = Story()
    story.lapses()
    story.then(resolved(LATE))
    assert story.told == [AUTO_CANCEL, LATE_HANDLING]


def test_without_a_doubt_a_silent_order_is_cancelled() -> None:
    story = Story(act("ready-for-handling"), act("canceled-in-part"), act("staging"))
    story.lapses()
    assert story.told == [AUTO_CANCEL]
