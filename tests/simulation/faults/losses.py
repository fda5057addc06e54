"""Logs that lose records, stall, or get another partition."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.simulation.kafka import Log
from tests.simulation.scenario.records import STATUS, handled
from tests.simulation.scenario.rules import HEAL
from tests.simulation.scenario.words import Loss
from worker.records import Record

if TYPE_CHECKING:
    from tests.simulation.world import World


class Losses:
    """The losses of a run.

    ``went_back`` are lanes with a log that went back, and ``lost`` the places of the records that
    it lost, read or not. ``added`` is the partition of acts that was added.
    """

    def __init__(self, world: "World") -> None:
        self.world = world
        self.went_back: set[int] = set()
        self.lost: set[tuple[str, int, int]] = set()
        # By log, the offsets below its position that were lost: nobody reads what they hold next.
        self._passed: dict[tuple[str, int], set[int]] = defaultdict(set)
        self.added: int | None = None

    def lose(self, loss: Loss) -> None:
        """A log loses records, as :class:`Loss` says."""
        number = loss.partition % self.world.scenario.widths[loss.topic]
        log = self.world.broker.logs[loss.topic, number]
        count = round(loss.share * len(log.entries)) or min(loss.acts, len(log.entries))
        # With a record at least: the loss of markers alone shows in no mark.
        while 0 < count < len(log.entries) and all(not e.record for e in log.entries[-count:]):
            count += 1
        self.world.count(f"loss by {loss.kind}")
        self.world.note(None, "fault", f"loss by {loss.kind}", f"{loss.topic}/{number} {count}")
        if loss.kind == "retention":
            log.forget_first(count)
        elif loss.kind == "compaction":
            log.compact(count)
        elif loss.kind == "election":
            self._went_back(log, log.forget_last(count))
            self.world.later(0.01, self._act_late, loss, number)
        else:
            for number in range(self.world.scenario.widths[loss.topic]):
                log = self.world.broker.logs[loss.topic, number]
                self._went_back(log, log.begin_anew())
            # The group sees other metadata.
            self.world.broker.group.rebalance()

    def when(self, loss: Loss) -> float:
        """Its time; for a log that is to end where it did, shortly before a deadline."""
        orders = [*self.world.scenario.orders.values()]
        if not loss.acts or not orders:
            return loss.at
        return min(max(2.0, orders[loss.partition % len(orders)].due - 0.3), HEAL - 4)

    def _act_late(self, loss: Loss, partition: int) -> None:
        """Sellers whose time is not over yet take up orders of theirs."""
        now = self.world.loop.now
        width = self.world.scenario.widths[STATUS]
        orders = [
            one
            for one in self.world.scenario.orders.values()
            if one.entered < now < one.due
            # The narrow proof is for publishers that partition alike.
            and (self.world.scenario.proof == "all" or one.home % width == partition)
        ]
        for order in self.world.odd.sample(orders, min(loss.acts, len(orders))):
            self.world.send(handled(order, round(now, 6), partition))

    def _went_back(self, log: Log, lost: list[Record]) -> None:
        self.went_back.add(log.partition)
        self.lost |= {(log.topic, log.partition, record.offset) for record in lost}
        row = self.world.database.tables["positions"].get((log.topic, log.partition))
        if row is not None and row["next_offset"] > log.end:
            self._passed[log.topic, log.partition].update(range(log.end, row["next_offset"]))
        self.forget(log, lost)

    @property
    def must_notice(self) -> set[int]:
        """The lanes with records that nobody reads, where others were read before.

        Of one that compaction has removed since, no trace is left.
        """
        return {
            partition
            for (topic, partition), offsets in self._passed.items()
            for record in self.world.broker.logs[topic, partition].records()
            if record.offset in offsets
        }

    def forget(self, log: Log, lost: Iterable[Record]) -> None:
        """Records that nobody has read and nobody will: they tell of nothing."""
        places = {(log.topic, log.partition, record.offset) for record in lost}
        for place in places:
            self.world.refused.pop(place, None)
            self.world.changes.discard(place)
        for order in self.world.scenario.orders.values():
            order.forget(places)

    def widen(self) -> None:
        """The topic of acts gets another partition; some publishers write to it."""
        self.world.count("partition added")
        number = self.world.broker.widths[STATUS]
        self.world.note(None, "fault", "partition added", number)
        self.world.broker.logs[STATUS, number] = Log(STATUS, number)
        self.world.broker.widths[STATUS] = number + 1
        self.world.broker.group.rebalance()
        self.added = number

    def stall(self, log: Log, seconds: float) -> None:
        log.stalled_until = min(self.world.loop.now + seconds, HEAL)
        self.world.note(None, "fault", "stall", f"{log.topic}/{log.partition} {seconds:.1f}")
        self.world.count("stall")
