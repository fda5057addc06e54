"""All that is stored of an order, as a document."""

import json
from collections.abc import Mapping
from typing import Any

from schemas.statuses import STATUSES, Meaning
from worker.operations.answer import summary
from worker.operations.order_history import OrderHistory


def tells(status: str) -> bool:
    """Whether a status can affect a verdict, by the table of statuses."""
    return STATUSES.get(status, Meaning.UNKNOWN) != Meaning.NOTHING


def in_time(act: Mapping[str, Any], order: Mapping[str, Any] | None) -> bool | None:
    if order is None or order["due"] is None or not tells(act["status"]):
        return None
    return bool(act["occurred_at"] <= order["due"])


def document(order_id: str, history: OrderHistory, personal: bool) -> dict[str, Any]:
    """The history for JSON; personal data only if ``personal`` is set and the bodies are loaded."""
    order = history.order
    entered = order is not None and order["lane"] is not None
    return {
        "order_id": order_id,
        "summary": summary(history),
        "order": {
            name: order[name]
            for name in (
                "seller_id", "fulfilment", "entered_at", "started_at", "first_due", "due",
                "fires_at", "policy",
                "policy_version", "at_lapse",
                "total", "currency", "lane", "owner", "topic", "partition", "offset",
                "received_at", "finding", "outcome", "decided_at",
            )
        }
        if order is not None and entered
        else None,
        "acts": [
            {
                **{name: act[name] for name in act if name != "body"},
                "in_time": in_time(act, order),
                "decisive": tells(act["status"]),
                **({"body": act["body"]} if personal else {}),
            }
            for act in map(dict, history.acts)
        ],
        "refusals": [dict(row) for row in history.refusals],
        "deadline_changes": [
            {
                name: change[name]
                for name in change
                if personal or name not in ("author", "reason")
            }
            for change in map(dict, history.changes)
        ],
        "told_differently": [dict(row) for row in history.versions],
        "verdicts": [
            {
                **{name: row[name] for name in row if name != "value"},
                "evidence": json.loads(row["value"])["evidence"],
            }
            for row in map(dict, history.decisions)
        ],
    }  # fmt: skip
