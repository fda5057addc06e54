"""What happened to an order, in phrases for support."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.domain.acts import EXTENDED, HELD, ORDER_CREATED, RELEASED
from worker.domain.case import Kind
from worker.operations.explanation import in_time, tells
from worker.operations.order_history import OrderHistory
from worker.operations.sentences import ENGLISH, say

_CHANGES = {EXTENDED: "line.extended", HELD: "line.held", RELEASED: "line.released"}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened: its time (UTC), and a phrase."""

    at: datetime
    said: str


def moments(history: OrderHistory) -> list[Moment]:
    """What happened to the order, in the order of time: acts by event time, ours by the clock."""
    return sorted(_moments(history), key=lambda one: one.at)


def _moments(history: OrderHistory) -> Iterator[Moment]:
    order = history.order
    for act in history.acts:
        yield Moment(act["occurred_at"], _act(act, order))
    for row in history.refusals:
        settled = ".settled" if row["settled"] else ""
        yield Moment(row["received_at"], _say(f"line.letter{settled}"))
    for change in history.changes:
        if change["counted"] is not False:
            yield Moment(change["occurred_at"], _say(_CHANGES[change["kind"]]))
    for row in history.decisions:
        yield Moment(row["decided_at"], _decision(row))
    if order is not None and order["due"] is not None:
        yield Moment(order["due"], _say("line.due"))


def _act(act: Mapping[str, Any], order: Mapping[str, Any] | None) -> str:
    if act["status"] == ORDER_CREATED:
        return _say("line.entered")
    if act["status"] in _CHANGES:
        return _say("line.message", what=_say(_CHANGES[act["status"]]))
    notes = []
    if not tells(act["status"]):
        notes.append("nothing")
    elif (early := in_time(act, order)) is not None:
        notes.append("in-time" if early else "late")
    if act["stock_ok"] is not None:
        notes.append("stock-ok" if act["stock_ok"] else "stock-wrong")
    if act["form_complete"] is False:
        notes.append("form-incomplete")
    said = _say("line.status", what=act["status"])
    return said + (f" ({', '.join(_say(f'line.{note}') for note in notes)})" if notes else "")


def _decision(row: Mapping[str, Any]) -> str:
    sent = "" if row["published"] else f" ({_say('line.unpublished')})"
    if row["kind"] == Kind.REVOKED:
        return _say("line.revocation", n=row["revokes"]) + sent
    kind = _say(f"kind.{row['kind']}")
    said = kind[0].lower() + kind[1:] + sent
    return _say("line.decision", n=row["ordinal"], what=said, why=_say(f"why.{row['reason']}"))


def _say(key: str, **values: object) -> str:
    return say(ENGLISH, key, **values)
