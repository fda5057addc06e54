"""Assigns lanes to members: all partitions of one number, of every topic, go to one member."""

from collections.abc import Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)


class LaneAssignor(AbstractPartitionAssignor):
    """Assigns whole lanes, in contiguous runs.

    The range assignor does so only while all topics have the same number of partitions. With
    different numbers it would split a lane between members.
    """

    name = "plazo-lanes"
    version = 0

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        widths = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
        lanes = sorted(set().union(*widths.values()))
        share, rest = divmod(len(lanes), len(members))
        assignment = {}
        start = 0
        for index, member in enumerate(sorted(members)):
            end = start + share + (index < rest)
            own = lanes[start:end]
            start = end
            # While workers of two settings run side by side, some read a topic that others do not.
            read = members[member].subscription
            parts = [(topic, [p for p in own if p in widths[topic]]) for topic in sorted(read)]
            assignment[member] = ConsumerProtocolMemberAssignment(
                cls.version, [(topic, numbers) for topic, numbers in parts if numbers], b""
            )
        return assignment

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(cls.version, sorted(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Do nothing: no state is kept between assignments."""
