"""``plazo topics create``: the four topics, as wide as they need to be."""

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Literal

import typer

from worker.cli.context import finish, open_store, record, who
from worker.cli.output import cell, console, print_json
from worker.errors import DatabaseFault, KafkaUnavailable, SchemaNotCurrent
from worker.kafka.admin import KafkaAdmin, TopicState
from worker.settings import Settings

PARTITIONS = 12
_SEEN_WITHIN = 15.0


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to one topic. ``partitions`` is the number after it."""

    topic: str
    action: Literal["create", "widen", "keep"]
    partitions: int


def create(
    settings: Settings,
    *,
    partitions: int | None,
    dead_letter_partitions: int,
    replication_factor: int,
    dry_run: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Create what is missing; doing it twice changes nothing.

    Raises:
        KafkaUnavailable
        TopicsNotFit: the cluster refuses a topic.
    """

    async def work() -> list[Step]:
        admin = KafkaAdmin(settings)
        try:
            names = [*settings.input_topics, settings.output_topic, settings.dead_letters_topic]
            steps = plan(settings, await admin.topics(names), partitions, dead_letter_partitions)
            if not dry_run:
                await _carry_out(admin, steps, replication_factor)
                await _record(settings, who(by, nobody="a job"), steps)
            return steps
        finally:
            await admin.close()

    steps = finish(settings, work())
    if as_json:
        print_json({"dry_run": dry_run, "topics": [asdict(step) for step in steps]})
        return
    words = {"create": "created", "widen": "widened", "keep": "was there"}
    if dry_run:
        words = {"create": "would be created", "widen": "would be widened", "keep": "is there"}
    for step in steps:
        width = "1 partition" if step.partitions == 1 else f"{step.partitions} partitions"
        console().print(cell(f"{step.topic}: {words[step.action]}, {width}"))


def plan(
    settings: Settings,
    found: dict[str, TopicState],
    partitions: int | None,
    dead_letter_partitions: int,
) -> list[Step]:
    """What is to be done. ``partitions`` is for new topics; ``None``: as the other input has."""
    widths = {topic: state.partitions for topic, state in found.items()}
    known = [widths[topic] for topic in settings.input_topics if topic in widths]
    new = partitions or max(known, default=PARTITIONS)
    orders = widths.get(settings.order_created_topic, new)
    steps = [
        Step(topic, "keep" if topic in widths else "create", widths.get(topic, new))
        for topic in settings.input_topics
    ]
    # A verdict goes to the partition of its order's lane, so each lane needs one there.
    decisions = widths.get(settings.output_topic)
    if decisions is None:
        steps.append(Step(settings.output_topic, "create", max(new, orders)))
    elif decisions < orders:
        steps.append(Step(settings.output_topic, "widen", orders))
    else:
        steps.append(Step(settings.output_topic, "keep", decisions))
    letters = widths.get(settings.dead_letters_topic)
    action: Literal["create", "keep"] = "create" if letters is None else "keep"
    steps.append(Step(settings.dead_letters_topic, action, letters or dead_letter_partitions))
    return steps


async def _carry_out(admin: KafkaAdmin, steps: list[Step], replication_factor: int) -> None:
    if new := {step.topic: step.partitions for step in steps if step.action == "create"}:
        await admin.create(new, replication_factor)
    for step in steps:
        if step.action == "widen":
            await admin.widen(step.topic, step.partitions)
    # The controller answers before every broker knows: a worker started next would not see them.
    steps = [step for step in steps if step.action != "keep"]
    deadline = time.monotonic() + _SEEN_WITHIN
    while any(
        state is None or state.partitions < step.partitions or state.leaderless
        for step, state in await _seen(admin, steps)
    ):
        if time.monotonic() > deadline:
            raise KafkaUnavailable("the topics were accepted, but do not show yet")
        await asyncio.sleep(0.2)


async def _record(settings: Settings, author: str, steps: list[Step]) -> None:
    """Keep who did it, if Postgres takes it: topics may be made before there is a schema."""
    done = {step.topic: step.action for step in steps if step.action != "keep"}
    if not done:
        return
    try:
        async with open_store(settings) as store, store.transaction() as tx:
            await record(tx, author, "topics create", **done)
    except (DatabaseFault, SchemaNotCurrent) as error:
        typer.echo(f"plazo: Postgres keeps no record of this: {error}", err=True)


async def _seen(admin: KafkaAdmin, steps: list[Step]) -> list[tuple[Step, TopicState | None]]:
    found = await admin.topics(step.topic for step in steps)
    return [(step, found.get(step.topic)) for step in steps]
