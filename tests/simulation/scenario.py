"""What the world does to the worker in one run: orders, acts, and when each is published."""

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from tests.end_to_end.oracle import Act, Amended, Fact, Published, Retold, Unreadable
from tests.simulation.kafka import BASE
from tests.simulation.statements import REFUSED
from worker.domain.acts import ORDER_CREATED

CREATED = "marketplace.order-created"
STATUS = "marketplace.order-status-changed"
DECISIONS = "marketplace.stock-deadline-decisions"
LETTERS = "marketplace.stock-deadline-dead-letters"

WINDOW = 15.0
# An order that enters with less than this left of its window enters late.
LEAST_WINDOW = timedelta(seconds=1)
# Until here orders and acts are published and faults happen; then everything is mended.
HEAL = 44.0


@dataclass(frozen=True)
class Rules:
    """What all orders of a seed are held to.

    ``clock`` is the status that starts their clocks, or ``None`` where the order itself does;
    ``brake`` is how many auto-cancels there is room for at a time.
    """

    clock: str | None
    brake: int | None
    reminds: bool
    # Draws what marketplaces send beside the plain flow; ``None`` is nothing.
    field: Random | None = None
    # What happens to orders that were over before the installation began, and when that was.
    before_adoption: str = "decide"
    adopted: float | None = None
    # Some workers have the policy file of before, in which the order itself starts its clock.
    rolling: bool = False
    # The status that stops a clock.
    stop: str | None = None
    # Draws holds that nobody releases, records that name no order, and clocks that stop.
    further: Random | None = None
    holds: bool = False
    astray: bool = False

    @classmethod
    def of(cls, seed: int) -> "Rules":
        """Not drawn: the other seeds stay what they were."""
        young = seed % 6 == 0 and seed % 7 != 2
        return cls(
            clock="ready-for-handling" if seed % 4 == 1 else None,
            brake=1 + seed % 2 if seed % 5 == 3 else None,
            reminds=seed % 7 == 2,
            field=Random(seed ^ 0xF1E1D) if seed % 3 == 0 else None,
            before_adoption=("escalate" if seed % 12 else "keep") if young else "decide",
            adopted=seed % 5 * 2.0 if young else None,
            rolling=seed % 20 == 9 and seed % 7 != 2,
            stop="payment-pending" if seed % 12 == 5 and seed % 20 != 9 else None,
            further=Random(seed ^ 0xF0_127),
            holds=seed % 11 == 3 and seed % 7 != 2 and seed % 3 != 0 and seed % 4 != 1,
            astray=seed % 8 == 7 and seed % 7 != 2,
        )


# Words that break the worker as it is: see the README. Remove a word here once it is mended. Until
# then PLAZO_TEST_SIMULATE="odd-times lost-commits" switches words on.
SWITCHED_OFF: tuple[str, ...] = ()


@dataclass(frozen=True)
class Former:
    """What a worker of an older version left of a lane.

    It decided ``decided`` orders, knew that the first ``marked`` are published, and the topic
    holds those of ``published``: a hole may lie in between. ``others``: those that the topic has
    under another id than the database.
    """

    decided: int
    marked: int
    published: tuple[int, ...]
    others: tuple[int, ...]

    @property
    def whole(self) -> int:
        """The last sequence before the first hole."""
        return next(n for n in range(self.decided + 1) if n + 1 not in self.published)


@dataclass(frozen=True)
class Loss:
    """A log loses records.

    The first by retention, the last by an election, all with its topic, or by compaction those of
    the first that have a later one of the same key. ``share`` is that of its records.
    """

    at: float
    topic: str
    partition: int  # modulo the number of partitions
    kind: str  # "retention", "election", "topic" or "compaction"
    share: float  # 0 is the last record alone
    acts: int = 0  # of silent sellers that are written in its place

    @classmethod
    def compactions(cls, rng: Random) -> tuple["Loss", ...]:
        return tuple(
            cls(rng.uniform(2, HEAL), rng.choice([CREATED, STATUS]), number, "compaction", share)
            for number in range(rng.randint(2, 12))
            for share in [rng.choice([rng.random(), 1.0])]
        )

    @classmethod
    def some(cls, rng: Random) -> tuple["Loss", ...]:
        if rng.random() >= 0.15:
            return ()
        kind = rng.choice(["retention", "retention", "election", "election", "topic"])
        topic = STATUS if kind == "retention" else rng.choice([CREATED, STATUS, STATUS])
        share = rng.choice([rng.uniform(0, 0.4), rng.random(), 1.0])
        times = [rng.uniform(2, HEAL - 4) for _ in range(rng.choice([1, 1, 2]))]
        if kind == "election" and topic == STATUS and rng.random() < 0.6:
            # The log ends where it did, and holds another record below the position.
            return tuple(cls(at, topic, rng.randrange(12), kind, 0.0, 1) for at in times)
        return tuple(cls(at, topic, rng.randrange(12), kind, share) for at in times)


@dataclass(frozen=True)
class Words:
    """What else may happen. Drawn apart: the other draws of a seed stay what they were."""

    largest_decision: int | None
    formers: dict[int, Former]  # by lane
    odd_times: tuple[int, ...]  # timestamps that some records get, in milliseconds
    lost_commits: tuple[tuple[float, float], ...]  # when, and how many seconds are lost
    clocks_ahead: tuple[float, float, float] | None  # from, until, seconds
    losses: tuple["Loss", ...]  # what logs lose during the run
    widened: float | None = None  # when the topic of acts gets another partition

    @classmethod
    def of(cls, seed: int, lanes: int) -> "Words":
        rng = Random(seed ^ 0x5EED_0F_0DD5)
        switched_on = os.environ.get("PLAZO_TEST_SIMULATE", "").split()
        off = {word for word in SWITCHED_OFF if word not in switched_on}
        # Not smaller than the smallest form of a decision.
        largest = 160 + rng.randint(460, 900) if rng.random() < 0.15 else None
        formers = {}
        other = seed % 23 == 22
        if rng.random() < 0.15 or other:
            for lane in range(lanes):
                if rng.random() < 0.7:
                    formers[lane] = cls._former(rng, other=other)
        odd = rng.random() < 0.15
        times = tuple(rng.choice(_ODD_TIMES) for _ in range(4)) if odd else ()
        lost = (
            tuple((rng.uniform(4, 40), rng.uniform(0.05, 6)) for _ in range(rng.randint(1, 2)))
            if rng.random() < 0.1
            else ()
        )
        since = rng.uniform(2, 25)
        ahead = since, since + rng.uniform(1, 12), rng.uniform(3, 30)
        both = ahead if rng.random() < 0.1 else None
        return cls(
            largest,
            formers,
            () if "odd-times" in off else times,
            () if "lost-commits" in off else tuple(sorted(lost)),
            None if "clocks-ahead" in off else both,
            # Times and commits that are lost as well leave nothing to judge by.
            () if odd or lost or formers else cls._losses(seed),
            seed * 7 % (HEAL - 6) + 2 if seed % 13 == 4 else None,
        )

    @staticmethod
    def _losses(seed: int) -> tuple["Loss", ...]:
        losses = Loss.some(Random(seed ^ 0x1055))
        compacted = seed % 11 == 5
        return losses + Loss.compactions(Random(seed ^ 0xC0DE)) if compacted else losses

    @staticmethod
    def _former(rng: Random, *, other: bool) -> Former:
        decided = rng.randint(2, 8)
        marked = rng.randint(0, decided - 1)
        first = rng.randint(marked, decided - 1)  # the last before the hole
        behind = rng.randint(first + 2, decided + 1)
        published = *range(1, first + 1), *range(behind, decided + 1)
        others = (rng.choice(published),) if other and published else ()
        return Former(decided, marked, published, others)


# Before the epoch, at it, long ago, in ten years, in microseconds, the last instant of the year
# 9999, the one after it, and the greatest that a record can hold.
_ODD_TIMES = (
    -1, 0, 946_684_800_000, 2_100_000_000_000, 1_795_000_000_000_000, 253_402_300_799_999,
    253_402_300_800_000, 2**63 - 1,
)  # fmt: skip


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


@dataclass
class Order:
    """An order as the judge knows it."""

    order_id: str
    entered: float
    started: float  # when its clock starts by what is published first
    # Its order-created records that tell a deadline, and when they came.
    told: dict[Place, datetime] = field(default_factory=dict)
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

    def forget(self, places: Collection[Place]) -> None:
        """What stood there is lost, and nobody read it."""
        first_is_lost = bool(self.told) and next(iter(self.told)) in places
        self.told = {place: at for place, at in self.told.items() if place not in places}
        first = next(iter(self.told), None) if first_is_lost else None
        self.facts = [
            one
            for one in self.facts
            for place in [(one.topic, one.partition, one.offset)]
            # What is the first telling now tells nothing otherwise.
            if place not in places and not (place == first and isinstance(one.fact, Retold))
        ]
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

# How other systems write a status.
_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str, str, str, str.upper, str.title, lambda s: f" {s} ", lambda s: s.replace("-", "_"),
    lambda s: s.replace("canceled", "cancelled"),
    lambda s: s.title().replace("-", ""),
)  # fmt: skip


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


def make(rng: Random, rules: Rules) -> Scenario:
    """A scenario from a seed."""
    return _Maker(rng, rules).make()


class _Maker:
    def __init__(self, rng: Random, rules: Rules) -> None:
        self.rng = rng
        self.rules = rules
        self.sends: list[Send] = []
        self.orders: dict[str, Order] = {}
        created = rng.choice([1, 2, 2, 3])
        status = created if rng.random() < 0.6 else rng.choice([1, 2, 3])
        decisions = created if rng.random() < 0.8 else created + 1
        self.widths = {
            CREATED: created,
            STATUS: status,
            DECISIONS: decisions,
            LETTERS: rng.choice([1, 1, 2]),
        }
        self.grace = rng.choice([0.0, 1.0, 2.0, 2.0])
        self.foreign = rng.choice([0.0, 0.0, 0.3, 0.8])
        self.delay = rng.choice([0.05, 0.5, 2.0])
        self.poison = rng.choice([0.0, 0.1, 0.3])
        self.repeat = rng.choice([0.0, 0.1, 0.4])
        self.changing = rng.choice([0.0, 0.0, 0.2, 0.5])
        self.transactions: list[Producing] = []
        for _ in range(rng.choice([0, 0, 1, 2, 3])):
            begins = rng.uniform(0, 30)
            self.transactions.append(
                Producing(begins, begins + rng.uniform(0.1, 9.0), rng.random() < 0.75)
            )

    def make(self) -> Scenario:
        rng = self.rng
        for number in range(rng.randint(1, 7)):
            self._order(f"v{number}-{rng.randrange(1000):03}")
        narrow = self.foreign == 0 and self.widths[STATUS] >= self.widths[CREATED]
        begins = self._retention()
        return Scenario(
            widths=self.widths,
            workers=rng.choice([1, 2, 2, 3]),
            grace=self.grace,
            batch_size=rng.choice([1, 2, 3, 5, 100]),
            proof="lane" if narrow and rng.random() < 0.3 else "all",
            confirm_within=rng.choice([None, None, 3.0]),
            rules=self.rules,
            orders=self.orders,
            sends=sorted(self.sends, key=lambda send: send.at),
            transactions=self.transactions,
            begins=begins,
        )

    def _retention(self) -> dict[int, int]:
        rng = self.rng
        if rng.random() < 0.85:
            return {}
        begins = {p: rng.randint(1, 9) for p in range(self.widths[STATUS]) if rng.random() < 0.7}
        for partition in begins:
            # What retention left: a record of a stranger, whose time says nothing of what is gone.
            first = round(rng.uniform(-14.0, -0.001), 3)
            self._act("stranger", first, first, "ready-for-handling", partition)
        return begins

    def _order(self, order_id: str) -> None:
        rng = self.rng
        entered = round(rng.choice([rng.uniform(0, 12), rng.uniform(-16, 12)]), 6)
        if self.rules.brake:  # many at once, which is what it is for
            entered = round(rng.choice([-4.0, 6.0]) + rng.uniform(0, 0.1), 6)
        started = round(entered + rng.uniform(0, 4), 6) if self.rules.clock else entered
        order = self.orders[order_id] = Order(order_id, entered, started)
        if self.rules.field is not None and not self.rules.reminds:
            order.side = self.rules.field.choice(["plain"] * 3 + [*SIDES])
        home = order.home = rng.randrange(self.widths[CREATED])
        late = rng.uniform(0, 22) if rng.random() < 0.15 else rng.expovariate(1 / self.delay)
        sent = max(0.0, entered) + late
        if rng.random() < 0.97:
            self._created(order, home, sent)
            if rng.random() < self.repeat:
                # The narrow proof is for publishers that partition alike, repeats and all.
                astray = self.foreign and rng.random() < 0.2
                other = rng.randrange(self.widths[CREATED]) if astray else home
                self._created(order, other, sent + rng.uniform(0, 15))
        for status, occurred, more in self._acts(order):
            self._publish(order, home, status, max(occurred, entered), more)
        if self.rules.clock and self.rules.stop:
            self._stop(order, home, self.rules.clock, self.rules.stop)
        elif self.rules.clock:
            self._start(order, home, self.rules.clock)
        elif rng.random() < self.changing:
            self._changes(order, home)
        if rng.random() < self.poison and not self.rules.astray:
            self._poison(order, home)
        if self.rules.holds:
            self._hold(order, home)
        if self.rules.astray and not self.foreign:
            self._astray(order, home)
        if self.rules.field is not None:
            self._field(order, home, self.rules.field)

    def _field(self, order: Order, home: int, rng: Random) -> None:
        """Situations that other marketplaces reported; none takes a draw from the plain flow."""
        verdict = order.due + self.grace
        partition = home % self.widths[STATUS]

        def act(status: str, occurred: float, sent: float, **more: object) -> None:
            occurred, sent = round(occurred, 6), min(max(sent, occurred, 0.05), HEAL - 2)
            if occurred <= sent:
                self._act(order.order_id, occurred, sent, status, partition, more)

        begin = max(order.entered, order.started)
        some = rng.uniform(begin, order.due)
        course = rng.randrange(12)
        if course == 0:
            act("aceptado", some, some + rng.expovariate(1.0))
        elif course == 1:  # a word that nobody understands, stamped by a slow clock
            act("listo", order.due - rng.uniform(0, 3), verdict + rng.uniform(-0.5, 6))
        elif course == 2:  # somebody carries out our auto-cancel, and stamps it by a slow clock
            act("canceled", order.due - rng.uniform(0, 3), verdict + rng.uniform(0.5, 6))
        elif course == 3:  # cancelled, and alive again
            act("canceled", some, some + rng.expovariate(1.0))
            again = some + rng.uniform(0.1, 4)
            act("ready-for-handling", again, again + rng.expovariate(1.0))
        elif course == 4:  # alive again after our auto-cancel
            again = verdict + rng.uniform(1, 5)
            act("ready-for-handling", again, again)
        elif course == 5:  # some lines are cancelled
            act("canceled", some, some + rng.expovariate(1.0), lines=[{"sku": "A"}], partial=True)
        elif course == 6:
            act("start-handling", some, some + rng.expovariate(1.0))
            act("canceled", some + rng.uniform(-2, 2), some + 2 + rng.expovariate(1.0))
        elif course == 7 and any(send.order == order.order_id for send in self.sends):
            # Told again, for another seller.
            first = min(send.at for send in self.sends if send.order == order.order_id)
            sent = first + rng.choice([rng.uniform(0.01, 10), rng.uniform(0.01, 25)])
            if order.side == "plain" and not self.rules.reminds and rng.random() < 0.5:
                self._created(order, home, min(sent, HEAL - 2), side="dear")
            else:
                self._created(order, home, min(sent, HEAL - 2), seller="s-2")
        elif course == 9 and self.rules.clock is None:  # issued in time, and late on its way
            issued = round(rng.uniform(max(order.entered, 0), max(order.due, 0.01)), 6)
            for _ in range(rng.choice([1, 1, 2])):
                sent = min(max(verdict + rng.uniform(-1, 5), issued, 0.05), HEAL - 2)
                due = order.due + rng.uniform(0.5, 6)
                if issued <= sent:
                    self._change(order, home, "extended", sent, due, issued)
        elif (
            course == 10
            and self.rules.clock is None
            and any(send.order == order.order_id for send in self.sends)
        ):  # told again, with another time of entry
            first = min(send.at for send in self.sends if send.order == order.order_id)
            entered = order.entered + rng.choice([rng.uniform(-3, 4), rng.uniform(0, 20)])
            sent = max(first + rng.uniform(0.01, 12), entered)
            if sent <= HEAL - 2:
                self._created(order, home, sent, entered=round(entered, 6))
        elif course == 11 and order.side != "nobody":  # it may never be known as such
            if rng.random() < 0.4:  # and no readable one follows
                self.sends = [send for send in self.sends if send.order != order.order_id]
            self._half_readable(order, home)
        elif course == 8:  # a cancellation from before the order
            act("canceled", order.entered - rng.uniform(0.001, 9), max(0.05, some))

    def _created(
        self,
        order: Order,
        home: int,
        sent: float,
        seller: str = "s-1",
        entered: float | None = None,
        side: str | None = None,
    ) -> None:
        value: dict[str, object] = {
            "order_id": order.order_id,
            "seller_id": seller,
            "fulfilment": "courier",
            "entered_at": at(order.entered if entered is None else entered),
            "total": "12.50",
            "currency": "PEN",
            **SIDES[side or order.side],
        }
        facts: tuple[tuple[str, Fact], ...] = ()
        if side is not None:
            facts = ((order.order_id, Amended()),)
        elif seller != "s-1":
            facts = ((order.order_id, Retold()),)
        elif entered is not None:
            told = Act("order-created", BASE + timedelta(seconds=entered))
            facts = ((order.order_id, told),)
        self._send(sent, CREATED, home, order.order_id, value, facts, order.order_id)

    def _half_readable(self, order: Order, home: int) -> None:
        """An order-created that is refused, and whose deadline can be read."""
        rng = self.rules.field
        assert rng is not None
        sent = min(max(0.05, order.entered) + rng.choice([0, rng.uniform(0, 20)]), HEAL - 2)
        value = json.dumps({
            "order_id": order.order_id, "seller_id": None, "fulfilment": "courier",
            "entered_at": at(order.entered),
        }).encode()  # fmt: skip
        facts: tuple[tuple[str, Fact], ...] = ((order.order_id, Unreadable()),)
        key = order.order_id.encode()
        name = order.order_id
        self._emit(Send(sent, CREATED, home, key, value, (), facts, name, refused=True))

    def _start(self, order: Order, home: int, clock: str) -> None:
        """What starts the clock: mostly once, sometimes never or with a second, later instant."""
        rng = self.rng
        if rng.random() < 0.9:
            self._publish(order, home, clock, order.started, {})
        if rng.random() < 0.2:
            self._publish(order, home, clock, order.started + rng.uniform(0, 3), {})

    def _stop(self, order: Order, home: int, clock: str, stop: str) -> None:
        """A clock starts, often stops, and mostly starts again. Each is published at once."""
        rng = self.rules.further
        assert rng is not None
        partition, now = home % self.widths[STATUS], max(0.05, order.started)
        order.started = now
        self._act(order.order_id, now, now, clock, partition)
        if rng.random() < 0.3:
            return
        now = round(now + rng.choice([0.0, rng.uniform(0.01, 6)]), 6)
        self._act(order.order_id, now, now, stop, partition)
        if rng.random() < 0.8:
            now = round(now + rng.choice([0.0, rng.uniform(0.01, 8)]), 6)
            self._act(order.order_id, now, now, clock, partition)

    def _hold(self, order: Order, home: int) -> None:
        """Somebody holds an order, and forgets it."""
        rng = self.rules.further
        assert rng is not None
        changed = any(send.change and send.change[0] == order.order_id for send in self.sends)
        if order.due > 4 and not changed and rng.random() < 0.5:
            at = rng.uniform(max(0.05, order.entered), order.due - 3)
            self._change(order, home, "held", round(at, 6))

    def _astray(self, order: Order, home: int) -> None:
        """A record of the order's partition that cannot be read, and names nobody."""
        rng = self.rules.further
        assert rng is not None
        if rng.random() < 0.2:
            at = rng.choice([rng.uniform(0.05, 20), order.due + self.grace + rng.gauss(-0.2, 0.4)])
            partition = home % self.widths[STATUS]
            value = b"\xff" * rng.choice([3, 900])
            headers = (("content-type", b"text/plain"),)
            sent = min(max(at, 0.05), HEAL - 2)
            self._emit(
                Send(sent, STATUS, partition, None, value, headers, refused=True, astray=True)
            )

    def _acts(self, order: Order) -> list[tuple[str, float, dict[str, object]]]:
        """What the seller does, as (status, occurred at, more fields)."""
        rng = self.rng
        due = order.due

        def before() -> float:
            close = rng.choice([0.0, 1e-6, rng.uniform(0, 0.5)])
            return due - close if rng.random() < 0.4 else due - rng.uniform(0, WINDOW)

        def after() -> float:
            return due + (1e-6 if rng.random() < 0.3 else rng.uniform(1e-6, 6))

        good: dict[str, object] = {"validation": {"in_stock": True, "functional": True}}
        bad: dict[str, object] = {"validation": {"in_stock": rng.random() < 0.5, "complete": False}}
        form: dict[str, object] = {"dispute": {"text": "none left", "type": "CS",
                                               "responsible": "A B"}}  # fmt: skip
        first, second = sorted((before(), before()))
        course = rng.randrange(16)
        if course < 4:
            return []
        if course < 7:
            return [("start-handling", before(), good if rng.random() < 0.7 else {})]
        if course == 7:
            return [("start-handling", before(), bad)]
        if course == 8:
            return [("canceled", before(), form if rng.random() < 0.7 else {})]
        if course == 9:
            return [("start-handling", first, bad), ("dispute-opened", second, form)]
        if course == 10:
            return [("dispute-opened", first, form), ("dispute-resolved", second, {})]
        if course == 11:
            return [("start-handling", after(), good)]
        if course == 12:
            return [("canceled", after(), form)]
        if course == 13:
            return [("dispute-opened", after(), form)]
        if course == 14:
            return [("start-handling", before(), good), ("canceled", after(), {})]
        return [
            (rng.choice(["handling", "canceled", "dispute-opened", "invoiced"]), moment, {})
            for moment in (before(), after())
        ]

    def _publish(
        self, order: Order, home: int, status: str, occurred: float, more: dict[str, object]
    ) -> None:
        rng = self.rng
        delay = rng.random()
        if delay < 0.5:
            sent = occurred + rng.expovariate(1 / self.delay)
        elif delay < 0.8:
            # About when the verdict may fall.
            sent = order.due + self.grace + rng.gauss(-0.2, 0.4)
        else:
            sent = occurred + rng.uniform(0, 25)
        # Nobody tells of what has not happened yet.
        sent = min(max(sent, occurred, 0.05), HEAL - 2)
        if occurred > sent:
            return
        foreign = rng.random() < self.foreign
        width = self.widths[STATUS]
        partition = rng.randrange(width) if foreign else home % width
        self._act(order.order_id, occurred, sent, status, partition, more)
        if rng.random() < self.repeat:
            if rng.random() < 0.3:
                partition = rng.randrange(width) if self.foreign else partition
            again = min(sent + rng.uniform(0, 12), HEAL - 2)
            self._act(order.order_id, occurred, again, status, partition, more)

    def _act(
        self,
        order_id: str,
        occurred: float,
        sent: float,
        status: str,
        partition: int,
        more: dict[str, object] | None = None,
    ) -> None:
        value = {
            "order_id": order_id,
            "status": status,
            "occurred_at": at(occurred),
            **(more or {}),
        }
        validation = value.get("validation")
        stock_ok = None
        if isinstance(validation, dict):
            stock_ok = False not in validation.values()
        told = "canceled-in-part" if value.get("partial") else status
        if self.rules.field is not None:
            value["status"] = self.rules.field.choice(_SPELLINGS)(status)
        act = Act(told, BASE + timedelta(seconds=round(occurred, 6)), stock_ok)
        facts = ((order_id, act),) if order_id in self.orders else ()
        self._send(sent, STATUS, partition, order_id, value, facts)

    def _changes(self, order: Order, home: int) -> None:
        """An extension, or a hold that is released, at any time until the verdict and after it."""
        rng = self.rng
        first = rng.choice([
            max(0.0, order.entered) + rng.uniform(0, WINDOW),
            order.due + self.grace + rng.gauss(-0.2, 0.4),
        ])  # fmt: skip
        first = min(max(first, 0.05), HEAL - 8)
        if rng.random() < 0.5:
            self._change(order, home, "extended", first, order.due + rng.uniform(0.5, 6))
        else:
            self._change(order, home, "held", first)
            self._change(order, home, "released", first + rng.uniform(0.1, 6))

    def _change(
        self,
        order: Order,
        home: int,
        kind: str,
        sent: float,
        due: float | None = None,
        issued: float | None = None,
    ) -> None:
        rng = self.rng
        width = self.widths[STATUS]
        partition = rng.randrange(width) if rng.random() < self.foreign else home % width
        value = {
            "order_id": order.order_id,
            "occurred_at": at(sent if issued is None else issued),
            "author": "A B",
            "reason": "asked for it",
            **({} if due is None else {"due": at(due)}),
        }
        kept = None if due is None else round(due, 6)
        self._emit(
            Send(
                sent,
                STATUS,
                partition,
                order.order_id.encode(),
                json.dumps(value).encode(),
                (
                    ("ce_specversion", b"1.0"),
                    ("ce_type", f"marketplace.order.deadline-{kind}.v1".encode()),
                ),
                change=(order.order_id, kind, kept, sent if issued is None else issued),
            )
        )

    def _poison(self, order: Order, home: int) -> None:
        """A record that names the order and cannot be read."""
        rng = self.rng
        moment = rng.choice([
            max(0.0, order.entered) + rng.uniform(0, 15),
            order.due + self.grace + rng.gauss(-0.2, 0.4),
        ])  # fmt: skip
        sent = min(max(moment, 0.05), HEAL - 2)
        topic = rng.choice([CREATED, STATUS, STATUS])
        width = self.widths[topic]
        partition = rng.randrange(width) if rng.random() < self.foreign else home % width
        body = {"order_id": order.order_id, "status": "start-handling", "occurred_at": at(sent)}
        key: bytes | None = order.order_id.encode()
        kind = rng.randrange(6)
        headers: tuple[tuple[str, bytes], ...] = ()
        if kind == 0:
            value = b'{"order_id": broken'
        elif kind == 1:
            value, key = json.dumps({**body, "order_id": order.order_id}).encode(), b"another"
        elif kind == 2:
            value, key = b'x {"order_id":"' + order.order_id.encode() + b'"', None
        elif kind == 3:
            topic = STATUS
            partition %= self.widths[STATUS]
            value = json.dumps({**body, "occurred_at": at(sent + 9999)}).encode()
        elif kind == 4:
            topic = STATUS
            partition %= self.widths[STATUS]
            value = json.dumps({**body, "note": REFUSED}).encode()
        else:
            value, headers = b"\xff" * rng.choice([3, 900]), (("content-type", b"text/plain"),)
        facts = ((order.order_id, Unreadable()),)
        self._emit(Send(sent, topic, partition, key, value, headers, facts, refused=True))

    def _send(
        self,
        sent: float,
        topic: str,
        partition: int,
        key: str,
        value: dict[str, object],
        facts: tuple[tuple[str, Fact], ...] = (),
        order: str | None = None,
    ) -> None:
        raw = json.dumps(value).encode()
        self._emit(Send(sent, topic, partition, key.encode(), raw, (), facts, order))

    def _emit(self, send: Send) -> None:
        rng = self.rng
        open_then = [
            number
            for number, one in enumerate(self.transactions)
            if one.begins <= send.at <= one.ends
        ]
        if open_then and send.order is None and send.change is None and rng.random() < 0.6:
            number = rng.choice(open_then)
            if self.transactions[number].commits or not send.refused:
                send = Send(**{**send.__dict__, "transaction": number})
        self.sends.append(send)
