"""Gathers the facts for `plazo check` from Kafka and Postgres."""

import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from schemas.models import OrderStatusChanged
from worker.domain.policy import Policy
from worker.errors import DatabaseFault, DatabaseUnavailable, KafkaUnavailable, PolicyInvalid
from worker.ingest.decoder import Decoder
from worker.ingest.registry.schemas import RegistryNotInstalled, Schemas, SchemasMissing
from worker.kafka.admin import KafkaAdmin, NotAnswered, Sample, Skew
from worker.kafka.offsets import OffsetReader
from worker.observability.metrics import Metrics
from worker.operations.cells import other_cells
from worker.operations.checks.lanes import last_sequence
from worker.operations.checks.model import DatabaseFacts, KafkaFacts, NameFacts
from worker.operations.checks.rights import may_read
from worker.operations.checks.topics import CONFIGS
from worker.operations.outages import Outage, database_outage, kafka_outage
from worker.operations.registry_schemas import learn, registry_schemas
from worker.policy.registry import load_policies
from worker.records import Partition, Record, timestamp_of
from worker.registry.wire import SchemaId
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrations import serves

_T = TypeVar("_T")

# Orders to look at for the names of sellers, and for ids that are alike.
_ORDERS = 100_000
_IDS = 10_000
_LONG_HOLD = timedelta(days=1)
# Records to look at in each input partition; repeats may follow the last decision.
_SAMPLES = 200
_DECISIONS = 20
_NOT_ALLOWED = "42501"


async def gather(settings: Settings) -> tuple[KafkaFacts | Outage, DatabaseFacts | Outage]:
    """The facts of both, while workers go on; a text says why there are none.

    A sequence is stored before it is published, and a record stands in its log before it is stored
    as read. So the decisions topic is read first and the ends of the inputs last: any other order
    would now and then take progress for an older back-up or for a truncated topic.
    """
    kafka = await _kafka(settings)
    database = await _database(settings)
    if not isinstance(kafka, Outage):
        kafka = await _with_bounds(settings, kafka)
    return kafka, database


async def _kafka(settings: Settings) -> KafkaFacts | Outage:
    admin = KafkaAdmin(settings)
    try:
        topics = [*settings.input_topics, settings.output_topic, settings.dead_letters_topic]
        facts = KafkaFacts(await admin.brokers(), await admin.topics(topics))
        allowed = await _answer(admin.allowed_on_topics(topics))
        facts.allowed_on_topics = {} if isinstance(allowed, str) else allowed
        on_group = await _answer(admin.allowed_on_group(settings.group_id))
        facts.allowed_on_group = None if isinstance(on_group, str) else on_group
        if facts.topics:
            facts.configs = await _answer(admin.configs(facts.topics, CONFIGS))
        else:
            facts.configs = {}
        facts.clock = await _answer(admin.clock())
        facts.members = await _answer(admin.members(settings.group_id))
        # A partition without a leader would keep us waiting, and a topic that we may not read end
        # the question for all: each is a fault of its own.
        widths = {
            topic: state.partitions
            for topic, state in facts.topics.items()
            if not state.leaderless and may_read(facts, topic)
        }
        inputs = {topic: widths[topic] for topic in settings.input_topics if topic in widths}
        facts.samples = await _samples(settings, admin, inputs)
        if (decisions := settings.output_topic) in widths:
            tails = await admin.tails({decisions: widths[decisions]}, _DECISIONS)
            facts.published = {n: last_sequence(samples) for (_, n), samples in tails.items()}
        return facts
    except KafkaUnavailable as error:
        return await kafka_outage(settings, str(error))
    finally:
        await admin.close()


async def _samples(
    settings: Settings, admin: KafkaAdmin, inputs: Mapping[str, int]
) -> Mapping[Partition, Sequence[Sample]]:
    """The last records, read twice if a schema of the registry has to be asked for in between."""
    try:
        async with registry_schemas(settings) as schemas:
            delays = _Delays(settings, schemas)
            found = await admin.tails(inputs, _SAMPLES, delays.of)
            if await learn(settings, schemas, delays.missing):
                found = await admin.tails(inputs, _SAMPLES, delays.of)
    except RegistryNotInstalled:  # a check of its own
        return await admin.tails(inputs, _SAMPLES, _Delays(settings, None).of)
    return found


class _Delays:
    """How long after its act a record was published."""

    def __init__(self, settings: Settings, schemas: Schemas | None) -> None:
        self.decoder = Decoder.of(settings, settings.stock_window + settings.grace, schemas)
        self.missing: set[SchemaId] = set()
        # No act of a sample lies too far ahead to be looked at.
        self._latest = datetime.max.replace(tzinfo=UTC) - settings.max_clock_skew

    def of(self, record: Record) -> float | None:
        """The delay in seconds; other records, and those whose schema is not known, have none."""
        try:
            found = self.decoder.decode(record, self._latest)
        except SchemasMissing as error:
            self.missing |= {*error.schemas}
            return None
        for event in found if isinstance(found, tuple) else (found,):
            if isinstance(event, OrderStatusChanged):
                return (timestamp_of(record.timestamp) - event.occurred_at).total_seconds()
        return None


async def _with_bounds(settings: Settings, facts: KafkaFacts) -> KafkaFacts | Outage:
    offsets = OffsetReader(settings)
    try:
        facts.logs = await offsets.bounds(list(facts.samples)) if facts.samples else {}
        return facts
    except KafkaUnavailable as error:
        return await kafka_outage(settings, str(error))
    finally:
        await offsets.close()


async def _answer(question: Awaitable[_T]) -> _T | str:
    """The answer, or the reason why there is none: a cluster may refuse some questions."""
    try:
        return await question
    except (NotAnswered, KafkaUnavailable) as error:
        return str(error)


async def _database(settings: Settings) -> DatabaseFacts | Outage:
    database = Database(settings, Metrics(settings))
    try:
        await database.open(any_schema=True)
        return await _database_facts(settings, database)
    except DatabaseFault as error:
        return database_outage(settings, error)
    finally:
        await database.close()


async def _database_facts(settings: Settings, database: Database) -> DatabaseFacts:
    await database.now()  # opens the connection, so that its time does not count
    before = time.time()
    now = await database.now()
    after = time.time()
    skew = Skew(now.timestamp() - (before + after) / 2, (after - before) / 2)
    (role,) = await database.rows("server_role")
    if role["read_only"]:
        raise DatabaseUnavailable("ReadOnlySQLTransactionError", "25006")  # as a write would
    facts = DatabaseFacts(now, skew, await database.schema())
    facts.asynchronous = role["asynchronous"]
    facts.risky = await database.risky_settings()
    if serves(facts.schema):
        missing = await database.rows("missing_rights")
        facts.missing_rights = [
            (row["role"], row["relation"], row["privileges"]) for row in missing
        ]
        try:
            await _read_rows(database, facts)
            facts.names = await _names(settings, database)
            facts.terms = await _terms(settings, database)
            facts.cells, facts.compared = await other_cells(database)
        except DatabaseFault as error:
            if error.sqlstate != _NOT_ALLOWED:
                raise
            facts.hidden = True  # the missing rights are a fault of their own
    return facts


async def _read_rows(database: Database, facts: DatabaseFacts) -> None:
    async with database.transaction(one_snapshot=True) as tx:
        facts.lanes = await tx.rows("check_lanes")
        positions = {(row["topic"], row["partition"]): row for row in await tx.rows("positions")}
        facts.positions = {place: row["next_offset"] for place, row in positions.items()}
        facts.other_logs = {
            place: row["other_log"] for place, row in positions.items() if row["other_log"]
        }
        facts.dead_letters = await tx.rows("check_dead_letters")
        notices = await tx.row("check_notices")
        placed = await tx.row("lanes_elsewhere")
        adoption = await tx.row("adoption")
        numbers = [row["lane"] for row in facts.lanes]
        waiting = await tx.row("count_waiting", numbers)
        astray = await tx.row("count_astray", numbers)
        brake = await tx.row("brake_state", timedelta(hours=1))
        held = await tx.row("check_holds", datetime.now(UTC) - _LONG_HOLD)
        asked = await tx.row("count_waiting_for_person", numbers, True)
        mode = await tx.row("mode")
        escalations = await tx.row("count_escalations", numbers) if numbers else None
        overdue = await tx.row("count_overdue", numbers, datetime.now(UTC))
    assert notices is not None
    assert overdue is not None
    if adoption is not None:
        facts.adopted_at = adoption["adopted_at"]
        facts.before_adoption = adoption["orders_before_adoption"]
    facts.elsewhere = placed["lanes"] if placed else None
    facts.brake_tripped_at = brake["tripped_at"] if brake else None
    facts.held_long = held["orders"] if held else 0
    facts.unknown_statuses = asked["unknown_statuses"] if asked else 0
    facts.mode = mode["mode"] if mode else None
    if escalations and facts.mode != "shadow":
        facts.escalations = escalations["orders"]
        facts.oldest_escalation = escalations["oldest"]
    facts.waiting = waiting["waiting"] if waiting else 0
    facts.orphans = waiting["orphans"] if waiting else 0
    facts.astray = astray["refusals"] if astray else 0
    facts.notices = notices["notices"]
    facts.overdue, facts.oldest_overdue = overdue["overdue"], overdue["oldest"]


async def _terms(settings: Settings, database: Database) -> dict[tuple[str, int], str]:
    """The terms that the database holds of the policies in our file."""
    ours: list[Policy] = []
    with suppress(PolicyInvalid):
        ours = [rule.policy for rule in load_policies(settings).rules if rule.policy.version]
    kept = await database.rows(
        "stored_policies", [one.name for one in ours], [one.version for one in ours]
    )
    return {(row["name"], row["version"]): row["terms"] for row in kept}


async def _names(settings: Settings, database: Database) -> NameFacts:
    """Bounded, however many orders there are."""
    named = frozenset[str]()
    with suppress(PolicyInvalid):  # a check of its own
        named = load_policies(settings).sellers
    async with database.transaction(one_snapshot=True) as tx:
        sellers = await tx.row("check_sellers", [*named], _ORDERS)
        alike = await tx.rows("check_ids", _IDS)
    assert sellers is not None
    unseen = sorted(named.difference(sellers["seen"]))
    ids = [row["ids"] for row in alike]
    return NameFacts(sellers["orders"], unseen, sellers["alike"], ids)
