"""What the cluster's authorizer lets us do with topics and groups (KIP-430).

A broker adds it to its description of a topic or group, and wants no right but DESCRIBE for that,
which READ and WRITE imply. The list of ACLs itself would want a right on the cluster.
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from aiokafka.protocol.admin import DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.types import Array, Boolean, Schema, String


class Operation(IntEnum):
    """Operations on topics and groups, by the number that the protocol gives them."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11


# ``None``: the broker does not say.
Allowed = frozenset[Operation] | None


class _DescribeGroupsV3(RequestStruct):
    API_KEY = 15
    API_VERSION = 3
    # aiokafka 0.14 reads the answer to version 3 as one of version 2, without the operations.
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("operations", Boolean))


class DescribeGroup(Request[_DescribeGroupsV3]):
    """Asks for a group and what we may do with it."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_DescribeGroupsV3]) -> _DescribeGroupsV3:
        """Build the request."""
        return request_struct_class([self._group], True)


def of_topics(answer: Any) -> Iterator[tuple[str, Allowed]]:
    """Read an answer to ``Metadata``: what is allowed, by topic; without topics in other errors."""
    for topic in answer.to_object()["topics"]:
        if topic["error_code"] == TopicAuthorizationFailedError.errno:
            yield topic["topic"], frozenset()
        elif not topic["error_code"]:
            yield topic["topic"], _allowed(topic.get("topic_authorized_operations"))


def of_group(group: Mapping[str, Any]) -> Allowed:
    """Read the description of a group."""
    if group["error_code"] == GroupAuthorizationFailedError.errno:
        return frozenset()
    return None if group["error_code"] else _allowed(group["authorized_operations"])


def _allowed(bits: int | None) -> Allowed:
    """Read the bit field. Who sees a resource may describe it: without that there is no answer."""
    if bits is None or bits < 0 or not bits & 1 << Operation.DESCRIBE:
        return None
    return frozenset(one for one in Operation if bits & 1 << one)
