"""The audit: reads the output topics like any consumer and compares them with the acts."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from worker.dev.expectation import AUTO_CANCEL, Expectation, expect, lives_again
from worker.dev.ledger import Account, Ledger
from worker.settings import Settings

# How long a verdict may take once nothing holds it, before it counts as missed.
PATIENCE = timedelta(seconds=5)
# An order without faults is checked again when there is news of it, and forgotten after this time.
_MEMORY = timedelta(minutes=10)
_SHOWN = 40

_REVOKED = "decision-revoked"


class Finding(StrEnum):
    """A fault of an order."""

    FALSE_CANCEL = "false cancel"
    MISSED_DEADLINE = "missed deadline"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision as it was read; ``number`` counts them, ``takes_back`` is that of another."""

    id: str
    order_id: str
    did: str  # the seller's real behaviour
    kind: str
    reason: str
    revokes: str | None
    due: datetime
    read_at: datetime
    number: int = 0
    takes_back: int | None = None

    @property
    def says(self) -> str:
        """Kind and reason, in words."""
        return f"{self.kind} {self.reason}"


@dataclass(slots=True)
class _Case:
    account: Account
    verdicts: list[Verdict] = field(default_factory=list)


class Audit:
    """Follows the decisions and the dead letters of one run."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._verdicts: dict[str, list[Verdict]] = {}
        self._numbers: dict[str, int] = {}
        self._read = 0
        self._settled: dict[str, datetime] = {}
        self._forgotten: set[str] = set()
        self._consumer: Any = None
        self._following: asyncio.Task[None] | None = None
        # A verdict needs a proof of freshness, and so a running worker.
        self._worker_started_at: datetime | None = None
        self.latest: deque[Verdict] = deque(maxlen=_SHOWN)
        self.verdicts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.dead_letters = 0

    def worker_starts(self) -> None:
        """Note the start: every verdict has to know the records that are in the log by now."""
        self._worker_started_at = datetime.now(UTC)

    @asynccontextmanager
    async def following(
        self, bootstrap_servers: str, widths: dict[str, int]
    ) -> AsyncIterator[None]:
        """Read both topics while the context lasts."""
        topics = (self._settings.output_topic, self._settings.dead_letters_topic)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._consumer = consumer
        try:
            await consumer.start()
            consumer.assign([TopicPartition(t, n) for t in topics for n in range(widths[t])])
            self._following = asyncio.create_task(self._follow(), name="audit")
            yield
        finally:
            if self._following is not None:
                self._following.cancel()
                await asyncio.gather(self._following, return_exceptions=True)
            await consumer.stop()

    @property
    def task(self) -> "asyncio.Task[None]":
        """The reading task; it ends by itself only with an error."""
        assert self._following is not None
        return self._following

    async def catch_up(self) -> None:
        """Return once all records that are in the topics now have been read."""
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)  # the last records fetched are still to be taken in

    def check(self, *, everything: bool = False) -> Iterator[tuple[Account, Finding, str]]:
        """The faults of the orders that are past their deadline and patience.

        With ``everything`` all lapsed orders are checked, without patience; else only those that
        are new or were wrong before.
        """
        now = datetime.now(UTC)
        for account in list(self._ledger.entered()):
            if account.order_id in self._settled and not everything:
                self._forget(account, now)
                continue
            ripe = self._ripe_at(account)
            if not everything:
                ripe += PATIENCE
                if now < ripe and account.order_id not in self._verdicts:
                    continue
            if (problem := self._problem(account, now >= ripe)) is not None:
                yield account, *problem
            elif now >= ripe and account.planned == 0:
                self._settled[account.order_id] = now
        for order_id in self._verdicts.keys() - self._ledger.accounts.keys() - self._forgotten:
            verdicts = [verdict.says for verdict in self._verdicts[order_id]]
            yield Account(order_id, "never existed"), Finding.FALSE_CANCEL, f"verdicts {verdicts}"

    def lapsed(self, now: datetime) -> int:
        """The number of orders whose verdict may fall by now."""
        return sum(self._fires_at(account) <= now for account in self._ledger.entered())

    def _due(self, account: Account) -> datetime:
        assert account.entered_at is not None
        return account.entered_at + self._settings.stock_window

    def _fires_at(self, account: Account) -> datetime:
        return self._due(account) + self._settings.grace

    def _ripe_at(self, account: Account) -> datetime:
        """The time from which its last record can have had its effect."""
        assert account.touched_at is not None
        return max(self._fires_at(account), account.touched_at)

    def _problem(self, account: Account, ripe: bool) -> tuple[Finding, str] | None:
        if lives_again(self._due(account), [fact for _, fact in account.facts]):
            return None
        verdicts = self._verdicts.get(account.order_id, [])
        expected = self._expected(account)
        stands = _standing(verdicts)
        detail = f"verdicts {[v.says for v in verdicts]}, may stand {_shown(expected)}"
        if any(v.says == AUTO_CANCEL for v in verdicts) and not expected.may_cancel:
            return Finding.FALSE_CANCEL, detail
        if ripe and stands not in expected.standing:
            return Finding.MISSED_DEADLINE, detail
        return None

    def _expected(self, account: Account) -> Expectation:
        fires_at = self._fires_at(account)
        known_by = max(fires_at, self._worker_started_at or fires_at)
        known = [fact for at, fact in account.facts if at < known_by]
        later = [fact for at, fact in account.facts if at >= known_by]
        return expect(self._due(account), known, later)

    def _forget(self, account: Account, now: datetime) -> None:
        if now - self._settled[account.order_id] > _MEMORY:
            del self._settled[account.order_id]
            del self._ledger.accounts[account.order_id]
            for verdict in self._verdicts.pop(account.order_id, ()):
                self._numbers.pop(verdict.id, None)
            self._forgotten.add(account.order_id)

    async def _follow(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=200)
            for partition, records in batches.items():
                if partition.topic == self._settings.dead_letters_topic:
                    self.dead_letters += len(records)
                    continue
                for record in records:
                    self.take(record)

    def take(self, record: Any) -> None:
        """Take in one record of the decisions topic."""
        headers = dict(record.headers)
        verdict_id = headers["ce_id"].decode()
        if verdict_id in self._numbers:  # at least once: a repeat has the same id
            return
        self._read += 1
        self._numbers[verdict_id] = self._read
        body = json.loads(record.value)
        order_id = body["order_id"]
        account = self._ledger.accounts.get(order_id)
        kind = headers["ce_type"].decode().removeprefix("marketplace.order.").removesuffix(".v1")
        revokes = body["revokes"]["id"] if kind == _REVOKED else None
        verdict = Verdict(
            id=verdict_id,
            order_id=order_id,
            did=account.did if account else "?",
            kind=kind,
            reason=body["reason"],
            revokes=revokes,
            due=datetime.fromisoformat(body["due"]),
            read_at=datetime.now(UTC),
            number=self._read,
            takes_back=self._numbers.get(revokes) if revokes else None,
        )
        self._verdicts.setdefault(order_id, []).append(verdict)
        self._settled.pop(order_id, None)
        self.latest.append(verdict)
        self.verdicts[kind] += 1
        self.reasons[verdict.reason] += 1


def _standing(verdicts: list[Verdict]) -> frozenset[str]:
    """The verdicts that no revocation has taken back."""
    standing: dict[str, str] = {}
    for verdict in verdicts:
        if verdict.revokes is None:
            standing[verdict.id] = verdict.says
        else:
            standing.pop(verdict.revokes, None)
    return frozenset(standing.values())


def _shown(expected: Expectation) -> str:
    return " or ".join(str(sorted(one)) if one else "nothing" for one in expected.standing)
