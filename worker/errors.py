"""Errors of our own. Their messages are logged, so they never quote a record or a row."""

from collections.abc import Sequence


class PlazoError(Exception):
    """An expected fault, with a message for the operator: names and numbers, no personal data."""


class Fenced(PlazoError):
    """Another worker took the lane over; this one's transaction failed whole."""


class Halted(PlazoError):
    """A lane stopped on purpose, because going on could break a promise."""


class SchemaNotCurrent(PlazoError):
    """The database's schema is not the one this version works with."""


class TopicsNotFit(PlazoError):
    """Topics are missing, or their partitions do not fit together."""


class PolicyInvalid(PlazoError):
    """The policy file breaks its rules; ``faults`` tells each with its line."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class PolicyConflict(PlazoError):
    """A policy was changed, and its version was not."""


class ModeConflict(PlazoError):
    """The database belongs to the other mode."""


class SeveralDatabases(PlazoError):
    """The database holds only some lanes: a version before this one placed others elsewhere."""


class CannotListen(PlazoError):
    """The address for /metrics, /livez and /readyz could not be bound."""


class KafkaUnavailable(PlazoError):
    """Kafka does not answer, or not usefully: try again later."""


class PublishFailed(PlazoError):
    """The broker did not acknowledge in time; whether a record was appended is not known."""


class DatabaseFault(PlazoError):
    """An error from Postgres: its class and SQLSTATE, never its text, which may quote a row."""

    def __init__(self, name: str, sqlstate: str) -> None:
        super().__init__(f"{name} (SQLSTATE {sqlstate})")
        self.sqlstate = sqlstate


class DatabaseUnavailable(DatabaseFault):
    """Try again later; whether the transaction was committed is not known."""


class KeyTaken(DatabaseUnavailable):
    """A row with one of these keys is there already; the transaction is void."""


class RowRefused(DatabaseFault):
    """Postgres cannot store a value of this batch; nothing was written."""
