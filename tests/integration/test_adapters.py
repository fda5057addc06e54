"""Other systems' records, from their topic to the verdict."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics

CANCEL = "auto-cancel stock-not-validated"


async def test_vtex(
    new_worker: Callable[..., WorkerProcess], topics: Topics, market: Market
) -> None:
    """Notifications before the document of their order, a ping, and one that cannot be read."""
    entered = now() - timedelta(days=2)

    def order(name: str) -> tuple[str, str, Any]:
        body = {"orderId": name, "creationDate": entered.isoformat(), "value": 1000,
                "sellers": [{"id": "s-9"}]}  # fmt: skip
        return topics.order_created, name, body

    def act(name: str, state: str, **more: Any) -> tuple[str, str, Any]:
        at = (entered + timedelta(hours=1)).isoformat()
        body = {"Domain": "Fulfillment", "OrderId": name, "State": state, "CurrentChange": at}
        return topics.order_status_changed, name, body | more

    await market.publish(
        (topics.order_status_changed, "ping", {"hookConfig": "ping"}),
        act("handled", "start-handling"), act("handled", "start-handling"),
        act("broken", "start-handling", CurrentChange="soon"),
        *(order(name) for name in ("handled", "silent", "broken")),
    )  # fmt: skip
    worker = new_worker(
        topics, order_created_format="vtex-order", order_status_changed_format="vtex-hook"
    )
    await worker.start().wait_ready()
    told = await market.told(f"silent {CANCEL}", "broken escalation unreadable-evidence")
    assert {one.value["seller_id"] for one in told} == {"s-9"}
    metrics = await worker.metrics()
    ignored = f'plazo_records_total{{outcome="ignored",topic="{topics.order_status_changed}"}}'
    assert metrics[ignored] == 1
    assert await worker.sigterm() == 0


async def test_mirakl(
    new_worker: Callable[..., WorkerProcess], topics: Topics, market: Market
) -> None:
    """The same snapshots on both topics; staged orders have no deadline."""
    entered = now() - timedelta(days=2)

    def snapshot(name: str, state: str, decided: datetime | None = None) -> list[Any]:
        body = {"order_id": name, "order_state": state, "created_date": entered.isoformat(),
                "last_updated_date": (entered + timedelta(hours=30)).isoformat(),
                "acceptance_decision_date": decided and decided.isoformat(), "shop_id": 7,
                "total_price": 10.5, "currency_iso_code": "EUR", "order_lines": []}  # fmt: skip
        return [(topic, name, body) for topic in (topics.order_status_changed,
                                                  topics.order_created)]  # fmt: skip

    in_time = entered + timedelta(hours=2)
    await market.publish(
        *snapshot("silent", "WAITING_ACCEPTANCE"), *snapshot("staged", "STAGING"),
        *snapshot("accepted", "SHIPPING", in_time), *snapshot("refused", "REFUSED", in_time),
        *snapshot("late", "SHIPPING", entered + timedelta(hours=29)),
    )  # fmt: skip
    worker = new_worker(
        topics, order_created_format="mirakl-order", order_status_changed_format="mirakl-acts"
    )
    await worker.start().wait_ready()
    await market.told(f"silent {CANCEL}", "late escalation handled-after-deadline")
    assert await worker.sigterm() == 0
