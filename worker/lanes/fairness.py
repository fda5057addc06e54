"""Fairness among the lanes of a worker: verdicts first, then the records they wait for."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import Protocol

from worker.clock import Clock
from worker.records import Partition

# One lane computes while another waits for Postgres. With all lanes at once, each step of the
# event loop takes many times longer, and an acknowledgement takes many steps.
_AT_ONCE = 4
# Least records in a turn to read. Those that a proof waits for may be unreadable now, after an open
# transaction or on a broker that is away; the other records of the lane must still flow.
_LEAST = 250

Positions = Mapping[Partition, int]


class LateProof(Protocol):
    """A proof that still needs records."""

    at: datetime

    def missing(self, positions: Positions) -> int:
        """Number of records of these partitions that it still needs."""
        ...


class Proofs(Protocol):
    """The proofs that lanes wait for."""

    def late(self) -> Sequence[LateProof]:
        """Those that lanes have waited for too long."""
        ...

    async def next_proof(self, within: float) -> None:
        """Wait for any proof, at most ``within`` seconds."""
        ...


class Fairness:
    """Gives turns to the lanes of a worker. It is no lock: correctness does not rely on it.

    ``patience``: seconds that a lane waits for its turn. ``courtesy``: seconds that a lane with
    enough records for a proof lets others read for it.
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
        # The end of the courtesy for each proof, by its time.
        self._until: dict[datetime, float] = {}
        self._deciding = 0
        self._none_deciding = asyncio.Event()
        self._none_deciding.set()

    @asynccontextmanager
    async def deciding(self) -> AsyncIterator[None]:
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

        Its rows take more memory than all the records that the other lanes have read.
        """
        async with self._one_of(self._to_apply):
            yield

    @contextmanager
    def reader(self, positions: Positions) -> Iterator[None]:
        """Register a lane that reads; it updates these positions."""
        self._readers.append(positions)
        try:
            yield
        finally:
            self._readers = [other for other in self._readers if other is not positions]

    async def reading(self, positions: Positions, most: int) -> int:
        """Wait for a turn to read, but not forever; returns the number of records, up to ``most``.

        Proven verdicts go first: their orders have waited for the whole window. They cannot starve
        the reading, because no later proof comes without it. While verdicts wait for a proof, a
        lane reads only the records that the proof needs: any more would delay them.
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
        """Let others read for a proof that needs no more from this lane; whether it waited.

        Once for each proof, and only for lanes of this worker: a stuck lane must not stop all.
        """
        late, now = self._proofs.late(), self._clock.monotonic()
        if any(proof.missing(positions) for proof in late):
            return False
        times = {proof.at for proof in late}
        self._until = {at: until for at, until in self._until.items() if at in times}
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
        """Wait for a place, but not forever: the lanes that hold one may be stuck."""
        try:
            await asyncio.wait_for(places.acquire(), self._patience)
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            places.release()
