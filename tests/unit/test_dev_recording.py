"""Files of recorded events."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from worker.cli import contract
from worker.dev.ledger import UNREADABLE, Entry, Fact, Message
from worker.dev.recording import BadRecording, Line, read, records
from worker.settings import Settings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SETTINGS = Settings.model_construct()
CREATED, CHANGED = SETTINGS.input_topics

ORDER = {
    "order_id": "o-1",
    "seller_id": "s-1",
    "fulfilment": "courier",
    "entered_at": "2026-11-20T10:00:00-05:00",
}
ACT = {"order_id": "o-1", "status": "start-handling", "occurred_at": "2026-11-20T16:00:00Z"}


def messages(path: Path, *lines: Any) -> list[Message]:
    file = path / "recorded.jsonl"
    file.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))
    return list(read(file, SETTINGS, NOW))


def test_bare_events_find_their_topic_and_key(tmp_path: Path) -> None:
    order, act = messages(tmp_path, ORDER, "", ACT)
    assert (order.topic, order.key) == (CREATED, b"o-1")
    assert order.meanings == (("o-1", Entry(datetime(2026, 11, 20, 15, tzinfo=UTC))),)
    assert (act.topic, act.key) == (CHANGED, b"o-1")
    assert act.meanings == (
        ("o-1", Fact("start-handling", datetime(2026, 11, 20, 16, tzinfo=UTC))),
    )
    assert json.loads(act.value or b"") == ACT


def test_a_record_keeps_its_parts(tmp_path: Path) -> None:
    line = {"topic": "order-created", "key": None, "headers": {"a": "b"}, "value": ORDER}
    (record,) = messages(tmp_path, line)
    assert (record.topic, record.key, record.headers) == (CREATED, None, (("a", b"b"),))
    assert record.meanings == (("o-1", UNREADABLE),)  # no key: refused, and it shields its order


@pytest.mark.parametrize(
    "line",
    [
        {"topic": CHANGED, "key": "o-1", "value": "no JSON at all"},
        {"topic": CHANGED, "key": "o-1", "value": None},
        {"topic": CHANGED, "key": "o-2", "value": '{"order_id":"o-1","status":"start'},
        ACT | {"occurred_at": "2026-11-20T16:00:00"},
        ACT | {"occurred_at": "2026-11-22T12:05:01Z"},
        ORDER | {"fulfilment": " "},
        {"headers": {"ce_type": "another", "ce_specversion": "1.0"}, "value": ACT},
        {"headers": {"content-type": "text/plain"}, "value": ACT},
    ],
)
def test_what_the_worker_has_to_refuse_shields_the_order(
    tmp_path: Path, line: dict[str, Any]
) -> None:
    (record,) = messages(tmp_path, line)
    assert not record.readable
    assert ("o-1", UNREADABLE) in record.meanings


@pytest.mark.parametrize(
    "headers",
    [
        {"ce_type": "marketplace.order.status-changed.v1", "ce_specversion": "1.0"},
        {"content-type": "application/json; charset=utf-8"},
    ],
)
def test_headers_of_the_contract(tmp_path: Path, headers: dict[str, str]) -> None:
    (record,) = messages(tmp_path, {"headers": headers, "value": ACT})
    assert record.readable


def test_structured_mode(tmp_path: Path) -> None:
    kind = "marketplace.order.created.v1"
    envelope = {"specversion": "1.0", "id": "1", "source": "/x", "type": kind, "data": ORDER}
    headers = {"content-type": "application/cloudevents+json"}
    (record,) = messages(tmp_path, {"headers": headers, "value": envelope})
    assert (record.topic, record.key, record.readable) == (CREATED, b"o-1", True)


HOOK = {"Domain": "Fulfillment", "OrderId": "o-2", "State": "invoiced"}
DOCUMENT = {"orderId": "o-2", "creationDate": "2026-11-20T15:00:00Z", "value": 1000,
            "status": "handling", "sellers": [{"id": "s-9"}]}  # fmt: skip
OR11 = {"order_id": "o-2", "order_state": "SHIPPING", "created_date": "2026-11-20T15:00:00Z",
        "last_updated_date": "2026-11-20T16:00:00Z", "shop_id": 7}  # fmt: skip


def found(path: Path, topic: str | None, *lines: Any, **formats: str) -> list[Line]:
    file = path / "recorded.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return list(records(file, Settings.model_construct(**formats), topic))


VTEX = {"order_created_format": "vtex-order", "order_status_changed_format": "vtex-hook"}
MIRAKL = {"order_created_format": "mirakl-order", "order_status_changed_format": "mirakl-acts"}


def test_events_of_vtex_find_their_topic_and_key(tmp_path: Path) -> None:
    own = ACT | {"order_id": "o-2"}
    lines = found(tmp_path, None, HOOK, DOCUMENT, own, **VTEX)
    assert [line.topic for line in lines] == [CHANGED, CREATED, CHANGED]
    assert {line.key for line in lines} == {b"o-2"}
    assert json.loads(lines[1].value or b"") == DOCUMENT


def test_a_snapshot_of_mirakl_fits_both_topics_and_needs_its_name(tmp_path: Path) -> None:
    for topic, name in (("order-created", CREATED), (CHANGED, CHANGED)):
        for body in (OR11, {"orders": [OR11]}):
            (line,) = found(tmp_path, topic, body, **MIRAKL)
            assert (line.topic, line.key) == (name, b"o-2")
    with pytest.raises(BadRecording, match="--topic"):
        found(tmp_path, None, OR11, **MIRAKL)


def test_a_foreign_record_that_is_refused_is_keyed_by_what_it_names(tmp_path: Path) -> None:
    (line,) = found(tmp_path, "order-status-changed", {"OrderId": "o-2"}, **VTEX)
    assert line.key == b"o-2"


def test_contract_check_suggests_the_nearest_status(tmp_path: Path) -> None:
    file = tmp_path / "acts.jsonl"
    statuses = ("start-handlin", "Start_Handling", "start-handlin", "xyzzy")
    file.write_text("".join(json.dumps(ACT | {"status": one}) + "\n" for one in statuses))
    outcome = CliRunner().invoke(contract.app, [str(file), "--json"])
    assert outcome.exit_code == 0
    assert json.loads(outcome.output)["unknown"] == [
        {"status": "start-handlin", "records": 2, "line": 1, "nearest": "start-handling"},
        {"status": "xyzzy", "records": 1, "line": 4, "nearest": None},
    ]
    shown = CliRunner().invoke(contract.app, [str(file)]).output
    assert "start-handling" in shown


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        {"order_id": "o-1"},
        {"value": "text without a topic"},
        {"value": 5, "topic": "order-created"},
        ORDER | {"topic": "nowhere", "value": ORDER},
        {"key": 7, "value": ACT},
        {"headers": [], "value": ACT} | {"headers": ["a"]},
        {"headers": {"a": 1}, "value": ACT},
    ],
)
def test_an_invalid_line_is_named_but_not_quoted(tmp_path: Path, line: Any) -> None:
    with pytest.raises(BadRecording, match=r"recorded\.jsonl, line 3: ") as error:
        messages(tmp_path, ORDER, "", line)
    assert "o-1" not in str(error.value)
