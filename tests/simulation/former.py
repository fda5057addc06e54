"""What a worker of an older version left: decisions in the table, and only some of them published.

Such a version went on with the next batch when the broker had refused one for good.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from tests.simulation.kafka import BASE, Log
from tests.simulation.scenario.records import DECISIONS
from tests.simulation.scenario.words import Former
from tests.simulation.statements import Row

if TYPE_CHECKING:
    from tests.simulation.world import World

_AT = BASE - timedelta(hours=1)
PREFIX = "former-"


@dataclass(frozen=True)
class Left:
    """What stands in a lane's partition from before: ``end`` is the first offset behind it."""

    former: Former
    end: int


def begin(world: "World", lane: int, left: Former) -> Left:
    """Put the rows and the records there."""
    tables, log = world.database.tables, world.broker.logs[DECISIONS, lane]
    tables["lanes"][lane] = Row(
        lane=lane, epoch=1, owner=None, sequence=left.decided, open_deadlines=0
    )
    tables["published"][lane] = Row(lane=lane, sequence=left.marked)
    for sequence in range(1, left.decided + 1):
        row = _decision(lane, sequence)
        tables["decisions"][lane, sequence] = row
        if sequence in left.published:
            id_ = f"other-{row['id']}" if sequence in left.others else str(row["id"])
            _publish(log, sequence, id_, row)
    if left.others:
        world.must_halt.add(lane)
    return Left(left, log.end)


def _decision(lane: int, sequence: int) -> Row:
    order_id = f"{PREFIX}{lane}-{sequence}"
    value = {
        "order_id": order_id,
        "seller_id": "s-1",
        "due": _AT.isoformat(),
        "reason": "stock-not-validated",
        "evidence": {"acts": [], "read_to": {}},
    }
    return Row(
        lane=lane,
        sequence=sequence,
        order_id=order_id,
        ordinal=1,
        id=uuid5(NAMESPACE_URL, order_id),
        kind="auto-cancel",
        reason="stock-not-validated",
        revokes=None,
        decided_at=_AT,
        value=json.dumps(value),
    )


def _publish(log: Log, sequence: int, id_: str, row: Any) -> None:
    headers = (
        ("ce_id", id_.encode()),
        ("ce_type", b"marketplace.order.auto-cancel.v1"),
        ("ce_sequence", str(sequence).encode()),
    )
    log.append(-1.0, row["order_id"].encode(), row["value"].encode(), headers)
