"""Policies: which window an order gets, and what happens when it lapses."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class AtLapse(StrEnum):
    """What a silent order gets at its deadline."""

    AUTO_CANCEL = "auto-cancel"
    ESCALATE = "escalate"  # a person decides


@dataclass(frozen=True, slots=True)
class Policy:
    """The terms an order gets when it enters; they stay with it."""

    name: str
    window: timedelta
    grace: timedelta
    at_lapse: AtLapse = AtLapse.AUTO_CANCEL

    def due(self, entered_at: datetime) -> datetime:
        """The last instant that counts as in time.

        Raises:
            OverflowError: the calendar ends before the window does.
        """
        return entered_at + self.window

    def fires_at(self, entered_at: datetime) -> datetime:
        """The first instant at which a verdict may fall.

        Raises:
            OverflowError: as for :meth:`due`.
        """
        return self.due(entered_at) + self.grace
