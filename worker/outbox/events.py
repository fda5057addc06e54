"""Builds the events of a judgement: ids and JSON values, no I/O."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha1
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from schemas.events import RESPONSIBLE
from schemas.statuses import Meaning
from worker.domain.case import Case, Decision, Kind, PriorDecision, Reason
from worker.freshness.evidence import Reading
from worker.storage.uuid import DriverUUID

# Never change it: the ids of decisions derive from it.
_NAMESPACE = UUID("6f1c1f0e-2b1d-5c7e-9f62-70a1d2c0de24")
_HASHED_NAMESPACE = sha1(_NAMESPACE.bytes, usedforsecurity=False)

# An order may have any number of acts, and an event too large for the broker would stop its lane.
# An event states the first and last acts, and the number omitted; `plazo explain` shows them all.
MOST_ACTS = 200


class Event(NamedTuple):
    """One row of the decisions table, without its lane and sequence."""

    order_id: str
    ordinal: int
    id: UUID
    kind: Kind
    reason: Reason
    revokes: int | None
    decided_at: datetime
    value: str


def decision_id(order_id: str, decision: Decision) -> UUID:
    """The id of a decision; deterministic, so a verdict computed again has the same id."""
    name = f"{decision.ordinal}/{decision.kind.value}/{decision.reason.value}/{order_id}"
    # As uuid5() does, but with the driver's class: a third of the time.
    hashed = _HASHED_NAMESPACE.copy()
    hashed.update(name.encode())
    digest = bytearray(hashed.digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50  # version 5
    digest[8] = digest[8] & 0x3F | 0x80  # of RFC 9562
    found: UUID = DriverUUID(bytes(digest))
    return found


def events(
    case: Case, decisions: Sequence[Decision], reading: Reading, now: datetime
) -> Iterator[Event]:
    """The events of decisions, in the order of publication."""
    if not decisions:
        return
    evidence = _evidence(case, reading)
    for decision in decisions:
        value = {**_head(case, decision, now), "evidence": evidence}
        yield Event(
            case.order.order_id,
            decision.ordinal,
            decision_id(case.order.order_id, decision),
            decision.kind,
            decision.reason,
            decision.revokes.ordinal if decision.revokes else None,
            now,
            orjson.dumps(value, _wire, orjson.OPT_PASSTHROUGH_DATETIME).decode(),
        )


def published_value(value: str, id_: UUID, ce_type: bytes, sequence: int) -> bytes:
    """A stored value as it is published: with its id, type and sequence.

    They come from the columns of its row, so a decision that is published again has the same
    bytes. Readers such as webhooks and SQL engines never see the headers that hold them as well.
    """
    return b'{"id":"%b","type":"%b","sequence":%d,%b' % (
        str(id_).encode(), ce_type, sequence, value[1:].encode()
    )  # fmt: skip


def wire_time(moment: datetime) -> str:
    """RFC 3339 in UTC, always with six fractional digits: patterns of fixed length read it."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _wire(value: object) -> str:
    if isinstance(value, datetime):
        return wire_time(value)
    raise TypeError(type(value).__name__)


def _head(case: Case, decision: Decision, now: datetime) -> dict[str, Any]:
    order = case.order
    head: dict[str, Any] = {
        "order_id": order.order_id,
        "seller_id": order.seller_id,
        "fulfilment": order.fulfilment,
        "entered_at": order.entered_at,
        "due": order.due,
        "decided_at": now,
        "reason": decision.reason,
        "policy": order.policy,
        "policy_version": order.policy_version,
    }
    if decision.kind == Kind.AUTO_CANCEL:
        head["dispute"] = {
            "text": order.dispute.text,
            "type": order.dispute.type,
            "responsible": RESPONSIBLE,
        }
    if decision.revokes is not None:
        head["revokes"] = _revoked(decision.revokes)
        head["order_cancelled"] = any(act.meaning == Meaning.CANCELED for act in case.acts)
    return head


def _revoked(prior: PriorDecision) -> dict[str, Any]:
    return {
        "id": prior.id,
        "type": f"marketplace.order.{prior.kind}.v1",
        "reason": prior.reason,
        "sequence": prior.sequence,
    }


def _evidence(case: Case, reading: Reading) -> dict[str, Any]:
    acts, omitted = _acts(case), case.omitted
    if len(acts) > MOST_ACTS:
        omitted += len(acts) - MOST_ACTS
        acts = acts[: MOST_ACTS // 2] + acts[-MOST_ACTS // 2 :]
    left_out = {"omitted": omitted} if omitted else {}
    return {"acts": acts, **left_out, "read_to": orjson.Fragment(reading.read_to)}


def _acts(case: Case) -> list[dict[str, Any]]:
    order = case.order
    acts: list[dict[str, Any]] = [
        {
            "status": "order-created",
            "occurred_at": order.entered_at,
            "received_at": order.received_at,
            **_position(order.place),
        }
    ]
    for version in case.versions:
        acts.append(
            {
                "status": "order-created",
                "occurred_at": version.entered_at,
                "received_at": version.received_at,
                **_position(version.place),
            }
        )
    for change in case.changes:
        acts.append(
            {
                "status": change.kind,
                "occurred_at": change.occurred_at,
                "received_at": change.received_at,
                **_position(change.place),
            }
        )
    for act in sorted(case.acts, key=lambda act: act.rank):
        stock = {} if act.stock_ok is None else {"stock_ok": act.stock_ok}
        acts.append(
            {
                "status": act.status,
                "occurred_at": act.occurred_at,
                "received_at": act.received_at,
                **_position(act.place),
                **stock,
            }
        )
    for refusal in case.refusals:
        acts.append(
            {
                "status": "refused",
                "occurred_at": None,
                "received_at": refusal.received_at,
                **_position(refusal.place),
                "error": refusal.error,
            }
        )
    return acts


def _position(place: Any) -> dict[str, Any]:
    return {"topic": place.topic, "partition": place.partition, "offset": place.offset}
