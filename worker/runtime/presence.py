"""The presence of this worker among the others: its beat, its name, and the end of others.

Kafka learns of the end of a worker by its session time-out, and until then each rebalance of the
group waits for it. Postgres sees at once that the connections of a process are closed. So every
worker rewrites a row twice a second, and looks at the rows of the others.

Nothing here guards a lane: the epochs do.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from worker.errors import DatabaseFault, KafkaUnavailable
from worker.observability.logs import logger
from worker.runtime.membership import Membership
from worker.runtime.peers import INTERVAL, Peer, Peers
from worker.runtime.services import Services
from worker.storage.database import Database
from worker.storage.transaction import Transaction

log = logger(__name__)

# Seconds for a statement: one that hangs must not keep the next from another connection.
_TIMEOUT = 2.0
# A beat that is older than this makes us ask whether its session lives.
_FRESH = timedelta(seconds=1.2 * INTERVAL)
# Rows of workers that ended long ago are of no use.
_OLD = timedelta(days=1)
# Without a heartbeat for this part of the session time-out, a worker counts as gone.
_SILENT = 0.5


class Presence:
    """Beats for one worker. With a name, the worker is a member only while it has that name."""

    def __init__(self, services: Services, membership: Membership) -> None:
        settings = services.settings
        self._services = services
        # Its own connection: lanes that wait for locks may hold all others.
        self._database = Database(settings, services.metrics, connections=1, timeout=_TIMEOUT)
        self._membership = membership
        self._named = settings.instance is not None
        self._name = settings.instance or services.owner
        self._absence = settings.instance_absence if self._named else timedelta(0)
        self._peers = Peers(_SILENT * settings.session_timeout.total_seconds())
        # The kind of the last fault: one that lasts is logged once.
        self._fault: str | None = None
        self._removed_at: datetime | None = None
        self._open = self._begun = False
        if self._named:
            membership.allowed.clear()
            membership.may_join = self._has_name
            membership.comes_back = self._absence > timedelta(0)

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            try:
                await self._turn()
            except DatabaseFault as error:
                # Without Postgres there is no work for a member to take over.
                if str(error) != self._fault:
                    self._fault = str(error)
                    log.warning("presence_waits", reason=self._fault)
                if not self._membership.allowed.is_set():
                    self._membership.waits_for = f"cannot ask for its name: {error}"
            else:
                self._fault = None
            await self._services.clock.sleep(INTERVAL)

    async def release(self) -> None:
        """Say that this process has ended on purpose, so that nobody has to find out."""
        with suppress(DatabaseFault):
            async with self._database.session() as session:
                if self._membership.comes_back:
                    await session.execute("leave_name", self._name, self._services.owner)
                else:
                    await session.execute("delete_worker", self._name, self._services.owner)
        await self._database.close()

    async def _turn(self) -> None:
        if not self._open:
            await self._database.open(any_schema=True)
            self._open = True
        async with self._database.session() as session:
            here = await session.row("this_session")
            assert here is not None
            if not self._begun:
                await session.execute("delete_old_workers", here["now"] - _OLD)
                self._begun = True
            peers = await _look(session, here["now"], self._services.owner)
            self._peers.look(peers, self._services.clock.monotonic())
            if not await self._beat(session, here, peers):
                return
            for peer in self._peers.lost(peers):
                if peer.name != self._name and await self._remove(peer):
                    await session.execute(
                        "mark_removed", peer.name, peer.owner, peer.member_id, here["now"]
                    )

    async def _beat(
        self, session: Transaction, here: Mapping[str, Any], peers: Sequence[Peer]
    ) -> bool:
        """Rewrite our row; whether the name is ours."""
        holder = next((peer for peer in peers if peer.name == self._name), None)
        # Of a process that is gone we may take the name.
        gone = holder if holder is not None and self._peers.gone(holder) else None
        consumer = self._membership.consumer
        row = await session.row(
            "beat", self._name, self._services.owner, consumer and consumer.member_id,
            self._absence, session.incarnation, here["pid"], here["now"],
            gone and gone.owner, gone and gone.beat_at,
        )  # fmt: skip
        if row is None:
            self._wait_for(holder)
            return False
        if row["removed_at"] != self._removed_at:
            self._removed_at = row["removed_at"]
            if self._removed_at is not None:
                log.warning("taken_for_dead", name=self._name)
        if not self._membership.allowed.is_set():
            log.info("name_taken", name=self._name, after=gone and gone.owner)
            self._services.metrics.name_taken.set(0)
            self._membership.allowed.set()
        return True

    def _wait_for(self, holder: Peer | None) -> None:
        owner = holder.owner if holder is not None else "another process"
        reason = f"{owner} runs under the name {self._name}"
        if self._membership.waits_for != reason:
            log.warning("name_is_taken", name=self._name, by=owner)
        self._services.metrics.name_taken.set(1)
        self._membership.give_up(reason)

    async def _has_name(self) -> bool:
        """Whether the name is ours still: after a freeze, the membership may act first."""
        with suppress(DatabaseFault):
            for row in await self._database.rows("workers"):
                if row["name"] == self._name:
                    return bool(row["owner"] == self._services.owner)
        return False

    async def _remove(self, peer: Peer) -> bool:
        consumer = self._membership.consumer
        if consumer is None or peer.member_id is None:
            return False
        try:
            await consumer.remove(peer.member_id)
        except KafkaUnavailable as error:
            log.warning("member_not_removed", worker=peer.name, reason=str(error))
            return False
        self._services.metrics.members_removed.inc()
        log.warning(
            "member_removed", worker=peer.name, owner=peer.owner,
            session_ended=peer.session_ended, quiet=round(peer.age.total_seconds(), 1),
        )  # fmt: skip
        return True


async def _look(session: Transaction, now: datetime, owner: str) -> list[Peer]:
    """The other processes with a row."""
    rows = [row for row in await session.rows("workers") if row["owner"] != owner]
    live = await _live(session, rows, now)
    return [
        Peer(
            name=row["name"],
            owner=row["owner"],
            member_id=row["member_id"],
            absence=row["absence"],
            beat_at=row["beat_at"],
            age=now - row["beat_at"],
            stopped=row["pid"] is None,
            session_ended=row["incarnation"] == session.incarnation and row["pid"] not in live,
            removed_for=now - row["removed_at"] if row["removed_at"] is not None else None,
        )
        for row in rows
    ]


async def _live(
    session: Transaction, rows: Collection[Mapping[str, Any]], now: datetime
) -> set[int | None]:
    """The sessions of their last beats that live; a fresh beat is a proof of its own."""
    old = [row["pid"] for row in rows if row["pid"] and now - row["beat_at"] > _FRESH]
    fresh = {row["pid"] for row in rows if row["pid"] not in old}
    if not old:
        return fresh
    return fresh | {row["pid"] for row in await session.rows("live_sessions", old)}
