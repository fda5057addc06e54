"""The prover of freshness: no verdict is issued before all evidence against it has been read.

A probe at or after the deadline plus its grace takes the end offsets of every input partition. The
proof exists once the *stored* positions of all workers have reached them: the transaction of the
verdict sees committed records only. No time-out ever replaces the proof.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from worker.clock import Clock, Clocks
from worker.errors import DatabaseUnavailable, KafkaUnavailable, OtherLog
from worker.freshness.evidence import EvidenceScope, Proof
from worker.freshness.same_log import Logs, Stored, check_same
from worker.kafka.offsets import Tip
from worker.observability.guards import Guards
from worker.observability.labels import Guard
from worker.observability.logs import logger
from worker.observability.metrics import Metrics
from worker.records import Partition
from worker.storage.database import Database

log = logger(__name__)

Ends = dict[Partition, int]

# A proof that takes longer than this is probed again: a log that was truncated meanwhile ends
# before the offset we wait for.
_REPROBE = 5.0
_POLL = 0.05
_POLL_SLOW = 0.5
_SKEW_WAIT = 1.0
_SAME = 0.02  # seconds between two clocks that count as no difference
# Most proofs under way for one lane, and the seconds between their probes.
_MOST, _APART = 8, 0.25
# A log that ends earlier than before was truncated, or a leader answers that was deposed and does
# not know it. The latter ends by itself: the smaller end counts after so many seconds.
_BELIEVED = 15.0
# A proof is late after a wait of so many seconds.
_LATE = 0.25


class Probe(Logs, Protocol):
    """Reads the ends of the logs."""

    async def tips(self) -> Mapping[Partition, Tip]:
        """End offset (high watermark) of every input partition, and the identity of each log.

        Raises:
            KafkaUnavailable: some end is not available now.
        """
        ...


@dataclass(slots=True)
class PendingProof:
    """A proof under way: it exists once the ends are reached."""

    at: datetime
    ends: Ends
    probed: float  # monotonic seconds; later than ``started`` once probed again
    started: float  # monotonic seconds, not before the clocks showed ``at``

    def missing(self, positions: Mapping[Partition, int]) -> int:
        """Number of records of these partitions that it still needs."""
        return sum(max(0, self.ends.get(p, 0) - position) for p, position in positions.items())


class Prover:
    """Proofs for the lanes of one worker.

    With a narrow scope a lane waits for its own partitions only.
    """

    def __init__(
        self,
        probe: Probe,
        database: Database,
        scope: EvidenceScope,
        clock: Clock,
        clocks: Clocks,
        metrics: Metrics,
        guards: Guards,
    ) -> None:
        self._probe = probe
        self._database = database
        self._scope = scope
        self._clock = clock
        self._clocks = clocks
        self._metrics = metrics
        self._guards = guards
        # By lane if the scope is narrow; else one for all lanes, under the key None.
        self._proofs: dict[int | None, Proof] = {}
        # Oldest first: its ends are reached first.
        self._pending: dict[int | None, list[PendingProof]] = {}
        # Lane and the time that it needs proven: for its verdicts, and for its reminders.
        self._waiting: dict[object, tuple[int, datetime]] = {}
        # Lanes that will wait: see soon().
        self._soon: set[int] = set()
        # By partition, the end that counts, and since when answers were below it.
        self._ends: Ends = {}
        self._below: dict[Partition, float] = {}
        # The logs that were found to be those that were read; and those that were not.
        self._recognised: dict[Partition, object] = {}
        self._others: set[Partition] = set()
        # By log, the end at which it was recognised, if not all was read up to there.
        self._unsettled: Ends = {}
        self._wanted = asyncio.Event()
        self._proven = asyncio.Condition()
        self._progress = asyncio.Event()
        # Lanes with a deadline that is due by the database's clock and not yet by ours.
        self._early = 0
        self.held_by: Guard | None = None
        self.behind: list[tuple[str, int, int]] = []  # topic, partition, records missing

    @property
    def proven_at(self) -> datetime | None:
        """The time up to which all evidence has been read, over all lanes."""
        return min((proof.at for proof in self._proofs.values()), default=None)

    def progressed(self) -> None:
        """Report that a position of ours was committed: it may complete a proof."""
        self._progress.set()

    async def proven(self, lane: int, at: datetime) -> Proof:
        """Wait for a proof of ``at`` or later; as long as it takes."""
        scope = self._key(lane)
        waiter = object()
        self._waiting[waiter] = lane, at
        try:
            while (proof := self._valid(scope)) is None or proof.at < at:
                self._wanted.set()
                async with self._proven:
                    await self._proven.wait()
            return proof
        finally:
            self._waiting.pop(waiter)
            self._show()

    def drop(self, proof: Proof) -> None:
        """Forget a proof that does not hold any more; lanes that wait are probed for again."""
        for scope in [scope for scope, kept in self._proofs.items() if kept is proof]:
            del self._proofs[scope]

    def due_by_database(self, lanes: int) -> None:
        """Report how many lanes wait for our clock while the database's says that they are due."""
        self._early = lanes
        self._show()

    def late(self) -> list[PendingProof]:
        """The next proofs that lanes have waited for too long."""
        if not self._waiting:
            return []
        before = self._clock.monotonic() - _LATE
        return [queue[0] for queue in self._pending.values() if queue[0].started < before]

    async def next_proof(self, within: float) -> None:
        """Wait for any proof, at most ``within`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within), self._proven:
                await self._proven.wait()

    def soon(self, lane: int) -> None:
        """Report that a lane still decides by an old proof and may need a later one next.

        A probe now requires only the records in the logs now. A probe once the lane waits would
        require all records that arrive in between as well.
        """
        self._soon.add(lane)
        self._wanted.set()

    async def run(self) -> None:
        """Serve the waiting lanes until cancelled."""
        while True:
            await self._wanted.wait()
            if not self._waiting and not self._soon:
                self._wanted.clear()
                continue
            pause = await self._cycle()
            self._show()
            if pause:
                self._progress.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._progress.wait(), pause)

    async def _cycle(self) -> float:
        """Start new proofs and complete those whose ends are reached; returns seconds to wait."""
        try:
            await self._probe_for_waiting()
            positions = await self._positions()
            if any(_reached(queue[0].ends, positions) for queue in self._pending.values()):
                await self._settle(positions)
        except KafkaUnavailable as error:
            return self._hold(Guard.PROBE, str(error), 1.0)
        except DatabaseUnavailable as error:
            return self._hold(Guard.DATABASE, str(error), 1.0)
        reached = False
        for key, queue in list(self._pending.items()):
            while queue and _reached(queue[0].ends, positions):
                pending = queue.pop(0)
                self._proofs[key] = Proof(pending.at, pending.ends, pending.started)
                self._metrics.proof_seconds.observe(self._clock.monotonic() - pending.started)
                reached = True
            if not queue:
                del self._pending[key]
        if reached:
            assert self.proven_at is not None
            self._metrics.proven_at.set(self.proven_at.timestamp())
            async with self._proven:
                self._proven.notify_all()
            # Lanes with a proof leave the queue before the next look at it.
            await asyncio.sleep(0)
        if not self._pending:
            self.behind = []
            if (missing := self._short_of_time()) > 0:
                # By our clock the time has come, by that of the database not yet.
                detail = f"{-self._clocks.skew:.3f} s"
                return self._hold(Guard.CLOCK, detail, min(missing, _SKEW_WAIT))
            self.held_by = None
            return 0.0
        if not self._waiting:
            return 0.0
        first = [queue[0] for queue in self._pending.values()]
        self.behind = sorted(
            (topic, number, end - positions.get((topic, number), 0))
            for pending in first
            for (topic, number), end in pending.ends.items()
            if positions.get((topic, number), -1) < end
        )
        waited = self._clock.monotonic() - min(pending.started for pending in first)
        return self._hold(
            Guard.BEHIND, str(self.behind[:5]), _POLL if waited < _REPROBE else _POLL_SLOW
        )

    async def _probe_for_waiting(self) -> None:
        now = self._clock.monotonic()
        waiting = {lane for lane, _ in self._waiting.values()}
        lanes = self._soon | waiting
        fresh = {key for key in map(self._key, waiting) if key not in self._pending}
        fresh |= {key for key in map(self._key, self._soon) if self._has_room(key, now)}
        self._soon.clear()  # also on failure: lanes that wait are probed again
        everywhere = [pending for queue in self._pending.values() for pending in queue]
        stale = [pending for pending in everywhere if now - pending.probed > _REPROBE]
        if not fresh and not stale:
            return
        # The earlier of two clocks, read *before* the ends: a verdict needs the deadline to be
        # over by both, so a worker whose clock runs ahead cancels no order.
        at = await self._clocks.measure(self._database.now)
        now = self._clock.monotonic()
        stored = await self._stored()
        known = {partition: one.next_offset for partition, one in stored.items()}
        tips = await self._probe.tips()
        ends = {partition: tip.end for partition, tip in tips.items()}
        if missing := known.keys() - ends.keys():
            # The metadata of the broker lags: a partition that it omits may hold evidence.
            raise KafkaUnavailable(f"no end offset for {sorted(missing)[:5]}")
        lanes |= {key for key in self._pending if key is not None}
        counted = [p for p in known if any(self._scope.covers(lane, p) for lane in lanes)]
        if beyond := [p for p in counted if known[p] > ends[p]]:
            # Truncated or created again: the position does not apply to the records there now. It
            # was read before the end, so it cannot merely have advanced.
            self._void(beyond)
            raise KafkaUnavailable(f"stored positions after the end of {sorted(beyond)[:5]}")
        await self._recognise({p: stored[p] for p in counted}, tips)
        ends = self._credible(ends, now)
        for key in fresh:
            chosen = {p: end for p, end in ends.items() if key is None or p[1] == key}
            self._pending.setdefault(key, []).append(PendingProof(at, chosen, now, now))
        for pending in stale:
            pending.probed = now
            # Never later ends: under a steady flow a moving target is never reached.
            pending.ends = {p: min(end, ends.get(p, end)) for p, end in pending.ends.items()}

    async def _recognise(
        self, stored: Mapping[Partition, Stored], tips: Mapping[Partition, Tip]
    ) -> None:
        """Check logs that have another topic, leader or connection than when they were checked.

        A log that lost its last records, and has grown to its old end, shows in nothing else: what
        it holds below our position was never read.
        """
        new = [p for p in stored if self._recognised.get(p) != tips[p].log or stored[p].other]
        if not new:
            return
        await self._check(new, stored)
        self._recognised.update((p, tips[p].log) for p in new)
        self._others.difference_update(new)
        self._unsettled.update((p, tips[p].end) for p in new if stored[p].next_offset < tips[p].end)

    async def _settle(self, positions: Mapping[Partition, int]) -> None:
        """Check logs again that were recognised before all was read up to their end.

        A client may hold records of a log that was cut since. They are stored after the log was
        recognised, and in place of the records that it holds now.
        """
        reached = [p for p, end in self._unsettled.items() if positions.get(p, 0) >= end]
        if not reached:
            return
        await self._check(reached, await self._stored())
        for partition in reached:
            del self._unsettled[partition]

    async def _check(
        self, partitions: Collection[Partition], stored: Mapping[Partition, Stored]
    ) -> None:
        try:
            await check_same(self._probe, partitions, stored)
        except OtherLog as error:
            self._others.add(error.log)
            self._void([error.log])
            # It is found again at each probe.
            self._recognised.pop(error.log, None)
            raise KafkaUnavailable(str(error)) from None

    def is_another(self, partition: Partition) -> bool:
        """Whether the log of a partition was found to be another than the one that was read."""
        return partition in self._others

    def _void(self, partitions: Collection[Partition]) -> None:
        """Forget the proofs that speak of logs that are there no more."""
        for key, proof in list(self._proofs.items()):
            if not proof.ends.keys().isdisjoint(partitions):
                del self._proofs[key]

    def _credible(self, ends: Ends, now: float) -> Ends:
        """The ends, and in place of one that went back what it was before, for a while."""
        for partition, end in ends.items():
            if end < self._ends.get(partition, 0):
                since = self._below.setdefault(partition, now)
                if now - since < _BELIEVED:
                    continue
            self._below.pop(partition, None)
            self._ends[partition] = end
        return {partition: self._ends[partition] for partition in ends}

    async def _positions(self) -> Ends:
        return {partition: one.next_offset for partition, one in (await self._stored()).items()}

    async def _stored(self) -> dict[Partition, Stored]:
        return {
            (row["topic"], row["partition"]): Stored.of(row)
            for row in await self._database.rows("positions")
            if row["topic"] in self._scope.topics
        }

    def _has_room(self, key: int | None, now: float) -> bool:
        queue = self._pending.get(key, ())
        return not queue or (len(queue) < _MOST and now - queue[-1].started > _APART)

    def _valid(self, scope: int | None) -> Proof | None:
        """The proof, of the time of its probe by the clocks as they are now.

        It is set back and not dropped: clocks that drift apart would void each proof that takes
        long.
        """
        proof = self._proofs.get(scope)
        if proof is None:
            return None
        by = proof.by(self._clocks.earliest(), self._clock.monotonic())
        if (back := (proof.at - by).total_seconds()) > 0:
            if back > _SAME:
                log.warning("proof_set_back", at=proof.at, seconds=back)
            self._proofs[scope] = proof = replace(proof, at=by)
        return proof

    def _key(self, lane: int) -> int | None:
        return lane if self._scope.narrow else None

    def _short_of_time(self) -> float:
        """Seconds until the slower clock reaches the first time that a lane waits for."""
        if self._clocks.skew > -_SAME or not self._waiting:
            return 0.0
        first = min(at for _, at in self._waiting.values())
        return (first - self._clocks.earliest()).total_seconds()

    def _hold(self, guard: Guard, detail: str, pause: float) -> float:
        if guard != self.held_by:
            self.held_by = guard
            if guard != Guard.BEHIND:
                log.warning("verdicts_held", guard=guard.value, detail=detail)
        return pause

    def _show(self) -> None:
        for guard in (Guard.BEHIND, Guard.PROBE, Guard.DATABASE, Guard.CLOCK):
            held = len({lane for lane, _ in self._waiting.values()}) if guard == self.held_by else 0
            if guard == Guard.CLOCK:
                held = max(held, self._early)
            self._guards.hold(guard, held)


def _reached(ends: Ends, positions: Ends) -> bool:
    return all(positions.get(partition, -1) >= end for partition, end in ends.items())
