"""The verdicts of a sweep: each is of one order, or of all orders that are alike."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from worker.domain.case import Case, Finding, Judgement, Kind, Outcome

# Finding, outcome and number of decisions.
Settlement = tuple[Finding | None, Outcome | None, int]


class Verdict(NamedTuple):
    """One judgement. It decides the order of the case, or each order of the ``alike`` rows.

    The case is that of one of these rows then.
    """

    case: Case
    judgement: Judgement
    alike: Sequence[Any] = ()

    @property
    def orders(self) -> list[tuple[str, str]]:
        """The orders that it is of, each with its seller."""
        if self.alike:
            return [(row["order_id"], row["seller_id"]) for row in self.alike]
        order = self.case.order
        return [(order.order_id, order.seller_id)]

    @property
    def is_first(self) -> bool:
        """Whether it is the first of its orders, in their cycle."""
        return self.case.finding is None and self.judgement.finding is not None

    @property
    def cancels(self) -> bool:
        """Whether it cancels its orders now."""
        return any(decision.kind == Kind.AUTO_CANCEL for decision in self.judgement.decisions)

    def parted(self, permitted: Collection[str]) -> "tuple[Verdict | None, Verdict | None]":
        """The verdict on those of its orders, and on the others."""
        if not self.alike:
            return (self, None) if self.case.order.order_id in permitted else (None, self)
        let = [row for row in self.alike if row["order_id"] in permitted]
        others = [row for row in self.alike if row["order_id"] not in permitted]
        return (
            self._replace(alike=let) if let else None,
            self._replace(alike=others) if others else None,
        )


@dataclass(slots=True)
class Judged:
    """The orders of a sweep: judged, held by the brake, or faulty because our own code failed.

    ``first`` are those with their first verdict, by its outcome; ``settled`` are all that were
    judged, by their finding, outcome and number of decisions.
    """

    first: defaultdict[Outcome | None, list[str]] = field(default_factory=lambda: defaultdict(list))
    settled: defaultdict[Settlement, list[str]] = field(default_factory=lambda: defaultdict(list))
    held: set[str] = field(default_factory=set)
    faulty: set[str] = field(default_factory=set)
    # Of some order, not all new changes were considered.
    unfinished: bool = False

    @property
    def orders(self) -> int:
        """Number of orders that were judged."""
        return sum(map(len, self.settled.values()))

    def settle(self, verdict: Verdict) -> None:
        """Keep a verdict, except on faulty orders."""
        orders = [order_id for order_id, _ in verdict.orders if order_id not in self.faulty]
        case, judgement = verdict.case, verdict.judgement
        decisions = case.decided + len(judgement.decisions)
        self.settled[judgement.finding, judgement.outcome, decisions] += orders
        if verdict.is_first:
            self.first[judgement.outcome] += orders
