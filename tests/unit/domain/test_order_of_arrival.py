"""Acts count in the order of their event time, whatever the order of arrival."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.statuses import Meaning
from worker.domain.acts import IMPLIES_HANDLING, OBSCURE, Act, RefusedRecord
from worker.domain.case import Finding, Kind

from .words import (
    AUTO_CANCEL,
    CONTRADICTORY,
    LATE_DISPUTE,
    LATE_HANDLING,
    UNKNOWN_STATUS,
    WINDOW,
    Story,
    a_refused_record,
    act,
    repeat,
)

STATUSES = (
    "start-handling",
    "handling",
    "invoiced",
    "canceled",
    "dispute-opened",
    "dispute-resolved",
    "ready-for-handling",
    "canceled-in-part",
    "request-cancel",
    "aceptado",
)
NO_EVIDENCE = OBSCURE | {Meaning.CANCELED}

# Few distinct instants, so that ties and the boundary itself come up often.
IN_TIME = (timedelta(hours=1), timedelta(hours=2), timedelta(hours=3), WINDOW)
LATE = (WINDOW + timedelta(microseconds=1), WINDOW + timedelta(hours=1))


def some_acts(instants: tuple[timedelta, ...]) -> st.SearchStrategy[list[Act]]:
    one = st.builds(
        act,
        st.sampled_from(STATUSES),
        st.sampled_from(instants),
        stock_ok=st.sampled_from([None, True, False]),
        form_complete=st.sampled_from([None, True, False]),
    )
    return st.lists(one, max_size=6)


any_acts = some_acts(IN_TIME + LATE)


@st.composite
def shuffled_with_repeats(draw: st.DrawFn, acts: list[Act]) -> list[Act]:
    again = draw(st.lists(st.sampled_from(acts), max_size=4)) if acts else []
    return list(draw(st.permutations([*acts, *(repeat(one) for one in again)])))


@given(st.data(), any_acts, st.booleans())
def test_any_permutation_and_repetition_gives_the_same_judgement(
    data: st.DataObject, acts: list[Act], shielded: bool
) -> None:
    refusals: list[Act | RefusedRecord] = [a_refused_record()] if shielded else []
    other = data.draw(shuffled_with_repeats(acts))

    assert Story(*acts, *refusals).lapses() == Story(*other, *refusals).lapses()


@given(st.data(), some_acts(IN_TIME), some_acts(LATE))
def test_late_evidence_ends_where_the_verdict_on_everything_would_have_ended(
    data: st.DataObject, in_time: list[Act], late: list[Act]
) -> None:
    """Whatever part was known at the verdict, and whatever arrives one by one after it.

    But what arrives after our auto-cancel is no evidence if it cancels, or if nobody understands
    it: there the arrival matters.
    """
    arrivals = data.draw(shuffled_with_repeats(in_time))
    known = data.draw(st.integers(0, len(arrivals)))

    story = Story(*late, *arrivals[:known])
    story.lapses()
    evidence, obscure = arrivals[:known], False
    for arrival in arrivals[known:]:
        if not story.case.auto_cancels or arrival.meaning not in NO_EVIDENCE:
            evidence.append(arrival)
        else:
            obscure |= arrival.meaning in OBSCURE
        story.then(arrival)

    everything = Story(*late, *evidence)
    everything.lapses()
    expected = Counter(everything.standing)
    if obscure and AUTO_CANCEL in expected:
        expected[UNKNOWN_STATUS] += 1
    assert Counter(story.standing) == expected


@given(st.data(), any_acts)
def test_no_auto_cancel_is_told_against_anything_in_time(
    data: st.DataObject, acts: list[Act]
) -> None:
    arrivals = data.draw(shuffled_with_repeats(acts))
    known = data.draw(st.integers(0, len(arrivals)))
    story = Story(*arrivals[:known])
    judgements = [(story.lapses(), story.case.acts)]
    for arrival in arrivals[known:]:
        judgements.append((story.then(arrival), story.case.acts))
    for judgement, told in judgements:
        if any(decision.kind == Kind.AUTO_CANCEL for decision in judgement.decisions):
            assert not any(
                act.meaning in IMPLIES_HANDLING | NO_EVIDENCE
                and act.occurred_at <= story.case.order.due
                for act in told
            )


@given(st.data(), some_acts(IN_TIME), some_acts(LATE))
def test_late_acts_after_the_verdict_end_alike_in_any_order(
    data: st.DataObject, in_time: list[Act], late: list[Act]
) -> None:
    at_once = Story(*in_time)
    at_once.lapses()
    at_once.then(*late)

    one_by_one = Story(*in_time)
    one_by_one.lapses()
    for arrival in data.draw(shuffled_with_repeats(late)):
        one_by_one.then(arrival)

    assert Counter(one_by_one.standing) == Counter(at_once.standing)


@given(st.data(), any_acts)
def test_after_any_history_what_stands_fits_what_is_known(
    data: st.DataObject, acts: list[Act]
) -> None:
    arrivals = data.draw(shuffled_with_repeats(acts))
    known = data.draw(st.integers(0, len(arrivals)))
    story = Story(*arrivals[:known])
    finding = story.lapses().finding
    for arrival in arrivals[known:]:
        finding = story.then(arrival).finding

    due = story.case.order.due
    standing = story.standing
    assert len(set(standing)) == len(standing), "nothing stands twice"
    follow_ups = (LATE_HANDLING, LATE_DISPUTE, CONTRADICTORY, UNKNOWN_STATUS)
    verdicts = [told for told in standing if told not in follow_ups]
    assert len(verdicts) <= 1, "one verdict at most"
    if AUTO_CANCEL in standing:
        assert finding == Finding.SILENT, "no auto-cancel stands against evidence in time"
    if LATE_HANDLING in standing:
        assert finding in (Finding.SILENT, Finding.OBSCURE), "nothing in time shows handling"
        assert any(a.meaning in IMPLIES_HANDLING and a.occurred_at > due for a in acts)
    assert (LATE_DISPUTE in standing) == any(
        a.status == "dispute-opened" and a.occurred_at > due for a in acts
    )
    assert not story.lapses().decisions, "judging again says nothing new"
