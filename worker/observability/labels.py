"""The closed sets of label values: code uses these members and no texts."""

from enum import StrEnum

from worker.domain.case import Kind, Reason


class Effect(StrEnum):
    """The effect of an input record."""

    CREATED = "created"
    STATUS = "status"
    DEADLINE = "deadline"  # a change of a deadline
    REPEAT = "repeat"
    REFUSED = "refused"
    TOMBSTONE = "tombstone"  # a key without a value, as connectors write after a deletion
    IGNORED = "ignored"  # a foreign record of no concern, such as a hook's ping


class Guard(StrEnum):
    """The reason why due verdicts wait."""

    BEHIND = "behind"  # an input partition is not read up to its end
    PROBE = "probe"  # the end offsets are not available
    TAIL = "tail"  # the end of the decisions topic cannot be read
    DATABASE = "database"
    CLOCK = "clock"
    HALTED = "halted"
    FAILING = "failing"  # a lane fails again and again at the same place
    MASS_CANCEL = "mass-cancel"  # too many auto-cancels: a person decides
    ASTRAY = "astray"  # a refused act names no known order: silent orders escalate
    SILENT_FEED = "silent-feed"  # orders arrive, and status changes do not
    REGISTRY = "registry"  # a lane waits for a schema of its records
    # Decisions wait to be published: the registry does not give or take their schema.
    DECISIONS_SCHEMA = "decisions-schema"


class RegistryAnswer(StrEnum):
    """The outcome of a request to the schema registry."""

    FOUND = "found"
    UNKNOWN = "unknown"
    AWAY = "away"
    REFUSED = "refused"  # it does not register the schema of decisions


class Tells(StrEnum):
    """What a record tells of."""

    ORDERS = "orders"
    ACTS = "acts"


class Connection(StrEnum):
    """The state of a pooled connection."""

    IDLE = "idle"
    BUSY = "busy"


class FaultKind(StrEnum):
    """The kind of an error from Postgres, or on the connection to it."""

    TRANSIENT = "transient"
    READONLY = "readonly"
    DATA = "data"
    OTHER = "other"


class Purpose(StrEnum):
    """The purpose of a lane's transaction."""

    APPLY = "apply"
    DECIDE = "decide"


class Waiting(StrEnum):
    """What waits for a person, until it is settled."""

    DEAD_LETTERS = "dead-letters"  # refused records; each shields its order
    HOLDS = "holds"  # orders whose verdict an event holds
    ORPHANS = "orphans"  # orders with acts and no order-created for an hour
    ASTRAY = "astray-refusals"  # refused acts that name no known order
    UNKNOWN = "unknown-statuses"  # words of the last day that no table knew
    CLOCKS = "clocks"  # orders whose clock has not started for PLAZO_CLOCK_WAIT
    ESCALATIONS = "escalations"  # orders of the last week that a person has to decide


class Readiness(StrEnum):
    """A part that must be at work for the worker to be ready."""

    WORKER = "worker"  # in the group, and each of its lanes runs
    DATABASE = "database"
    KAFKA = "kafka"


class Part(StrEnum):
    """A part that restarts alone after a fault."""

    LANE = "lane"
    RELAY = "relay"
    CONSUMER = "consumer"


# All pairs that exist: the alerts name them, and no others may appear.
DECISIONS = (
    (Kind.AUTO_CANCEL, Reason.STOCK_NOT_VALIDATED),
    *(
        (Kind.ESCALATION, reason)
        for reason in Reason
        if reason
        not in (Reason.STOCK_NOT_VALIDATED, Reason.LATE_EVIDENCE, Reason.DEADLINE_APPROACHES)
    ),
    (Kind.REVOKED, Reason.LATE_EVIDENCE),
    (Kind.REMINDER, Reason.DEADLINE_APPROACHES),
)
