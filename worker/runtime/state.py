"""The state of a worker, for the monitor and the board."""

from collections.abc import Mapping
from typing import Protocol

from worker.observability.health import Health
from worker.records import Partition
from worker.runtime.membership import Membership
from worker.runtime.services import Services


class WorkerState(Protocol):
    """A running worker, read-only."""

    @property
    def services(self) -> Services:
        """The parts that its lanes share."""
        ...

    @property
    def health(self) -> Health:
        """Its liveness and readiness."""
        ...

    @property
    def membership(self) -> Membership:
        """Its membership in the consumer group, with its lanes."""
        ...

    @property
    def log_ends(self) -> Mapping[Partition, int] | None:
        """The last known end of each input log; ``None`` while Kafka does not answer."""
        ...
