"""Run by `python -m pytest` in this directory, with Plazo installed."""

from datetime import UTC, datetime

import pytest
from bar_formats import acts, orders

from worker.ingest.formats import RefusalError

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_an_order() -> None:
    (order,) = orders(b"ORDER|v1-01|s-12|2026-11-22T15:04:05Z", NOW)
    assert (order.order_id, order.seller_id) == ("v1-01", "s-12")


def test_an_act() -> None:
    (act,) = acts(b"ACT|v1-01|start-handling|2026-11-22T18:00:00Z", NOW)
    assert act.status == "start-handling"


def test_other_lines_are_passed_over() -> None:
    assert orders(b"ACT|v1-01|x|y", NOW) == ()


def test_a_short_line_is_refused_and_shields_its_order() -> None:
    with pytest.raises(RefusalError):
        orders(b"ORDER|v1-01", NOW)
    assert orders.facts(b"ORDER|v1-01")["order_id"] == "v1-01"
