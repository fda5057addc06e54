"""Auto-cancels that somebody has to carry out, and those that the brake leaves to a person."""

import pytest

from worker.domain.acts import Act
from worker.domain.case import Outcome
from worker.domain.policy import AtLapse

from .words import (
    AUTO_CANCEL,
    LATE,
    Story,
    an_order,
    cancelled,
    disputed,
    handled,
    lapsed,
)

UNCONFIRMED = "escalation cancel-unconfirmed"
MASS_CANCEL = "escalation mass-cancel"


def test_a_cancellation_that_nobody_carries_out_goes_to_a_person_once() -> None:
    story = lapsed()
    assert story.lapses(unconfirmed=True).outcome == Outcome.AUTO_CANCELLED
    assert story.told == [AUTO_CANCEL, UNCONFIRMED]
    story.lapses(unconfirmed=True)
    assert story.told == [AUTO_CANCEL, UNCONFIRMED]


def test_one_that_is_carried_out_does_not() -> None:
    story = lapsed()
    story.then(cancelled(LATE))
    story.lapses(unconfirmed=True)
    assert story.told == [AUTO_CANCEL]


@pytest.mark.parametrize(
    "story",
    [
        lapsed(handled()),
        lapsed(cancelled()),
        lapsed(order=an_order(AtLapse.ESCALATE)),
    ],
)
def test_nothing_else_waits_to_be_carried_out(story: Story) -> None:
    told = list(story.told)
    story.lapses(unconfirmed=True)
    assert story.told == told


def test_one_that_was_revoked_is_not_waited_for() -> None:
    story = lapsed()
    story.then(handled())
    story.lapses(unconfirmed=True)
    assert story.told == [AUTO_CANCEL, "revoked #1"]


def test_late_evidence_takes_back_both() -> None:
    story = lapsed()
    story.lapses(unconfirmed=True)
    assert story.then(handled()).outcome == Outcome.KEPT
    assert story.told == [AUTO_CANCEL, UNCONFIRMED, "revoked #1", "revoked #2"]


def test_a_person_decides_what_the_brake_holds() -> None:
    story = Story()
    assert story.lapses(braked=True).outcome == Outcome.ESCALATED
    assert story.told == [MASS_CANCEL]
    assert story.then(handled()).outcome == Outcome.KEPT
    assert story.told == [MASS_CANCEL, "revoked #1"]


@pytest.mark.parametrize("evidence", [handled(), cancelled(), disputed(), handled(LATE)])
def test_the_brake_touches_nothing_but_auto_cancels(evidence: Act) -> None:
    story, free = Story(evidence), Story(evidence)
    assert story.lapses(braked=True) == free.lapses()
