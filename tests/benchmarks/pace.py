"""Publishes at a steady rate.

The events are made beforehand: to make one takes more of a core than to send it, and a benchmark
shares its cores with those that it measures.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice

from tests.support.topics import Topics

from .mix import Event
from .site import Site, send

Clock = Callable[[], datetime]

# Seconds: to make an event takes less, and a sleep takes no less.
_TO_MAKE = 50e-6
_SHORTEST = 0.001


def planned(
    make: Callable[[Clock], Iterator[Event]],
    rate: float,
    seconds: float,
    start: datetime | None = None,
) -> list[Event]:
    """So many events a second, from ``start`` on, or from when they are made."""
    events, numbers = round(rate * seconds), count()
    began = start or datetime.now(UTC) + timedelta(seconds=events * _TO_MAKE)
    clock = lambda: began + timedelta(seconds=next(numbers) / rate)  # noqa: E731
    return list(islice(make(clock), events))


@dataclass
class Published:
    """The number of events so far."""

    events: int = 0


def paced(
    site: Site, topics: Topics, events: Iterable[Event], published: Published | None = None
) -> None:
    """Publish each event at its moment."""
    producer, published = site.producer(), published or Published()
    for event in events:
        ahead = event.at.timestamp() - time.time()
        if ahead > _SHORTEST:
            time.sleep(ahead)
        send(producer, topics, event)
        published.events += 1
    assert producer.flush(30) == 0
