"""The exit status of every command: one table, from which the reference is made."""

from enum import IntEnum

from worker.errors import (
    CannotListen,
    DatabaseFault,
    DatabaseUnavailable,
    Fenced,
    FormatInvalid,
    Halted,
    KafkaUnavailable,
    KeyTaken,
    ModeConflict,
    NoSuchRecord,
    NotRewound,
    NotSkipped,
    OtherLog,
    PlazoError,
    PolicyConflict,
    PolicyInvalid,
    PublishFailed,
    RecordFailed,
    RowRejected,
    SchemaNotCurrent,
    SessionNotKept,
    SeveralDatabases,
    StateLost,
    TooCostly,
    TopicsNotFit,
    UnknownPlace,
)


class ExitStatus(IntEnum):
    """A status and its meaning for the one who reads it in a script or a pod."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> "ExitStatus":
        """A number that carries its meaning."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member

    DONE = 0, "success"
    FAULT = (
        1,
        "the command found a fault: a check failed, the order is unknown, a record would be "
        "refused, a promise was broken",
    )
    INVALID = 2, "invalid arguments, settings, policy file or mapping file"
    CONFLICT = (
        3,
        "the database has another schema version, another mode, or the same policy version with "
        "other terms",
    )
    UNAVAILABLE = 4, "Kafka or Postgres is unavailable, or did not acknowledge in time"
    NOT_LISTENING = 5, "the address of /metrics, /livez and /readyz is taken, or is not ours"
    # What a shell makes of SIGINT.
    INTERRUPTED = 130, "stopped by Ctrl-C before the end"


_OF: dict[type[PlazoError], ExitStatus] = {
    CannotListen: ExitStatus.NOT_LISTENING,
    DatabaseFault: ExitStatus.UNAVAILABLE,
    DatabaseUnavailable: ExitStatus.UNAVAILABLE,
    Fenced: ExitStatus.FAULT,
    FormatInvalid: ExitStatus.INVALID,
    Halted: ExitStatus.FAULT,
    KafkaUnavailable: ExitStatus.UNAVAILABLE,
    KeyTaken: ExitStatus.UNAVAILABLE,
    ModeConflict: ExitStatus.CONFLICT,
    NoSuchRecord: ExitStatus.FAULT,
    NotRewound: ExitStatus.FAULT,
    NotSkipped: ExitStatus.FAULT,
    OtherLog: ExitStatus.FAULT,
    PlazoError: ExitStatus.FAULT,
    PolicyConflict: ExitStatus.CONFLICT,
    PolicyInvalid: ExitStatus.INVALID,
    PublishFailed: ExitStatus.UNAVAILABLE,
    RecordFailed: ExitStatus.FAULT,
    RowRejected: ExitStatus.UNAVAILABLE,
    SchemaNotCurrent: ExitStatus.CONFLICT,
    SessionNotKept: ExitStatus.INVALID,
    SeveralDatabases: ExitStatus.INVALID,
    StateLost: ExitStatus.FAULT,
    TooCostly: ExitStatus.FAULT,
    TopicsNotFit: ExitStatus.FAULT,
    UnknownPlace: ExitStatus.INVALID,
}


def exit_status(error: PlazoError) -> ExitStatus:
    """The status with which a command ends after an error: that of its nearest class."""
    return next(_OF[kind] for kind in type(error).__mro__ if kind in _OF)


def has_status(kind: type[PlazoError]) -> bool:
    """Whether a class stands in the table itself."""
    return kind in _OF
