"""Every broken promise of a run. Where a lane had to halt, less is asked of the others."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.end_to_end.reader import Event
from tests.simulation.former import PREFIX
from tests.simulation.judge.effects import dead_letters, effects
from tests.simulation.judge.orders import by_clocks_ahead, cancelled_rightly, judge_order
from tests.simulation.judge.published import published_in, told_in
from tests.simulation.judge.terms import (
    beginning,
    first_terms,
    our_cancels,
    possible_terms,
    terms_alive_again,
)
from tests.simulation.kafka import BASE, FIRST_ID
from tests.simulation.scenario.records import DECISIONS, STATUS

if TYPE_CHECKING:
    from tests.simulation.world import World


def broken(world: "World") -> Iterator[str]:
    """Every broken promise."""
    if world.must_halt or world.halted or world.losses.must_notice:
        yield from _halted(world)
        return
    if unknown := [*_forget_retained(world)]:
        # Then the judge does not know either since when the evidence is complete.
        yield from unknown
        return
    events: dict[str, list[Event]] = defaultdict(list)
    for (topic, number), log in world.broker.logs.items():
        if topic == DECISIONS:
            yield from published_in(world, log, number, events)
    for stranger in events.keys() - world.scenario.orders.keys():
        if stranger.startswith(PREFIX):
            continue
        yield f"{stranger}: decided, but nobody published it"
    for order in world.scenario.orders.values():
        yield from judge_order(world, order, events[order.order_id])
    yield from _first_sight(world)
    yield from dead_letters(world)
    yield from effects(world)


def _halted(world: "World") -> Iterator[str]:
    """A lane that cannot know what was published stands still. Of the others little is asked."""
    decided = world.database.tables["decisions"]
    for topic, lane in world.broker.logs:
        if topic != DECISIONS:
            continue
        told = told_in(world, lane)
        if len({sequence for sequence, _ in told}) < len(told):
            yield f"lane {lane}: a sequence for two decisions"
        if lane in world.must_halt:
            if lane not in world.halted:
                yield f"lane {lane}: the topic contradicts the database, and it never halted"
            if world.broker.logs[topic, lane].end > world.formers[lane].end:
                yield f"lane {lane}: published beyond a contradiction"
        elif lane not in world.halted:
            known = {
                (sequence, str(row["id"]))
                for (one, sequence), row in decided.items()
                if one == lane
            }
            if {sequence for sequence, _ in known - told} & {sequence for sequence, _ in told}:
                yield f"lane {lane}: a sequence for two decisions, and it never halted"
            for sequence, _ in sorted(known - told):
                yield f"LOST: lane {lane}, sequence {sequence} was never published"
    for lane in world.losses.must_notice - world.halted:
        yield f"lane {lane}: a log went back behind its position, and it never halted"
    for process in filter(None, world.processes.workers):
        for lane, runner in process.worker.membership.runners.items():
            if lane in world.losses.must_notice & world.halted and not runner.halted:
                yield f"lane {lane}: it halted, and went on beyond records that nobody read"
    if world.losses.went_back:
        yield from _cancelled_unread(world)


def _cancelled_unread(world: "World") -> Iterator[str]:
    """Auto-cancels against evidence that a log holds below the position of its lane."""
    events: dict[str, list[Event]] = defaultdict(list)
    for (topic, number), log in world.broker.logs.items():
        if topic == DECISIONS:
            # Its sequences are judged above.
            list(published_in(world, log, number, events))
    for order in world.scenario.orders.values():
        told = events[order.order_id]
        if not order.created or by_clocks_ahead(world, told):
            continue
        # A lane that finds its log cut counts its evidence as incomplete, but only from then on.
        first = replace(first_terms(world, order), logs_reach_back=True)
        ours = our_cancels(world, order, told)
        terms = [
            *possible_terms(world, order, first),
            *terms_alive_again(world, order, first, ours),
            first,
        ]
        # What gave an order its deadline may be lost itself.
        dues = {one.due for one in terms}
        yield from cancelled_rightly(order, terms, [event for event in told if event.due in dues])


def _forget_retained(world: "World") -> Iterator[str]:
    """What retention removed before a worker read it tells of nothing."""
    tables = world.database.tables
    for partition in world.scenario.begins:
        if world.broker.logs[STATUS, partition].topic_id != FIRST_ID:
            continue  # it was made again before anybody looked
        if tables["positions"][STATUS, partition]["covered_since"] is None:
            yield f"{STATUS}/{partition} was cut before the start, and nobody knows"
    read = {
        (row["topic"], row["partition"], row["offset"])
        for table in ("acts", "dead_letters")
        for row in tables[table].values()
    }
    for (topic, number), log in world.broker.logs.items():
        # Nobody can know of these: no offset shows them. They are what is not promised.
        unseen = [one for one in log.compacted if (topic, number, one.offset) not in read]
        world.losses.forget(log, unseen)
        lost = [one for one in log.retained if (topic, number, one.offset) not in read]
        world.losses.forget(log, lost)
        if not log.shortened:
            continue
        found = tables["positions"][topic, number]["covered_since"] is not None
        if lost and not found:
            yield f"{topic}/{number}: {len(lost)} records were lost, and nobody knows"
        # Where nothing but offsets without records is gone, a worker cannot know that.
        if topic == STATUS and found:
            world.found_lost.add(number)


def _first_sight(world: "World") -> Iterator[str]:
    """Nobody saw the log of acts before its first record, or before a worker saw it empty."""
    if world.scenario.rules.adopted is None or not world.clocks.times_are_true:
        return
    firsts = [
        log.first_at
        for (topic, _), log in world.broker.logs.items()
        if topic == STATUS and log.first_at is not None
    ]
    # The times of records are whole milliseconds.
    least = BASE + timedelta(seconds=min([world.processes.first_start, *firsts]) - 0.001)
    for begin in beginning(world):
        if begin < least:
            yield f"the log of acts is known since {begin}, and began at {least}"
