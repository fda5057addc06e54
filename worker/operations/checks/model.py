"""A check and the facts it is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from worker.kafka.admin import Sample, Skew, TopicState
from worker.kafka.offsets import Bounds
from worker.kafka.rights import Allowed
from worker.records import Partition
from worker.storage.migrations import serves


class Status(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"  # it works, but not as well or as safely as it could
    FAULT = "fault"  # a promise is broken or the worker does not run
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. ``cure`` is the way to mend the fault."""

    name: str
    status: Status
    finding: str
    cure: str = ""


@dataclass(slots=True)
class KafkaFacts:
    """Facts from Kafka. A text in place of a fact says why there is none."""

    brokers: int
    topics: Mapping[str, TopicState]
    # What we may do with each topic, and with the group.
    allowed_on_topics: Mapping[str, Allowed] = field(default_factory=dict)
    allowed_on_group: Allowed = None
    configs: Mapping[tuple[str, str], str] | str = ""
    members: int | str = ""
    clock: Skew | str = ""
    samples: Mapping[Partition, Sequence[Sample]] = field(default_factory=dict)
    # First offset and end of each input partition.
    logs: Mapping[Partition, Bounds] = field(default_factory=dict)
    # The last sequence in each partition of the decisions topic.
    published: Mapping[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class DecisionsSchemaFacts:
    """What the schema registry says of the schema of decisions.

    ``refusal`` is why it would not register it, ``fault`` why it does not say.
    """

    subject: str
    id: int | None = None
    refusal: str | None = None
    fault: str | None = None
    mode: str = ""


@dataclass(slots=True)
class RegistryFacts:
    """Why the schema registry cannot be used, if so; and the schema of decisions, if it is used."""

    fault: str | None = None
    decisions: DecisionsSchemaFacts | None = None


@dataclass(slots=True)
class NameFacts:
    """Facts about the names of sellers and orders, from a part of the orders.

    ``unseen`` are sellers that the policy file names and no order has. Names that are ``alike``
    differ only in case or blanks.
    """

    orders: int = 0
    unseen: Sequence[str] = ()
    sellers_alike: Sequence[str] = ()
    ids_alike: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class OtherCell:
    """What a live cell in another schema of the database shares with ours, which is live too."""

    name: str
    # Its version; one that is older than ours is not compared.
    schema: str
    # Orders of the sample that are told there, too.
    orders: Sequence[str] = ()
    # Topics that it has read, of those that we read.
    topics: Sequence[str] = ()


@dataclass(slots=True)
class DatabaseFacts:
    """Facts from Postgres; rows only if the schema fits."""

    now: datetime
    clock: Skew
    schema: str
    lanes: Sequence[Mapping[str, Any]] = ()
    positions: Mapping[Partition, int] = field(default_factory=dict)
    # Why logs are not those that were read.
    other_logs: Mapping[Partition, str] = field(default_factory=dict)
    dead_letters: Sequence[Mapping[str, Any]] = ()
    notices: int = 0
    overdue: int = 0
    oldest_overdue: datetime | None = None
    # Role, table and privileges that a worker needs and does not have.
    missing_rights: Sequence[tuple[str, str, str]] = ()
    # Settings of the server that are off, though a crash may lose commits that way.
    risky: Sequence[str] = ()
    # Whether a standby follows that commits do not wait for.
    asynchronous: bool = False
    # Lanes that a version before this one placed in another database.
    elsewhere: str | None = None
    # When this installation began, and the orders that were over before and got no verdict.
    adopted_at: datetime | None = None
    before_adoption: int = 0
    # Orders whose acts came long ago and whose order-created did not.
    orphans: int = 0
    # Refused acts that name no known order.
    astray: int = 0
    # Orders that wait for their clock.
    waiting: int = 0
    # Orders on hold by an event for more than a day.
    held_long: int = 0
    # Orders of the last week that an escalation left to a person, and when the oldest was made.
    escalations: int = 0
    oldest_escalation: datetime | None = None
    # Statuses of the last day that no table knew.
    unknown_statuses: int = 0
    # The mode of the verdicts that it holds; None before the first worker.
    mode: str | None = None
    # The stored terms of the policies in our file, by name and version.
    terms: Mapping[tuple[str, int], str] = field(default_factory=dict)
    # Since when the brake holds everything.
    brake_tripped_at: datetime | None = None
    names: NameFacts = field(default_factory=NameFacts)
    # The other live cells in this database, and how many of our orders were looked up in them.
    cells: Sequence[OtherCell] = ()
    compared: int = 0

    # Our role may not read the rows.
    hidden: bool = False

    @property
    def readable(self) -> bool:
        """Whether this version can read the rows, and our role may."""
        return serves(self.schema) and not self.hidden
