"""The state of a worker that its monitor and its board may read."""

from collections.abc import Mapping
from typing import Protocol

from worker.observability.http import Health
from worker.records import Partition
from worker.runtime.membership import Membership
from worker.runtime.services import Services


class WorkerState(Protocol):
    """A running worker, for readers only."""

    @property
    def services(self) -> Services:
        """The parts that its lanes share."""
        ...

    @property
    def health(self) -> Health:
        """Whether it lives, and whether it is ready."""
        ...

    @property
    def membership(self) -> Membership:
        """Its lanes."""
        ...

    @property
    def log_ends(self) -> Mapping[Partition, int] | None:
        """The last known end of each input log; ``None`` while Kafka does not answer."""
        ...
