"""Who takes part, by name: limits, Plazo, and what a team might choose instead."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from tests.support.topics import Topics

from . import ingestion, limits
from .ingestion import Ingestion
from .peers import builds
from .site import Site

SHARE = 0.3  # of a core, for each worker that is held to one


@dataclass(frozen=True)
class Backlog:
    """The topics that hold it, how many events, and after how many seconds one gives up."""

    site: Site
    topics: Topics
    events: int
    seconds: float


Measure = Callable[[Backlog], Awaitable[Ingestion]]


class Entrant(NamedTuple):
    """How it is measured, and how tables call it."""

    measure: Measure
    title: str
    short: bool = False  # takes part in the short form too


def _plazo(workers: int, share: float | None = None, **settings: str) -> Measure:
    return lambda b: ingestion.plazo(
        b.site, b.topics, b.events, b.seconds, workers, share, **settings
    )


def _peer(module: str, *arguments: str) -> Measure:
    command = builds.python(module, *arguments)
    return lambda b: ingestion.peer(b.site, b.topics, b.events, b.seconds, command)


def _streams(guarantee: str) -> Measure:
    return lambda b: ingestion.streams(
        b.site, b.topics, b.events, b.seconds, [*builds.streams(), guarantee]
    )


ENTRANTS = {
    "raw_copy": Entrant(
        lambda b: limits.raw_copy(b.site, b.events),
        "raw COPY of the events: no Kafka, no validation, no orders",
        short=True,
    ),
    "bare_loop": Entrant(
        lambda b: limits.bare_loop(b.site, b.events),
        "bare loop: COPY and upsert, batches of 2,000, no Kafka",
        short=True,
    ),
    "plazo_1": Entrant(_plazo(1), "**Plazo**, one worker, every promise on", short=True),
    "plazo_1_python": Entrant(
        _plazo(1, compiled="false"), "Plazo, one worker, without the compiled reader"
    ),
    "plazo_2": Entrant(_plazo(2), "**Plazo**, two workers"),
    # Where the cores are not the limit: what a second worker brings.
    "plazo_1_held": Entrant(_plazo(1, SHARE), "Plazo, one worker held to 0.3 of a core"),
    "plazo_2_held": Entrant(_plazo(2, SHARE), "Plazo, two workers, each held to 0.3 of a core"),
    "kafka_streams_eos": Entrant(_streams("eos"), "Kafka Streams, exactly-once v2, no Postgres"),
    "kafka_streams_alo": Entrant(_streams("alo"), "Kafka Streams, at least once, no Postgres"),
    "faststream_batch": Entrant(
        _peer("faststream_app", "batch"), "FastStream, batches with `executemany`"
    ),
    "faststream_message": Entrant(
        _peer("faststream_app", "message"), "FastStream, message by message"
    ),
    "quixstreams": Entrant(_peer("quix_app"), "Quix Streams, batches"),
    "bytewax": Entrant(_peer("bytewax_app"), "Bytewax, batches"),
}
