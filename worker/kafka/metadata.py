"""The request Metadata in versions 7 and 12, which aiokafka does not know.

Since version 7 the answer holds the leader epoch of each partition (KIP-320), since version 10 the
id of each topic (KIP-516). Older brokers answer without them.
"""

from typing import Any, NamedTuple

from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v4, MetadataRequest_v5
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    String,
    TaggedFields,
)


class _Uuid(AbstractType[bytes]):
    """Sixteen bytes."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: Any) -> bytes:
        return bytes(data.read(16))


_NO_ID = bytes(16)


class _ResponseV7(Response):
    API_KEY = 3
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(
                ("node_id", Int32),
                ("host", String("utf-8")),
                ("port", Int32),
                ("rack", String("utf-8")),
            ),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
            ),
        ),
    )


class _ResponseV12(Response):
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _RequestV7(RequestStruct):
    API_KEY = 3
    API_VERSION = 7
    RESPONSE_TYPE = _ResponseV7
    SCHEMA = MetadataRequest_v5.SCHEMA


class _RequestV12(RequestStruct):
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _ResponseV12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid),
                ("name", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


_Struct = MetadataRequest_v4 | MetadataRequest_v5 | _RequestV7 | _RequestV12


class Metadata(Request[_Struct]):
    """Asks for topics without making them.

    The client's own question about a missing topic may create it, with the broker's number of
    partitions. ``operations`` asks what we may do with each topic (KIP-430), too.
    """

    API_KEY = 3

    def __init__(self, topics: list[str], *, operations: bool = False) -> None:
        self._topics = topics
        self._operations = operations

    def build(self, request_struct_class: type[_Struct]) -> _Struct:
        """Build the request in the newest version that both sides know."""
        if request_struct_class is _RequestV12:
            named: list[Any] = [(_NO_ID, topic, {}) for topic in self._topics]
            return request_struct_class(named, False, self._operations, {})
        return request_struct_class(self._topics, False)


class Incarnation(NamedTuple):
    """Identifies one life of a log: another topic, or another leader, is another life.

    ``None``: the broker does not say.
    """

    topic_id: bytes | None
    leader_epoch: int | None


UNKNOWN = Incarnation(None, None)


def incarnations(answer: Any) -> dict[str, dict[int, Incarnation]]:
    """Read an answer: by topic, the incarnation of each partition; without topics in error."""
    return {
        topic["topic"]: {
            one["partition"]: Incarnation(_known(topic.get("topic_id")), one.get("leader_epoch"))
            for one in topic["partitions"]
        }
        for topic in answer.to_object()["topics"]
        if not topic["error_code"]
    }


def _known(topic_id: bytes | None) -> bytes | None:
    return None if topic_id == _NO_ID else topic_id
