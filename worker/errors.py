"""Errors of our own. Their messages are logged, so they never quote a record or a row."""

from collections.abc import Sequence


class PlazoError(Exception):
    """An expected fault, with a message for the operator: names and numbers, no personal data."""


class Fenced(PlazoError):
    """Another worker took the lane over; the transaction of this worker had no effect."""


class StateLost(PlazoError):
    """The database does not hold what this lane committed: take the lane again."""


class Halted(PlazoError):
    """A lane stopped on purpose, because going on could break a promise."""


class OtherLog(Halted):
    """A log is not the one that was read: it was cut, or its topic was made again.

    ``lasting``: it must be kept, since the log may lose what shows it.
    """

    def __init__(self, topic: str, partition: int, reason: str, *, lasting: bool = False) -> None:
        super().__init__(f"{topic}/{partition} {reason}")
        self.log = topic, partition
        self.reason = reason
        self.lasting = lasting


class RecordFailed(PlazoError):
    """Our own code fails on a record that stands alone; ``error`` names the class of its error."""

    def __init__(self, topic: str, partition: int, offset: int, error: str) -> None:
        super().__init__(f"{error} at {topic}/{partition}@{offset}")
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.error = error


class NotSkipped(PlazoError):
    """The record that a person wants to skip is not the next one of its partition."""


class NotRewound(PlazoError):
    """A position cannot be set back to this offset."""


class NoSuchRecord(PlazoError):
    """A log does not hold this offset."""


class SchemaNotCurrent(PlazoError):
    """The schema of the database does not match this version."""


class TopicsNotFit(PlazoError):
    """Topics are missing, or their partitions do not fit together."""


class PolicyInvalid(PlazoError):
    """The policy file breaks its rules; ``faults`` states each with its line."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class FormatInvalid(PlazoError):
    """A format cannot be used; ``faults`` states each, with its line where there is one."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class PolicyConflict(PlazoError):
    """A policy was changed, but its version was not."""


class ModeConflict(PlazoError):
    """The database belongs to the other mode."""


class SeveralDatabases(PlazoError):
    """The database holds only some lanes: an earlier version placed others elsewhere."""


class TooCostly(PlazoError):
    """The answer would take too long: the question has to be narrower."""


class UnknownPlace(PlazoError):
    """The place to go on from is not one that a page named."""


class CannotListen(PlazoError):
    """The address for /metrics, /livez and /readyz could not be bound."""


class KafkaUnavailable(PlazoError):
    """Kafka does not answer, or not with a usable answer: try again later."""


class PublishFailed(PlazoError):
    """The broker did not acknowledge in time. A record may have been appended or not."""


class DatabaseFault(PlazoError):
    """An error from Postgres: its class and SQLSTATE, never its text, which may quote a row."""

    def __init__(self, name: str, sqlstate: str) -> None:
        super().__init__(f"{name} (SQLSTATE {sqlstate})" if sqlstate != "-" else name)
        self.name = name
        self.sqlstate = sqlstate


class DatabaseUnavailable(DatabaseFault):
    """Try again later. The transaction may have been committed or not."""


class SessionNotKept(DatabaseUnavailable):
    """The database does not work with the settings that a session of ours needs."""

    def __init__(self, message: str) -> None:
        PlazoError.__init__(self, message)
        self.name = ""
        self.sqlstate = "-"


class KeyTaken(DatabaseUnavailable):
    """A row with one of these keys exists already; the transaction had no effect."""


class RowRejected(DatabaseFault):
    """Postgres cannot store a value of this batch; nothing was written."""
