"""Assigns lanes to members: all partitions of one number, of every topic, go to one member."""

import json
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
        # So that each member can tell later whether its assignment is still that of these topics.
        told = json.dumps({topic: len(numbers) for topic, numbers in widths.items()}).encode()
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
                cls.version, [(topic, numbers) for topic, numbers in parts if numbers], told
            )
        return assignment

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(cls.version, sorted(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Do nothing: no state is kept between assignments."""


class WatchedAssignor:
    """The same for one consumer: keeps the widths of the topics when its lanes were assigned."""

    name = LaneAssignor.name
    assign = LaneAssignor.assign
    metadata = LaneAssignor.metadata

    def __init__(self) -> None:
        # Partitions by topic; empty if the assignment came from a version that does not tell.
        self.widths: dict[str, int] = {}

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Keep the widths that came with an assignment."""
        told = assignment.user_data
        self.widths = {str(topic): int(n) for topic, n in json.loads(told or b"{}").items()}
