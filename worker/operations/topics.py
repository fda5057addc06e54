"""The four topics: plans their creation and widening, and carries the plan out."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from worker.errors import KafkaUnavailable
from worker.kafka.admin import KafkaAdmin, TopicState
from worker.settings import Settings

PARTITIONS = 12
_VISIBLE_WITHIN = 15.0  # seconds
_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Step:
    """An action on one topic. ``partitions`` is the number after it."""

    topic: str
    action: Literal["create", "widen", "keep"]
    partitions: int


async def plan(
    admin: KafkaAdmin, settings: Settings, partitions: int | None, dead_letter_partitions: int
) -> list[Step]:
    """Compare the topics with the needs of the worker: see :func:`steps`.

    Raises:
        KafkaUnavailable
    """
    names = [*settings.input_topics, settings.output_topic, settings.dead_letters_topic]
    return steps(settings, await admin.topics(names), partitions, dead_letter_partitions)


def steps(
    settings: Settings,
    states: Mapping[str, TopicState],
    partitions: int | None,
    dead_letter_partitions: int,
) -> list[Step]:
    """One step for each topic. ``partitions`` is for new ones; ``None``: as the other input has."""
    widths = {topic: state.partitions for topic, state in states.items()}
    known = [widths[topic] for topic in settings.input_topics if topic in widths]
    new = partitions or max(known, default=PARTITIONS)
    orders = widths.get(settings.order_created_topic, new)
    planned = [
        Step(topic, "keep" if topic in widths else "create", widths.get(topic, new))
        for topic in settings.input_topics
    ]
    # A verdict goes to the partition of its order's lane, so each lane needs one there.
    decisions = widths.get(settings.output_topic)
    if decisions is None:
        planned.append(Step(settings.output_topic, "create", max(new, orders)))
    elif decisions < orders:
        planned.append(Step(settings.output_topic, "widen", orders))
    else:
        planned.append(Step(settings.output_topic, "keep", decisions))
    letters = widths.get(settings.dead_letters_topic)
    action: Literal["create", "keep"] = "create" if letters is None else "keep"
    planned.append(Step(settings.dead_letters_topic, action, letters or dead_letter_partitions))
    return planned


async def apply(admin: KafkaAdmin, planned: Sequence[Step], replication_factor: int) -> None:
    """Carry the steps out; return once every broker shows the result.

    Raises:
        KafkaUnavailable
        TopicsNotFit: the cluster refuses a topic.
    """
    if new := {step.topic: step.partitions for step in planned if step.action == "create"}:
        await admin.create(new, replication_factor)
    for step in planned:
        if step.action == "widen":
            await admin.widen(step.topic, step.partitions)
    # The controller answers before every broker knows: a worker started next would not see them.
    changes = [step for step in planned if step.action != "keep"]
    deadline = time.monotonic() + _VISIBLE_WITHIN
    while not await _visible(admin, changes):
        if time.monotonic() > deadline:
            raise KafkaUnavailable("the topics were accepted, but do not show yet")
        await asyncio.sleep(_POLL)


async def _visible(admin: KafkaAdmin, changes: Sequence[Step]) -> bool:
    states = await admin.topics(step.topic for step in changes)
    return all(
        (state := states.get(step.topic)) is not None
        and state.partitions >= step.partitions
        and not state.leaderless
        for step in changes
    )
