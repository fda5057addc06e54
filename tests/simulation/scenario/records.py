"""The records of a run, and the orders as they tell of them."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.end_to_end.oracle import Act, Fact, Published, Retold
from tests.simulation.kafka import BASE
from tests.simulation.scenario.rules import WINDOW, Rules
from worker.domain.acts import ORDER_CREATED

CREATED = "marketplace.order-created"
STATUS = "marketplace.order-status-changed"
DECISIONS = "marketplace.stock-deadline-decisions"
LETTERS = "marketplace.stock-deadline-dead-letters"

# Topic, partition and offset of a record.
Place = tuple[str, int, int]


@dataclass(frozen=True)
class Change:
    """A change of a deadline in its log. ``due`` in seconds, of an extension."""

    kind: str
    due: float | None
    occurred_at: datetime
    sent_at: datetime
    stored_at: datetime
    place: Place


@dataclass(frozen=True)
class Telling:
    """An order-created that tells a deadline, and when it came. Half of one names no seller."""

    at: datetime
    seller: str | None


@dataclass
class Order:
    """An order as the judge knows it."""

    order_id: str
    entered: float
    started: float  # when its clock starts by what is published first
    # Its order-created records that tell a deadline.
    told: dict[Place, Telling] = field(default_factory=dict)
    facts: list[Published] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    side: str = "plain"  # the policy that it falls under, of SIDES
    home: int = -1  # the partition of its first order-created

    @property
    def due(self) -> float:
        return self.started + WINDOW

    @property
    def created(self) -> bool:
        return bool(self.told)

    @property
    def homes(self) -> set[int]:
        return {partition for _, partition, _ in self.told}

    def tell(self, place: Place, telling: Telling) -> None:
        """An order-created came. It may name another seller than the first that names one."""
        self.told[place] = telling
        first = next((one.seller for one in self.told.values() if one.seller), telling.seller)
        if telling.seller not in (None, first):
            self.facts.append(Published(Retold(), telling.at, telling.at, *place))

    def forget(self, places: Collection[Place]) -> None:
        """What stood there is lost, and nobody read it."""
        first_is_lost = bool(self.told) and next(iter(self.told)) in places
        self.facts = [
            one
            for one in self.facts
            if (one.topic, one.partition, one.offset) not in places
            and not isinstance(one.fact, Retold)
        ]
        # Another may be the first now, and what tells otherwise than that.
        told, self.told = self.told, {}
        for place, telling in told.items():
            if place not in places:
                self.tell(place, telling)
        self.changes = [one for one in self.changes if one.place not in places]
        again = [
            (one.fact.occurred_at - BASE).total_seconds()
            for one in self.facts
            if isinstance(one.fact, Act) and one.fact.status == ORDER_CREATED
        ]
        if first_is_lost and again:
            self.started += again[0] - self.entered
            self.entered = again[0]


@dataclass(frozen=True)
class Send:
    """A record to publish. ``facts``: what it tells of which order."""

    at: float
    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    facts: tuple[tuple[str, Fact], ...] = ()
    order: str | None = None  # the order that this record creates
    seller: str | None = None  # the seller that it tells
    # Of which order, its kind, new due and time.
    change: tuple[str, str, float | None, float] | None = None
    refused: bool = False
    astray: bool = False  # it names no order
    transaction: int | None = None


@dataclass(frozen=True)
class Producing:
    """A producer's transaction."""

    begins: float
    ends: float
    commits: bool


@dataclass
class Scenario:
    """Everything that is fixed before the first step."""

    widths: dict[str, int]
    workers: int
    grace: float
    batch_size: int
    proof: str
    confirm_within: float | None
    rules: Rules
    orders: dict[str, Order]
    sends: list[Send]
    transactions: list[Producing]
    begins: dict[int, int]  # first offset of status partitions that retention has cut


# What an order-created tells, by the policy that it falls under.
SIDES: dict[str, dict[str, object]] = {
    "plain": {},
    "person": {"labels": {"lapse": "person"}},
    "nobody": {"labels": {"lapse": "nobody"}},
    "dear": {"total": "900.00"},
    "unpriced": {"total": None},
}


def at(seconds: float) -> str:
    """An instant as it stands in an event."""
    return (BASE + timedelta(seconds=round(seconds, 6))).isoformat().replace("+00:00", "Z")


def handled(order: Order, occurred: float, partition: int) -> Send:
    """The act of a seller that takes an order up."""
    instant = BASE + timedelta(seconds=round(occurred, 6))
    value = {
        "order_id": order.order_id,
        "status": "start-handling",
        "occurred_at": at(occurred),
    }
    fact = Act("start-handling", instant)
    raw, key = json.dumps(value).encode(), order.order_id.encode()
    return Send(occurred, STATUS, partition, key, raw, (), ((order.order_id, fact),))
