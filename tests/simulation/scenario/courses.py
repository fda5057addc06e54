"""What happens to the orders of a run: what sellers do, and what marketplaces send beside it."""

from random import Random

from tests.simulation.scenario.records import CREATED, SIDES, STATUS, Order, Scenario
from tests.simulation.scenario.rules import HEAL, WINDOW, Rules
from tests.simulation.scenario.sends import Publishers


def make(rng: Random, rules: Rules) -> Scenario:
    """A scenario from a seed."""
    return _Courses(Publishers(rng, rules)).make()


class _Courses:
    """What happens to each order."""

    def __init__(self, publishers: Publishers) -> None:
        self.rng = publishers.rng
        self.rules = publishers.rules
        self.publishers = publishers

    def make(self) -> Scenario:
        rng = self.rng
        for number in range(rng.randint(1, 7)):
            self._order(f"v{number}-{rng.randrange(1000):03}")
        publishers, widths = self.publishers, self.publishers.widths
        narrow = publishers.foreign == 0 and widths[STATUS] >= widths[CREATED]
        begins = self._retention()
        return Scenario(
            widths=widths,
            workers=rng.choice([1, 2, 2, 3]),
            grace=publishers.grace,
            batch_size=rng.choice([1, 2, 3, 5, 100]),
            proof="lane" if narrow and rng.random() < 0.3 else "all",
            confirm_within=rng.choice([None, None, 3.0]),
            rules=self.rules,
            orders=publishers.orders,
            sends=sorted(publishers.sends, key=lambda send: send.at),
            transactions=publishers.transactions,
            begins=begins,
        )

    def _retention(self) -> dict[int, int]:
        rng = self.rng
        if rng.random() < 0.85:
            return {}
        width = self.publishers.widths[STATUS]
        begins = {p: rng.randint(1, 9) for p in range(width) if rng.random() < 0.7}
        for partition in begins:
            # What retention left: a record of a stranger, whose time says nothing of what is gone.
            first = round(rng.uniform(-14.0, -0.001), 3)
            self.publishers.act("stranger", first, first, "ready-for-handling", partition)
        return begins

    def _order(self, order_id: str) -> None:
        rng, publishers = self.rng, self.publishers
        entered = round(rng.choice([rng.uniform(0, 12), rng.uniform(-16, 12)]), 6)
        if self.rules.brake:  # many at once, which is what it is for
            entered = round(rng.choice([-4.0, 6.0]) + rng.uniform(0, 0.1), 6)
        started = round(entered + rng.uniform(0, 4), 6) if self.rules.clock else entered
        order = publishers.orders[order_id] = Order(order_id, entered, started)
        if self.rules.field is not None and not self.rules.reminds:
            order.side = self.rules.field.choice(["plain"] * 3 + [*SIDES])
        home = order.home = rng.randrange(publishers.widths[CREATED])
        late = rng.uniform(0, 22) if rng.random() < 0.15 else rng.expovariate(1 / publishers.delay)
        sent = max(0.0, entered) + late
        if rng.random() < 0.97:
            publishers.created(order, home, sent)
            if rng.random() < publishers.repeat:
                # The narrow proof is for publishers that partition alike, repeats and all.
                astray = publishers.foreign and rng.random() < 0.2
                other = rng.randrange(publishers.widths[CREATED]) if astray else home
                publishers.created(order, other, sent + rng.uniform(0, 15))
        for status, occurred, more in self._acts(order):
            publishers.publish(order, home, status, max(occurred, entered), more)
        if self.rules.clock and self.rules.stop:
            self._stop(order, home, self.rules.clock, self.rules.stop)
        elif self.rules.clock:
            self._start(order, home, self.rules.clock)
        elif rng.random() < publishers.changing:
            self._changes(order, home)
        if rng.random() < publishers.poisoned and not self.rules.astray:
            publishers.poison(order, home)
        if self.rules.holds:
            self._hold(order, home)
        if self.rules.astray and not publishers.foreign:
            publishers.astray(order, home)
        if self.rules.field is not None:
            self._field(order, home, self.rules.field)

    def _field(self, order: Order, home: int, rng: Random) -> None:
        """Situations that other marketplaces reported; none takes a draw from the plain flow."""
        verdict = order.due + self.publishers.grace
        partition = home % self.publishers.widths[STATUS]

        def act(status: str, occurred: float, sent: float, **more: object) -> None:
            occurred, sent = round(occurred, 6), min(max(sent, occurred, 0.05), HEAL - 2)
            if occurred <= sent:
                self.publishers.act(order.order_id, occurred, sent, status, partition, more)

        told = sorted(send.at for send in self.publishers.sends if send.order == order.order_id)
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
        elif course == 7 and told:
            # Told again, for another seller.
            sent = told[0] + rng.choice([rng.uniform(0.01, 10), rng.uniform(0.01, 25)])
            if order.side == "plain" and not self.rules.reminds and rng.random() < 0.5:
                self.publishers.created(order, home, min(sent, HEAL - 2), side="dear")
            else:
                self.publishers.created(order, home, min(sent, HEAL - 2), seller="s-2")
        elif course == 9 and self.rules.clock is None:  # issued in time, and late on its way
            issued = round(rng.uniform(max(order.entered, 0), max(order.due, 0.01)), 6)
            for _ in range(rng.choice([1, 1, 2])):
                sent = min(max(verdict + rng.uniform(-1, 5), issued, 0.05), HEAL - 2)
                due = order.due + rng.uniform(0.5, 6)
                if issued <= sent:
                    self.publishers.change(order, home, "extended", sent, due, issued)
        elif course == 10 and self.rules.clock is None and told:
            # Told again, with another time of entry.
            entered = order.entered + rng.choice([rng.uniform(-3, 4), rng.uniform(0, 20)])
            sent = max(told[0] + rng.uniform(0.01, 12), entered)
            if sent <= HEAL - 2:
                self.publishers.created(order, home, sent, entered=round(entered, 6))
        elif course == 11 and order.side != "nobody":  # it may never be known as such
            if rng.random() < 0.4:  # and no readable one follows
                self.publishers.withdraw(order)
            self.publishers.half_readable(order, home)
        elif course == 8:  # a cancellation from before the order
            act("canceled", order.entered - rng.uniform(0.001, 9), max(0.05, some))

    def _start(self, order: Order, home: int, clock: str) -> None:
        """What starts the clock: mostly once, sometimes never or with a second, later instant."""
        rng = self.rng
        if rng.random() < 0.9:
            self.publishers.publish(order, home, clock, order.started, {})
        if rng.random() < 0.2:
            self.publishers.publish(order, home, clock, order.started + rng.uniform(0, 3), {})

    def _stop(self, order: Order, home: int, clock: str, stop: str) -> None:
        """A clock starts, often stops, and mostly starts again. Each is published at once."""
        rng = self.rules.further
        assert rng is not None
        partition, now = home % self.publishers.widths[STATUS], max(0.05, order.started)
        order.started = now
        self.publishers.act(order.order_id, now, now, clock, partition)
        if rng.random() < 0.3:
            return
        now = round(now + rng.choice([0.0, rng.uniform(0.01, 6)]), 6)
        self.publishers.act(order.order_id, now, now, stop, partition)
        if rng.random() < 0.8:
            now = round(now + rng.choice([0.0, rng.uniform(0.01, 8)]), 6)
            self.publishers.act(order.order_id, now, now, clock, partition)

    def _hold(self, order: Order, home: int) -> None:
        """Somebody holds an order, and forgets it."""
        rng = self.rules.further
        assert rng is not None
        sends = self.publishers.sends
        changed = any(send.change and send.change[0] == order.order_id for send in sends)
        if order.due > 4 and not changed and rng.random() < 0.5:
            at = rng.uniform(max(0.05, order.entered), order.due - 3)
            self.publishers.change(order, home, "held", round(at, 6))

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

    def _changes(self, order: Order, home: int) -> None:
        """An extension, or a hold that is released, at any time until the verdict and after it."""
        rng = self.rng
        first = rng.choice([
            max(0.0, order.entered) + rng.uniform(0, WINDOW),
            order.due + self.publishers.grace + rng.gauss(-0.2, 0.4),
        ])  # fmt: skip
        first = min(max(first, 0.05), HEAL - 8)
        if rng.random() < 0.5:
            self.publishers.change(order, home, "extended", first, order.due + rng.uniform(0.5, 6))
        else:
            self.publishers.change(order, home, "held", first)
            self.publishers.change(order, home, "released", first + rng.uniform(0.1, 6))
