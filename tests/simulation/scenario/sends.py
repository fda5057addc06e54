"""How publishers write: when, to which partition, how often, and in which spelling."""

import json
from collections.abc import Callable
from datetime import timedelta
from random import Random

from tests.end_to_end.oracle import Act, Amended, Fact, Unreadable
from tests.simulation.kafka import BASE
from tests.simulation.scenario.records import (
    CREATED,
    DECISIONS,
    LETTERS,
    SIDES,
    STATUS,
    Order,
    Producing,
    Send,
    at,
)
from tests.simulation.scenario.rules import HEAL, Rules
from tests.simulation.statements import REFUSED

# How other systems write a status.
_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str, str, str, str.upper, str.title, lambda s: f" {s} ", lambda s: s.replace("-", "_"),
    lambda s: s.replace("canceled", "cancelled"),
    lambda s: s.title().replace("-", ""),
)  # fmt: skip


class Publishers:
    """The publishers of a run. ``sends`` is all that they write, and ``orders`` whom it tells of.

    The shares of records that come ``foreign``, ``poisoned`` or repeated, and of orders that
    ``change``, hold for a whole run.
    """

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
        self.poisoned = rng.choice([0.0, 0.1, 0.3])
        self.repeat = rng.choice([0.0, 0.1, 0.4])
        self.changing = rng.choice([0.0, 0.0, 0.2, 0.5])
        self.transactions: list[Producing] = []
        for _ in range(rng.choice([0, 0, 1, 2, 3])):
            begins = rng.uniform(0, 30)
            self.transactions.append(
                Producing(begins, begins + rng.uniform(0.1, 9.0), rng.random() < 0.75)
            )

    def created(
        self,
        order: Order,
        home: int,
        sent: float,
        seller: str = "s-1",
        entered: float | None = None,
        side: str | None = None,
    ) -> None:
        """An order-created: the first of its order, or told again in another way."""
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
        elif entered is not None:
            told = Act("order-created", BASE + timedelta(seconds=entered))
            facts = ((order.order_id, told),)
        self._send(sent, CREATED, home, order.order_id, value, facts, order.order_id, seller)

    def withdraw(self, order: Order) -> None:
        """Publish no order-created of an order after all."""
        self.sends = [send for send in self.sends if send.order != order.order_id]

    def half_readable(self, order: Order, home: int) -> None:
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

    def astray(self, order: Order, home: int) -> None:
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

    def publish(
        self, order: Order, home: int, status: str, occurred: float, more: dict[str, object]
    ) -> None:
        """An act, sent some time after it happened, perhaps to another lane and perhaps twice."""
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
        self.act(order.order_id, occurred, sent, status, partition, more)
        if rng.random() < self.repeat:
            if rng.random() < 0.3:
                partition = rng.randrange(width) if self.foreign else partition
            again = min(sent + rng.uniform(0, 12), HEAL - 2)
            self.act(order.order_id, occurred, again, status, partition, more)

    def act(
        self,
        order_id: str,
        occurred: float,
        sent: float,
        status: str,
        partition: int,
        more: dict[str, object] | None = None,
    ) -> None:
        """An act, sent at a time to a partition."""
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

    def change(
        self,
        order: Order,
        home: int,
        kind: str,
        sent: float,
        due: float | None = None,
        issued: float | None = None,
    ) -> None:
        """A change of a deadline."""
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

    def poison(self, order: Order, home: int) -> None:
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
        seller: str | None = None,
    ) -> None:
        raw = json.dumps(value).encode()
        self._emit(Send(sent, topic, partition, key.encode(), raw, (), facts, order, seller))

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
