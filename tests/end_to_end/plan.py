"""The plan of one order: the records to publish, and their meaning to the judge."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from .oracle import Act, Published, Unreadable

if TYPE_CHECKING:
    from .world import World

Partitioner = Literal["murmur2", "crc32", "foreign"]


@dataclass(frozen=True)
class Message:
    """A record to publish, and what it means: the facts it tells, by order."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    partitioner: Partitioner = "murmur2"
    enters: "Order | None" = None
    tells: tuple[tuple["Order", Act | Unreadable], ...] = ()
    poison: bool = False


@dataclass(eq=False)
class Order:
    """An order of this world, and what was published of it."""

    order_id: str
    behaviour: str
    entered_at: datetime
    fulfilment: str
    partitioner: Partitioner = "murmur2"
    facts: list[Published] = field(default_factory=list)
    created_at: datetime | None = None  # when the broker had its order-created
    readable_at: datetime | None = None  # when it had the first that can be read
    salvaged_fulfilment: str | None = None  # what a refused one tells of it
    home: int | None = None  # the partition in which it arrived


class Plan:
    """What a behaviour writes down for one order. Seconds count from the order's entry."""

    def __init__(self, world: "World", order: Order, start: float) -> None:
        self.world = world
        self.order = order
        self.start = start
        self.random = world.random
        self.steps: list[tuple[float, Message]] = []
        self.after_verdict: list[tuple[float, Message]] = []

    @property
    def window(self) -> float:
        return self.world.window.total_seconds()

    @property
    def in_time(self) -> float:
        """Some instant before the deadline."""
        return self.random.uniform(0.0, self.window)

    @property
    def soon(self) -> float:
        """A time to publish at which is well before the verdict."""
        return self.random.uniform(0.0, self.window * 0.8)

    def created(self, at: float = 0.0, **changes: Any) -> Message:
        """Publish the order-created."""
        return self._add(at, self.world.created(self.order, **changes))

    def act(
        self,
        status: str,
        occurred: float | timedelta,
        published: float | None = None,
        *,
        after_verdict: bool = False,
        **details: Any,
    ) -> Message:
        """Publish a status change, by default soon after the order entered.

        ``after_verdict`` counts ``published`` from the moment a verdict of this order was read.
        """
        offset = occurred if isinstance(occurred, timedelta) else timedelta(seconds=occurred)
        message = self.world.act(self.order, status, self.order.entered_at + offset, **details)
        if after_verdict:
            self.after_verdict.append((published or 0.0, message))
            return message
        return self._add(self.soon if published is None else published, message)

    def poison(self, at: float | None = None) -> Message:
        """Publish a record of this order that nobody can read."""
        return self._add(self.soon if at is None else at, self.world.poison(self.order))

    def again(self, message: Message, at: float) -> None:
        """Publish the same record once more."""
        self._add(at, message)

    def _add(self, at: float, message: Message) -> Message:
        self.steps.append((self.start + at, message))
        return message
