"""The sample marketplace, played without a broker."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from schemas.models import OrderCreated, OrderStatusChanged
from worker.dev.expectation import expect
from worker.dev.ledger import UNREADABLE, Account, Ledger
from worker.dev.marketplace import AFTERMATH, Marketplace
from worker.dev.sellers import BEHAVIOURS
from worker.settings import Settings

GRACE = timedelta(seconds=2)
START = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


def play(
    window: float, lasting: float, rate: float = 20.0, seed: int = 1
) -> tuple[Settings, Ledger, float]:
    """A whole run in no time; returns when its last record was published, too."""
    settings = Settings.model_construct(stock_window=timedelta(seconds=window), grace=GRACE)
    ledger = Ledger()
    market = Marketplace(
        settings, ledger, rate=rate, partitions=3, lasting=timedelta(seconds=lasting), seed=seed
    )
    now = START
    market.begin(now)
    while not market.over(now - START):
        while due := market.due(now):
            for message in due:
                meaning = message.meanings[0][1]
                if meaning is not UNREADABLE:
                    created = message.topic == settings.order_created_topic
                    model = OrderCreated if created else OrderStatusChanged
                    model.model_validate_json(message.value or b"")
                ledger.enter(message, datetime.fromtimestamp(now, UTC))
        now += 0.02
    return settings, ledger, now - START


def known_in_time(settings: Settings, account: Account) -> list[str]:
    """What must stand of an order if nothing that came after the verdict had been published."""
    assert account.entered_at is not None
    due = account.entered_at + settings.stock_window
    known = [fact for at, fact in account.facts if at < due + settings.grace]
    (standing,) = expect(due, known, []).standing
    return sorted(standing)


@pytest.mark.parametrize(("window", "lasting"), [(4.0, 10.0), (24.0, 60.0), (300.0, 60.0)])
def test_every_deadline_lapses_within_the_run(window: float, lasting: float) -> None:
    settings, ledger, ended = play(window, lasting)
    assert ledger.created > 0
    assert ended <= lasting
    dues = [one.entered_at + settings.stock_window for one in ledger.entered() if one.entered_at]
    last = datetime.fromtimestamp(START + lasting, UTC) - GRACE - AFTERMATH
    assert max(dues) <= last + timedelta(seconds=0.1)
    # The first fall at once, and none has lapsed before the worker can be there.
    first = min(dues) - datetime.fromtimestamp(START, UTC)
    assert timedelta(seconds=0.5) < first < timedelta(seconds=2)


def test_all_that_was_planned_is_published() -> None:
    _, ledger, _ = play(24.0, 60.0)
    assert all(account.planned == 0 for account in ledger.accounts.values())
    assert ledger.created == len(ledger.accounts)


def test_each_behaviour_leads_where_it_should() -> None:
    settings, ledger, _ = play(24.0, 300.0, rate=50.0)
    found: dict[str, set[str]] = {}
    for account in ledger.entered():
        verdicts = found.setdefault(account.did, set())
        verdicts.add(", ".join(known_in_time(settings, account)) or "nothing")
    cancel = {"auto-cancel stock-not-validated"}
    assert found == {
        "confirms": {"nothing"},
        "confirms at the last moment": {"nothing"},
        "confirms before the order is known": {"nothing"},
        "confirms and every record comes twice": {"nothing"},
        "confirms in time but the record is late": cancel,
        "cancels": {"nothing"},
        "cancels without a full form": {"nothing"},
        "cancels after the verdict": cancel,
        "stays silent": cancel,
        "handles without stock": {"escalation handling-without-stock"},
        "handles without stock and disputes": {"escalation dispute-open"},
        "disputes and resolves": {"nothing"},
        "handles within the grace": {"escalation handled-after-deadline"},
        "handles after the verdict": cancel,
        "disputes after the verdict": {"nothing"},
        "sends garbage": {"escalation unreadable-evidence"},
        "sends garbage and confirms": {"nothing"},
    }
    assert set(found) == {name for _, name, _ in BEHAVIOURS}


def test_most_sellers_confirm_and_the_rate_is_kept() -> None:
    _, ledger, _ = play(24.0, 60.0)
    # A backlog of almost a window, and what enters until the last can still lapse.
    assert ledger.created == pytest.approx(20 * (23 + 60 - 24 - 2 - 5), abs=2)
    did = Counter(account.did for account in ledger.accounts.values())
    assert did.most_common(1)[0][0] == "confirms"
