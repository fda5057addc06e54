"""Acts: what somebody did with an order, as one record on a topic told it."""

from datetime import datetime
from typing import NamedTuple

ORDER_CREATED = "order-created"  # the act of the order itself
START_HANDLING = "start-handling"
CANCELED = "canceled"
DISPUTE_OPENED = "dispute-opened"
DISPUTE_RESOLVED = "dispute-resolved"

# None of the later statuses can be reached without start-handling, so each counts as it: an
# upstream that loses or compacts the first event must not cost the seller the order.
HANDLING = frozenset({START_HANDLING, "handling", "ready-for-invoicing", "invoice", "invoiced"})

# The statuses a verdict can rest on. Every other status is recorded and ignored.
DECISIVE = HANDLING | {CANCELED, DISPUTE_OPENED, DISPUTE_RESOLVED}

# What operators and support publish of a deadline. No statuses of the flow, and so named that
# none of those can be taken for one.
EXTENDED = "order.deadline-extended"
HELD = "order.deadline-held"
RELEASED = "order.deadline-released"

# Ties in event time are broken by meaning, never by order of arrival: a dispute that was opened
# and resolved in the same microsecond is resolved.
_RANK = {DISPUTE_OPENED: 1, DISPUTE_RESOLVED: 2, CANCELED: 3}


class Place(NamedTuple):
    """Where a record stands: the identity of an act."""

    topic: str
    partition: int
    offset: int


class Act(NamedTuple):
    """One status change of an order.

    ``stock_ok`` is what its validation says: ``True`` nothing wrong, ``False`` out of stock,
    defective or incomplete, ``None`` no validation. ``form_complete`` says whether its dispute
    form had all three fields, ``None`` where it carried no form.
    """

    status: str
    occurred_at: datetime
    received_at: datetime
    place: Place
    stock_ok: bool | None = None
    form_complete: bool | None = None

    @property
    def rank(self) -> tuple[datetime, int]:
        """Sort key: event time, then meaning."""
        return self.occurred_at, _RANK.get(self.status, 0)


class Change(NamedTuple):
    """Somebody changed an order's deadline: ``kind`` is extended, held or released.

    ``due`` is the new deadline of an extension. ``counted`` says that it has taken effect.
    """

    kind: str
    occurred_at: datetime
    received_at: datetime
    place: Place
    due: datetime | None = None
    counted: bool = False


class RefusedRecord(NamedTuple):
    """A record that named the order and could not be read: it shields the order."""

    place: Place
    received_at: datetime
    error: str
