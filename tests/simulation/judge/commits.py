"""What must hold for every transaction that commits, whatever else happens."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.simulation.database import Tx
from tests.simulation.judge.reminders import REMINDER, acted
from tests.simulation.statements import REMINDERS

if TYPE_CHECKING:
    from tests.simulation.world import World


class Commits:
    """Judges each transaction of the workers when it commits."""

    def __init__(self, world: "World") -> None:
        self._world = world
        # What sweeps took of the brake's limit, and when; how many orders they cancelled.
        self._taken: list[tuple[datetime, int]] = []
        self._cancelled = 0
        # By lane and sequence, when the transaction of a decision began.
        self.began: dict[tuple[int, int], float] = {}

    def judge(self, tx: Tx) -> None:
        """Note each rule that this transaction breaks."""
        if tx.owner is None or tx.owner.name == "servers":
            return
        written = {key[1] for key, row in tx.writes.get("positions", {}).items() if row}
        written |= {key[0] for key in tx.writes.get("decisions", ())}
        lanes = tx.database.tables["lanes"]
        for lane in written:
            owner = lanes[lane]["owner"] if lane in lanes else None
            if owner != tx.owner.name:
                self._broken(f"{tx.owner.name} wrote to lane {lane}, owned by {owner}")
        self.began.update((key, tx.began) for key in tx.writes.get("decisions", ()))
        self._brake(tx)
        self._reminders(tx)
        self._reminded(tx)
        self._world.lateness.committing(tx)
        for key, row in tx.writes.get("positions", {}).items():
            before = tx.database.tables["positions"].get(key)
            if before is not None and row["next_offset"] < before["next_offset"]:
                self._broken(f"position of {key} goes back")

    def _brake(self, tx: Tx) -> None:
        """No more auto-cancels in any window than the limit, and none that was not counted."""
        limit = self._world.scenario.rules.brake
        if limit is None or self._world.words.lost_commits or self._world.words.clocks_ahead:
            return  # what is counted may be lost, or counted at another time
        before = tx.database.tables["brake_counts"]
        for key, row in tx.writes.get("brake_counts", {}).items():
            # A row that has grown is replaced.
            cancels = row["cancels"] if row is not None else -before[key]["cancels"]
            self._taken.append((key[0], cancels))
            since = key[0] - self._world.settings.brake_window
            if row and sum(cancels for at, cancels in self._taken if at > since) > limit:
                self._broken(f"more than {limit} within the window")
        decided = tx.writes.get("decisions", {}).values()
        self._cancelled += sum(row["kind"] == "auto-cancel" for row in decided)
        if self._cancelled > sum(cancels for _, cancels in self._taken):
            self._broken("an auto-cancel that the brake never saw")

    def _reminders(self, tx: Tx) -> None:
        """Whoever gives an order its deadline plans the reminders that still lie ahead."""
        if not self._world.scenario.rules.reminds:
            return
        now = self._world.instant() + timedelta(seconds=self._world.clocks.most_ahead(tx.owner))
        planned = {**tx.database.tables["reminders"], **tx.writes.get("reminders", {})}
        for order_id, row in tx.writes.get("orders", {}).items():
            was = tx.database.tables["orders"].get(order_id)
            if row["due"] is None or (was is not None and was["due"] == row["due"]):
                continue
            for before in REMINDERS:
                at = row["due"] - before
                if at > now and planned.get((row["lane"], at, order_id)) is None:
                    self._broken(f"{order_id} has no reminder")

    def _reminded(self, tx: Tx) -> None:
        """Whoever puts a reminder away sends it, as long as the seller is silent."""
        gone: dict[str, datetime] = {}
        for key, row in tx.writes.get("reminders", {}).items():
            if row is None:
                _, at, order_id = key
                gone[order_id] = max(at, gone.get(order_id, at))
        sent = {
            row["order_id"]
            for row in tx.writes.get("decisions", {}).values()
            if row["kind"] == REMINDER
        }
        now = self._world.instant() + timedelta(seconds=self._world.clocks.most_ahead(tx.owner))
        for order_id in gone.keys() - sent:
            order = self._world.scenario.orders[order_id]
            row = tx.database.tables["orders"][order_id]
            if row["due"] is None:
                continue  # its clock was stopped
            written = tx.writes.get("orders", {}).get(order_id, row)
            moved = (
                order.changes
                or row["due"] - gone[order_id] not in REMINDERS
                # It is found only now that another act started its clock.
                or written["due"] != row["due"]
            )
            over = now > row["due"]
            if row["finding"] is None and not (moved or over or acted(order)):
                self._broken(f"{order_id} is silent, and was not reminded")

    def _broken(self, rule: str) -> None:
        self._world.violations.append(f"{self._world.loop.now:.3f}: {rule}")
