"""The statuses of orders that Plazo knows, and the meaning of each for the stock deadline.

Statuses are compared as :func:`normalise` writes them. The policy file may add words, see
:class:`Vocabulary`. Sources: the order flow of the OMS and of VTEX, the order states of Mirakl.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Final


class Meaning(StrEnum):
    """The meaning of a status for the stock deadline."""

    # Stock is confirmed. Later statuses cannot be reached without start-handling, so each counts
    # as it: an upstream that loses the first event must not cost the seller the order.
    HANDLING = "handling"
    CANCELED = "canceled"
    CANCELED_IN_PART = "canceled-in-part"
    DISPUTE_OPENED = "dispute-opened"
    DISPUTE_RESOLVED = "dispute-resolved"
    # The order is with the seller: a cancelled one is alive again.
    READY = "ready"
    # Something happens to the order, and its stock is neither confirmed nor refused. Nor is it
    # silence.
    UNCLEAR = "unclear"
    # The seller cannot see the order yet: its clock stands still.
    STAGED = "staged"
    NOTHING = "nothing"
    # No table knows the word.
    UNKNOWN = "unknown"


STATUSES: Final[Mapping[str, Meaning]] = {
    status: meaning
    for meaning, statuses in {
        Meaning.HANDLING: (
            "start-handling", "handling", "ready-for-invoicing", "invoicing", "invoice",
            "invoiced", "verifying-invoice", "invoice-after-cancellation-deny",
            "waiting-debit", "waiting-debit-payment", "ready-for-shipping", "shipping", "shipped",
            "partially-shipped", "in-transit", "out-for-delivery", "to-collect", "picked-up",
            "delivered", "partially-delivered", "fulfilled", "partially-fulfilled",
        ),
        Meaning.CANCELED: (
            "canceled", "cancel", "canceling", "canceled-by-seller", "canceled-by-customer",
            "refused", "rejected", "replaced", "order-replaced", "merged",
        ),
        Meaning.DISPUTE_OPENED: ("dispute-opened",),
        Meaning.DISPUTE_RESOLVED: ("dispute-resolved",),
        Meaning.READY: ("ready-for-handling", "waiting-acceptance", "reopened", "re-opened"),
        Meaning.UNCLEAR: (
            "request-cancel", "window-to-change-seller", "received", "closed", "completed",
            "waiting-refund", "waiting-refund-payment", "refunded", "incident-open",
            "incident-closed", "returned", "partially-returned",
        ),
        # Some lines only: the rest must still be validated.
        Meaning.CANCELED_IN_PART: ("canceled-in-part", "partially-canceled"),
        Meaning.STAGED: ("staging",),
        Meaning.NOTHING: (
            "order-created", "order-placed", "order-completed", "order-accepted",
            "order-create-error", "order-creation-error", "on-order-completed",
            "on-order-completed-ffm", "payment-pending", "approve-payment", "payment-approved",
            "payment-denied", "window-to-change-payment", "waiting-for-authorization",
            "waiting-for-order-authorization", "waiting-for-manual-authorization",
            "waiting-ffmt-authorization", "authorize-fulfillment", "release-to-fulfillment",
            "waiting-for-fulfillment", "waiting-seller-handling", "waiting-for-seller-decision",
            "waiting-for-seller-confirmation", "window-to-cancel", "cancellation-requested",
            "cancellation-request-denied", "cancellation-request-denied-ffm",
        ),
    }.items()
    for status in statuses
}  # fmt: skip

_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GAPS = re.compile(r"[^\w]+|_+")
_BRITISH = (
    (re.compile(r"\bcancell(?=ed\b|ing\b)"), "cancel"),
    (re.compile(r"\bfulfil(?!l)"), "fulfill"),
    (re.compile(r"\bauthoris"), "authoriz"),
)


@lru_cache(4_096)
def normalise(status: str) -> str:
    """A status as it is compared: lower case, words joined by ``-``, American spelling."""
    plain = unicodedata.normalize("NFKC", status)
    words = _GAPS.sub("-", _HUMPS.sub("-", plain)).strip("-").casefold()
    for spelling, american in _BRITISH:
        words = spelling.sub(american, words)
    return words or plain.strip()


@dataclass(frozen=True)
class Vocabulary:
    """The statuses that an installation knows: the table, and the words of its policy file.

    ``own`` gives further words their meaning. With ``ignore_unknown`` a word that neither knows
    says nothing.
    """

    own: Mapping[str, Meaning] = field(default_factory=dict)
    ignore_unknown: bool = False

    @cached_property
    def known(self) -> Mapping[str, Meaning]:
        """Each known status, normalised."""
        return {**STATUSES, **self.own}

    @cached_property
    def telling(self) -> frozenset[str]:
        """The statuses that can affect a verdict."""
        return frozenset(s for s, meaning in self.known.items() if meaning != Meaning.NOTHING)

    def meaning(self, status: str) -> Meaning:
        """The meaning of a normalised status."""
        unknown = Meaning.NOTHING if self.ignore_unknown else Meaning.UNKNOWN
        return self.known.get(status, unknown)


def nearest(status: str, known: Iterable[str]) -> str | None:
    """The known status that an unknown one is most like, ``None`` if it is like none."""
    return next(iter(get_close_matches(normalise(status), known, 1)), None)
