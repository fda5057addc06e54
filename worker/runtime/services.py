"""The parts of one worker that all its lanes share."""

import asyncio
import os
import socket
from dataclasses import dataclass
from uuid import uuid4

from worker.clock import Clock, Clocks
from worker.decide.brake import Brake
from worker.domain.policy import Policies
from worker.freshness.evidence import EvidenceScope
from worker.freshness.prover import Prover
from worker.ingest.dead_letter_limit import DeadLetterLimit
from worker.ingest.decoder import Decoder
from worker.ingest.registry.schemas import Schemas
from worker.ingest.writer import Writer
from worker.kafka.offsets import OffsetReader
from worker.kafka.producer import Producer
from worker.lanes.fairness import Fairness
from worker.observability.guards import Guards
from worker.observability.metrics import Metrics
from worker.observability.tracing import Traces
from worker.outbox.encoding import Encoding, encoding_of
from worker.policy.registry import load_policies
from worker.settings import Settings
from worker.storage.database import Database


@dataclass(frozen=True, slots=True)
class Services:
    """Built once for each worker; :meth:`close` ends the clients of Kafka."""

    settings: Settings
    clock: Clock
    clocks: Clocks
    # The name under which this process owns lanes.
    owner: str
    metrics: Metrics
    guards: Guards
    database: Database
    offsets: OffsetReader
    # The prover has its own reader: no other request may delay a proof.
    proof_offsets: OffsetReader
    producer: Producer
    policies: Policies
    decoder: Decoder
    scope: EvidenceScope
    prover: Prover
    fairness: Fairness
    # Places for open sweeps.
    sweeps: asyncio.Semaphore
    writer: Writer
    brake: Brake | None
    traces: Traces | None
    schemas: Schemas | None
    encoding: Encoding

    @classmethod
    def of(cls, settings: Settings, clock: Clock, owner: str | None = None) -> "Services":
        """The parts in the settings; without an ``owner`` its name is generated.

        Raises:
            AvroNotInstalled: decisions are Avro and the package for it is missing.
            PolicyInvalid: the policy file breaks its rules.
            RegistryNotInstalled: a schema registry is set and the packages for it are missing.
            TracesNotInstalled: traces are on and their packages are missing.
        """
        metrics = Metrics(settings)
        guards = Guards(metrics)
        database = Database(settings, metrics)
        scope = EvidenceScope.of(settings)
        proof_offsets = OffsetReader(settings)
        clocks = Clocks(clock)
        prover = Prover(proof_offsets, database, scope, clock, clocks, metrics, guards)
        policies = load_policies(settings)
        schemas = Schemas.of(settings, clock, metrics, guards)
        traces = Traces.of(settings)
        return cls(
            settings=settings,
            clock=clock,
            clocks=clocks,
            owner=owner or f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}",
            metrics=metrics,
            guards=guards,
            database=database,
            offsets=OffsetReader(settings),
            proof_offsets=proof_offsets,
            producer=Producer(settings),
            policies=policies,
            decoder=Decoder.of(settings, policies.longest, schemas),
            scope=scope,
            prover=prover,
            fairness=Fairness(prover, clock),
            sweeps=asyncio.Semaphore(settings.database_connections - 1),
            writer=Writer(
                database,
                clock,
                clocks,
                metrics,
                policies,
                DeadLetterLimit.of(settings),
                traces,
                settings.order_created_topic,
            ),
            brake=Brake.of(settings, database, guards),
            traces=traces,
            schemas=schemas,
            encoding=encoding_of(settings, clock, metrics, guards),
        )

    async def close(self) -> None:
        """Close the clients of Kafka and export the last spans."""
        await self.producer.close()
        await self.offsets.close()
        await self.proof_offsets.close()
        await self.encoding.close()
        if self.schemas:
            await self.schemas.close()
        if self.traces:
            await self.traces.close()
