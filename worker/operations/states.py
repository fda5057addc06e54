"""The states of orders and decisions by which lists are filtered; loads nothing else."""

from enum import StrEnum


class OrderStatus(StrEnum):
    """The state of an order: not decided yet, or its outcome."""

    OPEN = "open"
    WAITING_FOR_CLOCK = "waiting-for-clock"
    KEPT = "kept"
    CANCELLED = "cancelled"
    INCOMPLETE_FORM = "incomplete_form"
    CANCELLED_LATE = "cancelled_late"
    CANCELLED_BY_SELLER = "cancelled_by_seller"
    AUTO_CANCELLED = "auto_cancelled"
    ESCALATED = "escalated"
    LAPSED = "lapsed"
    BEFORE_ADOPTION = "before-adoption"


class DecisionStatus(StrEnum):
    """The state of a decision."""

    IN_FORCE = "in-force"
    REVOKED = "revoked"
    UNPUBLISHED = "unpublished"
