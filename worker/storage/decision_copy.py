"""Packs rows of the table of decisions for COPY, as :mod:`worker.storage.binary_copy` does."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from struct import Struct
from typing import Any

from worker.storage.binary_copy import EPOCH, MICROSECOND

DECISION_COLUMNS = (
    "lane", "sequence", "order_id", "ordinal", "id", "kind", "reason", "revokes", "decided_at",
    "value",
)  # fmt: skip

_NULL = b"\xff\xff\xff\xff"

_row_start = Struct(">hiiiqi").pack
_number = Struct(">ii").pack
_time = Struct(">iq").pack
_length = Struct(">i").pack


def decisions(lane: int, first: int, rows: Iterable[tuple[Any, ...]]) -> list[bytes]:
    """Pack decisions of a lane as rows of ``DECISION_COLUMNS``.

    ``rows`` are the columns from ``order_id`` on, the value as UTF-8; their sequences are dense
    from ``first`` on.

    Raises:
        UnicodeError: a text that is not Unicode.
    """
    packed = []
    for sequence, row in enumerate(rows, first):
        order_id, ordinal, id_, kind, reason, revokes, decided_at, value = row
        key = order_id.encode()
        packed.append(
            b"".join((
                _row_start(len(DECISION_COLUMNS), 4, lane, 8, sequence, len(key)), key,
                _number(4, ordinal), _UUID, id_.bytes,
                _verdict(kind, reason, revokes, decided_at),
                _length(len(value)), value,
            ))
        )  # fmt: skip
    return packed


_UUID = _length(16)


# The decisions of a sweep share these.
@lru_cache(1_000)
def _verdict(kind: str, reason: str, revokes: int | None, decided_at: datetime) -> bytes:
    return b"".join((
        _text(kind), _text(reason),
        _NULL if revokes is None else _number(4, revokes),
        _time(8, (decided_at - EPOCH) // MICROSECOND),
    ))  # fmt: skip


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _length(len(encoded)) + encoded
