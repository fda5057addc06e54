"""Acts: status changes of orders and changes of deadlines, each from one input record."""

from datetime import datetime
from typing import NamedTuple

from schemas.statuses import Meaning

ORDER_CREATED = "order-created"  # the act of the order itself

START_HANDLING = "start-handling"
CANCELED = "canceled"
DISPUTE_OPENED = "dispute-opened"
DISPUTE_RESOLVED = "dispute-resolved"
# A cancellation of some lines only, however its publisher spelt it.
CANCELED_IN_PART = "canceled-in-part"

# Deadline events of operators and support. They are not statuses of the flow, and no status can
# be mistaken for one of them.
EXTENDED = "order.deadline-extended"
HELD = "order.deadline-held"
RELEASED = "order.deadline-released"

# Nobody disputes an order that is not handled.
IMPLIES_HANDLING = frozenset({Meaning.HANDLING, Meaning.DISPUTE_OPENED, Meaning.DISPUTE_RESOLVED})
# Something happened, and nobody can tell what it means for the stock.
OBSCURE = frozenset({Meaning.UNCLEAR, Meaning.UNKNOWN})

# Meaning breaks ties in event time, never the order of arrival: a dispute that was opened and
# resolved in the same microsecond is resolved, and a clock that stops and starts runs.
_RANK = {
    Meaning.READY: 1,
    Meaning.DISPUTE_OPENED: 2,
    Meaning.DISPUTE_RESOLVED: 3,
    Meaning.CANCELED: 4,
}


class Place(NamedTuple):
    """The position of a record in the input: the identity of an act."""

    topic: str
    partition: int
    offset: int


class Act(NamedTuple):
    """One status change of an order.

    ``status`` is normalised, ``meaning`` that of the installation's vocabulary. ``stock_ok`` is the
    result of its validation: ``True`` for nothing wrong, ``False`` for out of stock, defective or
    incomplete, ``None`` for no validation. ``form_complete``: its dispute form had all three
    fields; ``None`` if it carried no form.
    """

    status: str
    occurred_at: datetime
    received_at: datetime
    place: Place
    stock_ok: bool | None = None
    form_complete: bool | None = None
    meaning: Meaning = Meaning.NOTHING

    @property
    def rank(self) -> tuple[datetime, int]:
        """Sort key: event time, then meaning."""
        return self.occurred_at, _RANK.get(self.meaning, 0)


class Change(NamedTuple):
    """A change to an order's deadline: ``kind`` is extended, held or released.

    ``due`` is the new deadline of an extension. ``counted``: the change has taken effect.
    """

    kind: str
    occurred_at: datetime
    received_at: datetime
    place: Place
    due: datetime | None = None
    counted: bool = False


class RefusedRecord(NamedTuple):
    """An unreadable record that names the order: it shields the order."""

    place: Place
    received_at: datetime
    error: str
