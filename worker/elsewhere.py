"""What other databases hold of a lane's orders: evidence that came by lanes whose home they are.

One repeatable-read snapshot of each, with its positions: what an event says was read there is
neither more nor less than the acts it was judged by. All are taken behind the lane's fence, and so
after the proof: what stood in the logs by then is committed in whichever database, and seen. And
after the order entered: an act is committed before its snapshot, and counts, or after it, and then
leaves a stray that finds the order (:mod:`worker.hand_over`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from worker.cases import act_of, refusal_of
from worker.domain.acts import DECISIVE, Act
from worker.domain.case import Case
from worker.errors import DatabaseUnavailable, EvidenceUnavailable
from worker.store import Store, Transaction, columns, text_array


@dataclass(slots=True)
class Found:
    """What was found of some orders."""

    positions: list[Any] = field(default_factory=list)
    acts: list[Any] = field(default_factory=list)
    refusals: list[Any] = field(default_factory=list)
    changes: list[Any] = field(default_factory=list)
    # Orders that another database is home to, unless they were decided here.
    strangers: set[str] = field(default_factory=set)
    # And of those how many were given up, with how many open deadlines.
    given_up: int = 0
    disarmed: int = 0

    def complete(self, cases: Sequence[Case]) -> Sequence[Case]:
        """The cases with what was found."""
        if not self.acts and not self.refusals:
            return cases
        acts, refusals = _by_order(self.acts), _by_order(self.refusals)
        return [
            case._replace(
                acts=_without_repeats([*case.acts, *map(act_of, acts[case.order.order_id])]),
                refusals=(*case.refusals, *map(refusal_of, refusals[case.order.order_id])),
            )
            for case in cases
        ]

    async def settle(self, tx: Transaction, lane: int) -> None:
        """Write down in the lane's own database what its transaction must go by."""
        if self.changes:
            await tx.execute(
                "copy_changes", *columns([tuple(row.values()) for row in self.changes])
            )
        if self.strangers:
            row = await tx.row("give_up_orders", lane, sorted(self.strangers))
            assert row is not None
            self.given_up, self.disarmed = row["given_up"], row["disarmed"]


class Elsewhere:
    """The databases that are not a lane's own; none where there is but one.

    ``before`` and ``after`` it, as the settings list them: all workers list them alike.
    """

    def __init__(
        self,
        before: Sequence[Store] = (),
        after: Sequence[Store] = (),
        clocks: Collection[str] = (),
        turn: AbstractAsyncContextManager[Any] | None = None,
    ) -> None:
        self._stores = [(store, True) for store in before] + [(store, False) for store in after]
        self._statuses = [*DECISIVE, *clocks]
        self.turn = turn or nullcontext()

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self._stores)

    async def look(self, order_ids: Sequence[str]) -> Found:
        """What all of them hold of these orders; call it behind the lane's fence.

        Raises:
            EvidenceUnavailable: one of them does not answer.
        """
        found = Found()
        if not order_ids:
            return found
        for store, precedes in self._stores:
            try:
                async with store.transaction(one_snapshot=True) as tx:
                    await self._look(tx, order_ids, found, precedes=precedes)
            except DatabaseUnavailable as error:
                raise EvidenceUnavailable(f"another database: {error}") from None
        return found

    async def _look(
        self, tx: Transaction, order_ids: Sequence[str], found: Found, *, precedes: bool
    ) -> None:
        known = await tx.rows("known_orders", order_ids)
        found.positions += await tx.rows("positions")
        if not known:
            return
        ids = text_array([row["order_id"] for row in known])
        found.acts += await tx.rows("case_acts", ids, self._statuses)
        found.refusals += await tx.rows("case_refusals", ids)
        found.changes += await tx.rows("read_changes", ids)
        # An order may have entered in several, by partitioners that differ. Home is where it was
        # decided, else the first that has it.
        found.strangers.update(
            row["order_id"]
            for row in known
            if row["lane"] is not None and (row["decided"] or precedes)
        )


def _by_order(rows: Iterable[Any]) -> Mapping[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row["order_id"]].append(row)
    return found


def _without_repeats(acts: Iterable[Act]) -> tuple[Act, ...]:
    """As sql/case_acts.sql does within one database: of repeats the first that was received."""
    first: dict[Any, Act] = {}
    for act in sorted(acts, key=_received):
        same = act.status, act.occurred_at, act.stock_ok, act.form_complete
        first.setdefault(same, act)
    return tuple(first.values())


def _received(act: Act) -> Any:
    place = act.place
    return act.received_at, place.topic, place.partition, place.offset
