"""Three Kafka nodes, so that leaders move and replicas fall behind."""

import asyncio
from collections.abc import Mapping
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.support.apache_kafka import ApacheKafka, Member, new_cluster_id
from tests.support.waiting import eventually
from worker.dev.process import free_port

SIZE = 3


class KafkaCluster:
    """Brokers and controllers at once; everything stands on three nodes and needs two."""

    idempotence = True

    def __init__(self, settings: Mapping[str, str | int] | None = None) -> None:
        controllers = {number: free_port() for number in range(1, SIZE + 1)}
        cluster_id = new_cluster_id()
        replicated = {
            "default.replication.factor": SIZE,
            "min.insync.replicas": SIZE - 1,
            "offsets.topic.replication.factor": SIZE,
            "transaction.state.log.replication.factor": SIZE,
            "transaction.state.log.min.isr": SIZE - 1,
            # A follower that died is dropped soon, and not only after half a minute.
            "replica.lag.time.max.ms": 5_000,
        }
        self.nodes = [
            ApacheKafka(
                {**replicated, **(settings or {})}, member=Member(number, controllers, cluster_id)
            )
            for number in controllers
        ]

    @property
    def bootstrap_servers(self) -> str:
        """Addresses for clients: of all nodes, since any of them may be down."""
        return ",".join(node.bootstrap_servers for node in self.nodes)

    async def __aenter__(self) -> Self:
        # At once: none is ready before two are there.
        await asyncio.gather(*(node.start() for node in self.nodes))
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.nodes:
            await node.close()

    async def replicated(self, topics: list[str]) -> None:
        """Wait until every partition of these topics stands on all nodes again."""
        await eventually(lambda: self._replicated(topics), 60, "all replicas in sync")

    async def _replicated(self, topics: list[str]) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        try:
            await admin.start()
            return all(
                len(partition["isr"]) == SIZE
                for topic in await admin.describe_topics(topics)
                for partition in topic["partitions"]
            )
        except KafkaError:
            return False
        finally:
            await admin.close()

    async def leader(self, topic: str, partition: int) -> ApacheKafka:
        """The node that leads a partition now."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            (told,) = await admin.describe_topics([topic])
            (leader,) = [p["leader"] for p in told["partitions"] if p["partition"] == partition]
        finally:
            await admin.close()
        return self.nodes[leader - 1]
