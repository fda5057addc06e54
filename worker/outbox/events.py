"""Builds the events of a judgement: ids and JSON values, no I/O."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha1
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from schemas.events import RESPONSIBLE
from schemas.statuses import Meaning
from worker.domain.acts import Place
from worker.domain.case import Case, Decision, Kind, Order, PriorDecision, Reason
from worker.freshness.evidence import Reading
from worker.storage.uuid import DriverUUID

# Never change it: the ids of decisions derive from it.
_NAMESPACE = UUID("6f1c1f0e-2b1d-5c7e-9f62-70a1d2c0de24")

# An order may have any number of acts, and an event too large for the broker would stop its lane.
# An event states the first and last acts, and the number omitted; `plazo explain` shows them all.
MOST_ACTS = 200


class Event(NamedTuple):
    """One row of the decisions table, without its lane and sequence. ``value`` is JSON."""

    order_id: str
    ordinal: int
    id: UUID
    kind: Kind
    reason: Reason
    revokes: int | None
    decided_at: datetime
    value: bytes


def decision_id(order_id: str, decision: Decision) -> UUID:
    """The id of a decision; deterministic, so a verdict computed again has the same id."""
    # As uuid5() does, but with the driver's class: a third of the time.
    hashed = _hashed(decision.ordinal, decision.kind, decision.reason).copy()
    hashed.update(order_id.encode())
    digest = bytearray(hashed.digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50  # version 5
    digest[8] = digest[8] & 0x3F | 0x80  # of RFC 9562
    found: UUID = DriverUUID(bytes(digest))
    return found


@lru_cache(maxsize=1024)
def _hashed(ordinal: int, kind: Kind, reason: Reason) -> Any:
    """The hash of the part of a name that thousands of decisions share."""
    return sha1(
        b"%b%d/%b/%b/" % (_NAMESPACE.bytes, ordinal, kind.encode(), reason.encode()),
        usedforsecurity=False,
    )


def events(
    case: Case, decisions: Sequence[Decision], reading: Reading, now: datetime
) -> Iterator[Event]:
    """The events of decisions, in the order of publication."""
    if not decisions:
        return
    order = case.order
    acts, omitted = _acts(case)
    told = (
        _json(order.order_id), _json(order.seller_id), _json(order.fulfilment),
        wire_time(order.entered_at), wire_time(order.due), wire_time(now),
    )  # fmt: skip
    evidence = acts, b'"omitted":%d,' % omitted if omitted else b"", reading.read_to
    for decision in decisions:
        yield Event(
            order.order_id,
            decision.ordinal,
            decision_id(order.order_id, decision),
            decision.kind,
            decision.reason,
            decision.revokes.ordinal if decision.revokes else None,
            now,
            _VALUE % (*told, *_verdict(case, decision), *evidence),
        )


class AlikeEvents:
    """Makes the events of one decision on bare orders, which share most of their bytes.

    Nothing is known of a bare order but its order-created. ``order`` is any of those, and the
    others differ from it by no more than :meth:`event` takes. The events are those of
    :func:`events`, byte for byte.
    """

    def __init__(self, order: Order, decision: Decision, reading: Reading, now: datetime) -> None:
        self._decision = decision
        self._now = now
        topic, partition = _literal(_json(order.place.topic)), b"%d" % order.place.partition
        self._value = _VALUE % (
            b"%b", b"%b", _literal(_json(order.fulfilment)), b"%b", b"%b", wire_time(now),
            *map(_literal, _verdict(Case(order), decision)),
            _ORDER_CREATED % (b"%b", b"%b", topic, partition, b"%d"),
            b"", _literal(reading.read_to),
        )  # fmt: skip

    def event(
        self,
        order_id: str,
        seller_id: str,
        entered_at: datetime,
        due: datetime,
        received_at: datetime,
        offset: int,
    ) -> Event:
        """The event of one order."""
        decision, entered = self._decision, wire_time(entered_at)
        value = self._value % (
            _json(order_id), _json(seller_id), entered, wire_time(due),
            entered, wire_time(received_at), offset,
        )  # fmt: skip
        return Event(
            order_id, decision.ordinal, decision_id(order_id, decision), decision.kind,
            decision.reason, None, self._now, value,
        )  # fmt: skip


def published_value(value: bytes, id_: bytes, ce_type: bytes, sequence: int) -> bytes:
    """A stored value as it is published: with its id, type and sequence.

    They come from the columns of its row, so a decision that is published again has the same
    bytes. Readers such as webhooks and SQL engines never see the headers that hold them as well.
    """
    return b'{"id":"%b","type":"%b","sequence":%d,%b' % (id_, ce_type, sequence, value[1:])


# Orders that entered in one batch, or are due at one instant, share their times.
@lru_cache(maxsize=1024)
def wire_time(moment: datetime) -> bytes:
    """RFC 3339 in UTC, always with six fractional digits: patterns of fixed length read it."""
    # The encoder of JSON takes a fifth of the time of isoformat(), and leaves out six zeros.
    told = orjson.dumps(moment, option=orjson.OPT_UTC_Z)
    return told[1:-1] if moment.microsecond else told[1:-2] + b".000000Z"


_json = orjson.dumps

# The layout of the JSON of an event, and of the act of an order itself.
_VALUE = (
    b'{"order_id":%b,"seller_id":%b,"fulfilment":%b,"entered_at":"%b","due":"%b",'
    b'"decided_at":"%b","reason":%b,"policy":%b,"policy_version":%b%b,'
    b'"evidence":{"acts":[%b],%b"read_to":%b}}'
)
_ORDER_CREATED = (
    b'{"status":"order-created","occurred_at":"%b","received_at":"%b",'
    b'"topic":%b,"partition":%b,"offset":%b}'
)


def _literal(text: bytes) -> bytes:
    """A text as a part of a layout that is filled in later."""
    return text.replace(b"%", b"%%")


def _verdict(case: Case, decision: Decision) -> tuple[bytes, bytes, bytes, bytes]:
    """Reason, policy and its version, and the fields that not every kind of event has."""
    order = case.order
    more: dict[str, Any] = {}
    if decision.kind == Kind.AUTO_CANCEL:
        more["dispute"] = {
            "text": order.dispute.text,
            "type": order.dispute.type,
            "responsible": RESPONSIBLE,
        }
    if decision.revokes is not None:
        more["revokes"] = _revoked(decision.revokes)
        more["order_cancelled"] = any(act.meaning == Meaning.CANCELED for act in case.acts)
    return (
        _json(decision.reason),
        _json(order.policy),
        b"%d" % order.policy_version,
        b"," + _json(more)[1:-1] if more else b"",
    )


def _revoked(prior: PriorDecision) -> dict[str, Any]:
    return {
        "id": prior.id,
        "type": f"marketplace.order.{prior.kind}.v1",
        "reason": prior.reason,
        "sequence": prior.sequence,
    }


def _acts(case: Case) -> tuple[bytes, int]:
    """The acts of an event, and the number of those left out."""
    order = case.order
    acts = [_order_created(order.entered_at, order.received_at, order.place)]
    acts += [_order_created(v.entered_at, v.received_at, v.place) for v in case.versions]
    acts += [_act(c.kind, c.occurred_at, c.received_at, c.place) for c in case.changes]
    for act in sorted(case.acts, key=lambda act: act.rank):
        stock = {} if act.stock_ok is None else {"stock_ok": act.stock_ok}
        acts.append(_act(act.status, act.occurred_at, act.received_at, act.place, **stock))
    for refusal in case.refusals:
        acts.append(_act("refused", None, refusal.received_at, refusal.place, error=refusal.error))
    omitted = case.omitted
    if len(acts) > MOST_ACTS:
        omitted += len(acts) - MOST_ACTS
        acts = acts[: MOST_ACTS // 2] + acts[-MOST_ACTS // 2 :]
    return b",".join(acts), omitted


def _order_created(entered_at: datetime, received_at: datetime, place: Place) -> bytes:
    return _ORDER_CREATED % (
        wire_time(entered_at), wire_time(received_at),
        _json(place.topic), b"%d" % place.partition, b"%d" % place.offset,
    )  # fmt: skip


def _act(
    status: str, occurred_at: datetime | None, received_at: datetime, place: Place, **more: Any
) -> bytes:
    told = {
        "status": status,
        "occurred_at": occurred_at and wire_time(occurred_at).decode(),
        "received_at": wire_time(received_at).decode(),
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
        **more,
    }
    return _json(told)
