"""Freshness: no verdict falls before everything that could speak against it has been read.

A probe made at or after the deadline's grace takes the end offsets of every input partition; the
proof is there once the *stored* positions, of all workers, have reached them.
Stored, because only what is committed is seen by the verdict's transaction. No time-out ever
replaces the proof.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from worker.clock import Clock
from worker.errors import DatabaseUnavailable, KafkaUnavailable
from worker.freshness.evidence import Scope
from worker.observability.logs import logger
from worker.observability.metrics import Guard, Metrics
from worker.proof import Partition, Proof
from worker.storage.database import Store

log = logger(__name__)

Ends = dict[Partition, int]

# A proof that is not there after this long is looked at again: a log that was truncated
# meanwhile ends before the offset we wait for.
_REPROBE = 5.0
_POLL = 0.05
_POLL_SLOW = 0.5
_SKEW_WAIT = 1.0
_SAME = 0.02  # seconds between two clocks that nobody would call a difference
# So many proofs may be under way for the same lane, probed so many seconds apart.
_MOST, _APART = 8, 0.25
# A proof that lanes wait for is late from when on, in seconds.
_LATE = 0.25


class Probe(Protocol):
    """Where the logs end."""

    async def ends(self) -> Ends:
        """End offset (high watermark) of every input partition.

        Raises:
            KafkaUnavailable: some end cannot be had now.
        """
        ...


@dataclass(slots=True)
class Pending:
    """A proof that is not there before the ends are reached."""

    at: datetime
    ends: Ends
    probed: float  # monotonic seconds
    started: float

    def missing(self, positions: Mapping[Partition, int]) -> int:
        """How many records of these partitions are to be read for it."""
        return sum(max(0, self.ends.get(p, 0) - position) for p, position in positions.items())


class Freshness:
    """Proofs for the lanes of one worker.

    With a narrow scope a lane waits for its own partitions only.
    """

    def __init__(
        self, probe: Probe, store: Store, scope: Scope, clock: Clock, metrics: Metrics
    ) -> None:
        self._probe = probe
        self._store = store
        self._scope = scope
        self._clock = clock
        self._metrics = metrics
        # By lane where the scope is narrow; else one for all lanes, under the key None.
        self._proofs: dict[int | None, Proof] = {}
        # The oldest first, whose ends are reached first.
        self._pending: dict[int | None, list[Pending]] = {}
        # Lane and the instant that it needs proven: for its verdicts, and for its reminders.
        self._waiting: dict[object, tuple[int, datetime]] = {}
        # Lanes that will wait: see soon().
        self._soon: set[int] = set()
        self._wanted = asyncio.Event()
        self._proven = asyncio.Condition()
        self._progress = asyncio.Event()
        self._ahead = 0.0  # seconds by which our clock leads the database's
        self.held_by: Guard | None = None
        self.behind: list[tuple[str, int, int]] = []  # topic, partition, records missing

    @property
    def proven_at(self) -> datetime | None:
        """Up to when all that could speak against a verdict has been read, of every lane."""
        return min((proof.at for proof in self._proofs.values()), default=None)

    def progressed(self) -> None:
        """Tell that a position of ours was committed: a proof may be there now."""
        self._progress.set()

    async def proven(self, lane: int, at: datetime) -> Proof:
        """Wait for a proof made at or after ``at``; as long as it takes."""
        scope = self._key(lane)
        waiter = object()
        self._waiting[waiter] = lane, at
        try:
            while (proof := self._proofs.get(scope)) is None or proof.at < at:
                self._wanted.set()
                async with self._proven:
                    await self._proven.wait()
            return proof
        finally:
            self._waiting.pop(waiter)
            self._show()

    def late(self) -> list[Pending]:
        """The next proofs, where lanes have waited for one for long."""
        if not self._waiting:
            return []
        before = self._clock.monotonic() - _LATE
        return [queue[0] for queue in self._pending.values() if queue[0].started < before]

    async def next_proof(self, within: float) -> None:
        """Wait until some proof is there, but no longer than so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within), self._proven:
                await self._proven.wait()

    def soon(self, lane: int) -> None:
        """Tell that a lane still decides by an old proof, and may need a later one next.

        Probed now it takes only what stands in the logs now; probed when the lane comes to wait
        for it, all that came meanwhile would have to be read first.
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
        """Probe what needs probing, prove what can be proven; returns seconds to wait."""
        try:
            await self._probe_for_waiting()
            positions = await self._positions()
        except KafkaUnavailable as error:
            return self._hold(Guard.PROBE, str(error), 1.0)
        except DatabaseUnavailable as error:
            return self._hold(Guard.DATABASE, str(error), 1.0)
        reached = False
        for key, queue in list(self._pending.items()):
            while queue and _reached(queue[0].ends, positions):
                pending = queue.pop(0)
                self._proofs[key] = Proof(pending.at)
                self._metrics.proof_seconds.observe(self._clock.monotonic() - pending.started)
                reached = True
            if not queue:
                del self._pending[key]
        if reached:
            self._metrics.proven_at.set(min(p.at.timestamp() for p in self._proofs.values()))
            async with self._proven:
                self._proven.notify_all()
            # Let the lanes that have their proof leave the queue before it is looked at again.
            await asyncio.sleep(0)
        if not self._pending:
            self.behind = []
            if (missing := self._short_of_time()) > 0:
                # Our clock says it is time, the database's does not yet.
                return self._hold(Guard.CLOCK, f"{self._ahead:.3f} s", min(missing, _SKEW_WAIT))
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
        self._soon.clear()  # whatever comes of it: who waits is asked for again
        everywhere = [pending for queue in self._pending.values() for pending in queue]
        stale = [pending for pending in everywhere if now - pending.probed > _REPROBE]
        if not fresh and not stale:
            return
        # The earlier of two clocks, read *before* the ends: a verdict needs both to say that
        # the deadline is over, so a worker whose clock runs ahead cancels nobody.
        ours, theirs = self._clock.now(), await self._store.now()
        at = min(ours, theirs)
        self._ahead = max(0.0, (ours - theirs).total_seconds())
        known = await self._positions()
        ends = await self._probe.ends()
        if missing := known.keys() - ends.keys():
            # Metadata of a broker that lags: what it does not name may hold evidence.
            raise KafkaUnavailable(f"no end offset for {sorted(missing)[:5]}")
        lanes |= {key for key in self._pending if key is not None}
        counted = (p for p in known if any(self._scope.covers(lane, p) for lane in lanes))
        if beyond := [p for p in counted if known[p] > ends[p]]:
            # Truncated or made anew: its position says nothing of what stands there now. It was
            # read before the end was, so it cannot just have moved on.
            raise KafkaUnavailable(f"stored positions behind the end of {sorted(beyond)[:5]}")
        for key in fresh:
            chosen = {p: end for p, end in ends.items() if key is None or p[1] == key}
            self._pending.setdefault(key, []).append(Pending(at, chosen, now, now))
        for pending in stale:
            pending.probed = now
            # Never later ends: under a steady flow a moving target would not be reached.
            pending.ends = {p: min(end, ends.get(p, end)) for p, end in pending.ends.items()}

    async def _positions(self) -> Ends:
        rows = await self._store.rows("positions")
        return {
            (row["topic"], row["partition"]): row["next_offset"]
            for row in rows
            if row["topic"] in self._scope.topics
        }

    def _has_room(self, key: int | None, now: float) -> bool:
        queue = self._pending.get(key, ())
        return not queue or (len(queue) < _MOST and now - queue[-1].started > _APART)

    def _key(self, lane: int) -> int | None:
        return lane if self._scope.narrow else None

    def _short_of_time(self) -> float:
        """Seconds until the clock that is behind reaches the first instant waited for."""
        if self._ahead < _SAME or not self._waiting:
            return 0.0
        first = min(at for _, at in self._waiting.values())
        return self._ahead - (self._clock.now() - first).total_seconds()

    def _hold(self, guard: Guard, detail: str, pause: float) -> float:
        if guard != self.held_by:
            self.held_by = guard
            if guard != Guard.BEHIND:
                log.warning("verdicts_held", guard=guard.value, detail=detail)
        return pause

    def _show(self) -> None:
        for guard in (Guard.BEHIND, Guard.PROBE, Guard.DATABASE, Guard.CLOCK):
            held = len({lane for lane, _ in self._waiting.values()}) if guard == self.held_by else 0
            self._metrics.guard.labels(guard.value).set(held)


def _reached(ends: Ends, positions: Ends) -> bool:
    return all(positions.get(partition, -1) >= end for partition, end in ends.items())
