"""The table of statuses, and how words are compared."""

import re

import pytest

from schemas.statuses import STATUSES, Meaning, Vocabulary, nearest, normalise

HANDLING, CANCELED = Meaning.HANDLING, Meaning.CANCELED
UNCLEAR, NOTHING, READY = Meaning.UNCLEAR, Meaning.NOTHING, Meaning.READY


@pytest.mark.parametrize(
    ("told", "compared"),
    [
        ("start-handling", "start-handling"),
        ("Start-Handling", "start-handling"),
        ("START_HANDLING", "start-handling"),
        ("startHandling", "start-handling"),
        ("StartHandling", "start-handling"),
        (" start  handling\n", "start-handling"),
        ("__start__handling__", "start-handling"),
        ("start - handling", "start-handling"),
        ("start\u00a0handling", "start-handling"),  # a blank of the web
        ("start\u2013handling", "start-handling"),  # a dash of a word processor
        ("\uff33tart-handling", "start-handling"),  # full width
        ("cancelled", "canceled"),
        ("CANCELLED", "canceled"),
        ("Cancelled_By_Seller", "canceled-by-seller"),
        ("partiallyCancelled", "partially-canceled"),
        ("cancelling", "canceling"),
        ("cancellation-requested", "cancellation-requested"),  # spelt alike on both sides
        ("fulfilled", "fulfilled"),
        ("waiting-for-fulfilment", "waiting-for-fulfillment"),
        ("authorise-fulfilment", "authorize-fulfillment"),
        ("waiting-for-authorisation", "waiting-for-authorization"),
        ("något annat", "något-annat"),
        ("", ""),
        (" \t", ""),
        ("--", "--"),  # nothing else is left of it
    ],
)
def test_spellings_of_one_word_compare_alike(told: str, compared: str) -> None:
    assert normalise(told) == compared
    assert normalise(compared) == compared


@pytest.mark.parametrize("status", STATUSES)
def test_the_table_is_written_as_statuses_are_compared(status: str) -> None:
    """Another spelling in it would never be found."""
    assert normalise(status) == status
    for spelt in (status.upper(), status.title(), status.replace("-", "_"), f" {status}\n"):
        assert normalise(spelt) == status
    humps = re.sub("-(.)", lambda found: found[1].upper(), status)
    assert normalise(humps) == status


def test_no_table_gives_a_word_the_meaning_of_an_unknown_one() -> None:
    assert Meaning.UNKNOWN not in STATUSES.values()
    assert {*STATUSES.values()} == {*Meaning} - {Meaning.UNKNOWN}


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        # The OMS.
        ("start-handling", HANDLING), ("handling", HANDLING), ("ready-for-invoicing", HANDLING),
        ("invoice", HANDLING), ("invoiced", HANDLING), ("shipped", HANDLING),
        ("delivered", HANDLING), ("partially-shipped", HANDLING), ("canceled", CANCELED),
        ("cancelled", CANCELED), ("replaced", CANCELED), ("cancellation-requested", NOTHING),
        ("dispute-opened", Meaning.DISPUTE_OPENED), ("dispute-resolved", Meaning.DISPUTE_RESOLVED),
        ("ready-for-handling", READY),
        # VTEX.
        ("order-created", NOTHING), ("on-order-completed", NOTHING), ("payment-pending", NOTHING),
        ("payment-approved", NOTHING), ("waiting-ffmt-authorization", NOTHING),
        ("window-to-cancel", NOTHING), ("cancel", CANCELED), ("request-cancel", UNCLEAR),
        ("window-to-change-seller", UNCLEAR), ("invoice-after-cancellation-deny", HANDLING),
        # Mirakl.
        ("STAGING", Meaning.STAGED), ("WAITING_ACCEPTANCE", READY), ("WAITING_DEBIT", HANDLING),
        ("WAITING_DEBIT_PAYMENT", HANDLING), ("SHIPPING", HANDLING), ("SHIPPED", HANDLING),
        ("TO_COLLECT", HANDLING), ("RECEIVED", UNCLEAR), ("CLOSED", UNCLEAR),
        ("REFUSED", CANCELED), ("CANCELED", CANCELED), ("REFUNDED", UNCLEAR),
        ("WAITING_REFUND", UNCLEAR), ("INCIDENT_OPEN", UNCLEAR),
        # Of some lines.
        ("partially-cancelled", Meaning.CANCELED_IN_PART),
        ("aceptado", Meaning.UNKNOWN), ("", Meaning.UNKNOWN),
    ],
)  # fmt: skip
def test_the_words_of_the_flow_of_vtex_and_of_mirakl(status: str, meaning: Meaning) -> None:
    assert Vocabulary().meaning(normalise(status)) == meaning


def test_words_of_the_policy_file_add_to_the_table_and_replace_it() -> None:
    own = Vocabulary({"aceptado": HANDLING, "received": HANDLING})
    assert own.meaning("aceptado") == own.meaning("received") == HANDLING
    assert own.meaning("canceled") == CANCELED
    assert "aceptado" in own.telling
    assert "payment-pending" not in own.telling


def test_an_unknown_word_can_be_told_to_say_nothing() -> None:
    deaf = Vocabulary(ignore_unknown=True)
    assert deaf.meaning("aceptado") == NOTHING
    assert deaf.meaning("request-cancel") == UNCLEAR


@pytest.mark.parametrize(
    ("status", "known"),
    [("strat-handling", "start-handling"), ("Cancled", "canceled"), ("xyzzy", None), ("", None)],
)
def test_the_nearest_known_word_is_suggested(status: str, known: str | None) -> None:
    assert nearest(status, STATUSES) == known
