"""Who goes first within a worker: verdicts, then what they wait for, and few lanes at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import Protocol

from worker.clock import Clock
from worker.proof import Partition

# One computes while the other waits for Postgres. With all lanes at once, each step of the event
# loop takes as many times longer, and an acknowledgement takes many steps.
_AT_ONCE = 4
# A turn to read is for no fewer: what a proof waits for may stand where nothing can be read now,
# behind an open transaction or on a broker that is away, and the lane's other records must flow.
_LEAST = 250

Positions = Mapping[Partition, int]


class Awaited(Protocol):
    """A proof that has to be read for."""

    at: datetime

    def missing(self, positions: Positions) -> int:
        """How many records of these partitions are to be read for it."""
        ...


class Proofs(Protocol):
    """What is known of the proofs that lanes wait for."""

    def late(self) -> Sequence[Awaited]:
        """Those that lanes have waited for for long."""
        ...

    async def next_proof(self, within: float) -> None:
        """Wait until some proof is there, but no longer than so many seconds."""
        ...


class Turns:
    """A courtesy among the lanes of a worker, not a lock: nothing relies on it.

    ``patience`` is how long reading waits for verdicts, and ``courtesy`` how long lanes that have
    read enough for a proof let others read for it, both in seconds.
    """

    def __init__(
        self, proofs: Proofs, clock: Clock, patience: float = 5.0, courtesy: float = 2.0
    ) -> None:
        self._proofs = proofs
        self._clock = clock
        self._to_decide = asyncio.Semaphore(_AT_ONCE)
        self._to_apply = asyncio.Semaphore(_AT_ONCE)
        self._patience = patience
        self._courtesy = courtesy
        self._readers: list[Positions] = []
        # Until when others are let read for a proof, by its instant.
        self._until: dict[datetime, float] = {}
        self._deciding = 0
        self._none_deciding = asyncio.Event()
        self._none_deciding.set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn to decide."""
        self._deciding += 1
        self._none_deciding.clear()
        try:
            async with self._one_of(self._to_decide):
                yield
        finally:
            self._deciding -= 1
            if not self._deciding:
                self._none_deciding.set()

    @asynccontextmanager
    async def applying(self) -> AsyncIterator[None]:
        """Wait for a turn to apply a large batch.

        What it becomes takes more memory than all that the other lanes have read.
        """
        async with self._one_of(self._to_apply):
            yield

    @contextmanager
    def reader(self, positions: Positions) -> Iterator[None]:
        """Count in a lane that reads, and keeps its positions there."""
        self._readers.append(positions)
        try:
            yield
        finally:
            self._readers = [other for other in self._readers if other is not positions]

    async def reading(self, positions: Positions, most: int) -> int:
        """Wait, for a while, for a turn to read: how many records, and no more than ``most``.

        What is due has waited for a day and was proven, so it goes first. It cannot starve the
        reading: without it no later proof comes. And where verdicts wait for that, what a lane
        reads beyond it only delays them.
        """
        await self._nobody_decides()
        while await self._others_read(positions):
            await self._nobody_decides()
        missing = next(filter(None, (p.missing(positions) for p in self._proofs.late())), most)
        return min(max(missing, _LEAST), most)

    async def _nobody_decides(self) -> None:
        if self._deciding:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._none_deciding.wait(), self._patience)

    async def _others_read(self, positions: Positions) -> bool:
        """Let others read for a proof that this lane has read enough for; whether it waited.

        Once for each proof, and lanes of this worker alone: one that is stuck must not stop all.
        """
        late, now = self._proofs.late(), self._clock.monotonic()
        if any(proof.missing(positions) for proof in late):
            return False
        instants = {proof.at for proof in late}
        self._until = {at: until for at, until in self._until.items() if at in instants}
        for proof in late:
            if any(map(proof.missing, self._readers)):
                self._until.setdefault(proof.at, now + self._courtesy)
        left = max(self._until.values(), default=0.0) - now
        if left <= 0:
            return False
        await self._proofs.next_proof(left)
        return True

    @asynccontextmanager
    async def _one_of(self, places: asyncio.Semaphore) -> AsyncIterator[None]:
        """Wait for a place, but not for ever: those who have them may be stuck."""
        try:
            await asyncio.wait_for(places.acquire(), self._patience)
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            places.release()
