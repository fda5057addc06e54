"""``plazo contract check`` and ``plazo format``: what becomes of the records of a file."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from worker import __main__ as command_line

ORDER = {
    "order_id": "o-1", "seller_id": "s-1", "fulfilment": "courier",
    "entered_at": "2025-11-20T10:00:00Z",
}  # fmt: skip
ACT = {"order_id": "o-1", "status": "start-handling", "occurred_at": "2025-11-20T16:00:00Z"}
CREATED, CHANGED = "marketplace.order-created", "marketplace.order-status-changed"
SHOPIFY = {
    "id": 77, "created_at": "2025-11-22T10:04:05-05:00", "line_items": [{"vendor": "a"}],
}  # fmt: skip


def plazo(*arguments: str, stdin: bytes | None = None) -> tuple[int, Any]:
    outcome = CliRunner().invoke(command_line.app, [*arguments, "--json"], input=stdin)
    return outcome.exit_code, json.loads(outcome.stdout)


def checked(path: Path, content: str | bytes, *options: str) -> tuple[int, Any]:
    file = path / "records"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return plazo("contract", "check", str(file), *options)


def lines(*records: Any) -> str:
    return "".join(f"{json.dumps(one)}\n" for one in records)


def kcat(value: Any, **more: Any) -> dict[str, Any]:
    payload = value if isinstance(value, str) else json.dumps(value)
    return {"topic": CREATED, "partition": 0, "offset": 3, "tstype": "create", "broker": 0,
            "ts": 1_763_632_800_000, "key": "o-1", "payload": payload, **more}  # fmt: skip


CONSOLE = "CreateTime:1763632800000\tPartition:0\tOffset:5\t{headers}\to-1\t{value}\n"
ENVELOPE = "ce_specversion:1.0,ce_type:marketplace.order.created.v1,note:a,b"
SHAPES = {
    "one a line": lines(ORDER, ACT),
    "Windows line ends": lines(ORDER, ACT).replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + lines(ORDER, ACT),
    "UTF-16": lines(ORDER, ACT).encode("utf-16"),
    "an array": json.dumps([ORDER, ACT]),
    "an array over several lines": json.dumps([ORDER, ACT], indent=2) + "\n",
    "documents over several lines": json.dumps(ORDER, indent=2) + "\n" + json.dumps(ACT, indent=2),
    "records": lines({"topic": "order-created", "key": "o-1", "value": ORDER}, {"value": ACT}),
    "kcat -J": lines(kcat(ORDER), kcat(ACT, topic=CHANGED, headers=["a", "b"])),
    "kcat -K": f"o-1:{json.dumps(ORDER)}\no-1\t{json.dumps(ACT)}\n",
    "a key in quotes": f'"o-1"\t{json.dumps(ORDER)}\n"o-1":{json.dumps(ACT)}\n',
    "console": CONSOLE.format(headers="NO_HEADERS", value=json.dumps(ORDER))
    + CONSOLE.format(headers="a:b", value=json.dumps(ACT)),
    "console with an envelope": CONSOLE.format(headers=ENVELOPE, value=json.dumps(ORDER))
    + f"CreateTime:1763632800000\to-1\t{json.dumps(ACT)}\n",
    "console with values over several lines": "".join(
        CONSOLE.format(headers="NO_HEADERS", value=json.dumps(one, indent=1))
        for one in (ORDER, ACT)
    ),
    "kcat -K with values over several lines": f"o-1:{json.dumps(ORDER, indent=1)}\n"
    + f"o-1\t{json.dumps(ACT, indent=1)}\n",
    "text inside text": lines(json.dumps(ORDER) and ORDER, {"value": json.dumps(ACT),
                                                            "topic": CHANGED, "key": "o-1"}),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shapes_that_files_have(tmp_path: Path, shape: str) -> None:
    code, found = checked(tmp_path, SHAPES[shape])
    assert found["refused"] == []
    assert (code, found["read"]) == (0, {CREATED: 1, CHANGED: 1})


def test_it_reads_the_standard_input() -> None:
    code, found = plazo("contract", "check", "-", stdin=lines(ORDER).encode())
    assert (code, found["records"]) == (0, 1)


def test_it_goes_on_after_a_bad_line(tmp_path: Path) -> None:
    content = (
        lines(ORDER) + '{"order_id": "o-1",\n' + lines(5, ACT) + "some text\n[]\n"
        + json.dumps(ORDER, indent=1)[:-1] + "\n" + lines(ACT)
    )  # fmt: skip
    code, found = checked(tmp_path, content)
    assert code == 1
    assert found["read"] == {CREATED: 1, CHANGED: 2}
    assert [(one["line"], one["message"]) for one in found["refused"]] == [
        (2, "not JSON in UTF-8"),
        (3, "not JSON in UTF-8"),
        (5, "not JSON in UTF-8"),
        (6, "an empty list"),
        (7, "not JSON in UTF-8"),
    ]


def test_a_broken_line_of_a_known_topic_is_refused_as_the_worker_would(tmp_path: Path) -> None:
    _, found = checked(tmp_path, '{"order_id": "o-1",\n', "--topic", "order-created")
    assert found["refused"][0]["error"] == "not-json"


def test_a_tombstone_of_a_dump(tmp_path: Path) -> None:
    for line in ("CreateTime:1\to-1\tnull\n", "o-1\t\n"):
        _, found = checked(tmp_path, line, "--topic", CHANGED)
        assert (found["refused"], found["passed_over"]) == ([], 1)


@pytest.mark.parametrize("line", ["\t{}", ":{}", "CreateTime:1\tNO_HEADERS\tnull\t{}"])
def test_a_key_that_is_null(tmp_path: Path, line: str) -> None:
    _, found = checked(tmp_path, line.replace("{}", json.dumps(ORDER)) + "\n")
    assert [one["message"] for one in found["refused"]] == ["key: missing"]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"entered_at": "22.11.2026"}, "entered_at: a text: RFC 3339 with an offset, such as"),
        ({"fulfilment": None}, "fulfilment: one of courier, dropshipping"),
        ({"total": 5}, 'total: a decimal string, such as "120.00"'),
        ({"currency": "pen"}, "currency: three capitals (ISO 4217), such as PEN"),
        ({"seller_id": None, "sellerId": "s"}, "200 characters; there is sellerId"),
    ],
)
def test_it_says_in_words_what_is_wanted(
    tmp_path: Path, fields: dict[str, Any], wanted: str
) -> None:
    record = {name: value for name, value in (ORDER | fields).items() if value is not None}
    code, found = checked(tmp_path, lines(record))
    assert code == 1
    assert wanted in found["refused"][0]["wanted"][0]


def test_a_change_of_a_deadline_needs_its_type(tmp_path: Path) -> None:
    change = {"order_id": "o-1", "occurred_at": ORDER["entered_at"], "author": "a", "reason": "r"}
    _, found = checked(tmp_path, lines(change))
    assert found["refused"][0]["wanted"][0].startswith("ce_type: marketplace.order.deadline-ext")
    headers = {"ce_type": "marketplace.order.deadline-held.v1", "ce_specversion": "1.0"}
    code, _ = checked(tmp_path, lines({"value": change, "headers": headers}))
    assert code == 0


def warned(path: Path, content: str, *options: str) -> list[tuple[str, str]]:
    code, found = checked(path, content, *options)
    assert code == 0
    return [(one["kind"], one["field"]) for one in found["warnings"]]


def test_warnings(tmp_path: Path) -> None:
    assert warned(tmp_path, lines(ORDER, ACT)) == []
    assert warned(tmp_path, lines(ORDER | {"fulfilment": "drone"})) == [("fulfilment",) * 2]
    assert warned(tmp_path, lines(ACT | {"Validation": {}, "note": "x"})) == [
        ("field", "validation")
    ]
    nested = ACT | {"validation": {"inStock": False}}
    assert warned(tmp_path, lines(nested)) == [("field", "in_stock")]
    _, found = checked(tmp_path, lines(ACT | {"status": "start-handlin"}))
    assert found["warnings"][0]["message"].endswith("is start-handling")


def test_an_order_that_came_later_than_its_window(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    late = ORDER | {"entered_at": (now - timedelta(days=2)).isoformat()}
    stamp = round(now.timestamp() * 1000)
    assert warned(tmp_path, lines(kcat(late, ts=stamp))) == [("entered-late", "entered_at")]
    # A file that does not tell when its records came says nothing of it.
    assert warned(tmp_path, lines(late)) == []


def test_a_key_that_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = lines(kcat(ORDER, key="o-2"))
    code, found = checked(tmp_path, other)
    assert (code, found["refused"][0]["error"]) == (1, "key-mismatch")
    monkeypatch.setenv("PLAZO_KEYS", "ignore")
    assert warned(tmp_path, other) == [("key", "key")]


@pytest.mark.parametrize(
    ("name", "record", "topic"),
    [
        ("mapping:shopify", SHOPIFY, CREATED),
        ("vtex-hook", {"OrderId": "o-2", "State": "invoiced"}, CHANGED),
        ("mirakl-order", {"order_id": "o", "order_state": "SHIPPING", "shop_id": 7,
                          "created_date": ORDER["entered_at"],
                          "last_updated_date": ORDER["entered_at"]}, CREATED),
    ],
)  # fmt: skip
def test_it_reads_every_format(tmp_path: Path, name: str, record: Any, topic: str) -> None:
    code, found = checked(tmp_path, lines(record), "--format", name)
    assert (code, found["read"]) == (0, {topic: 1})


def test_records_that_a_mapping_passes_over_are_counted(tmp_path: Path) -> None:
    content = lines(SHOPIFY, SHOPIFY | {"test": True})
    _, found = checked(tmp_path, content, "--format", "mapping:shopify")
    assert found["passed_over"] == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--topic", "nowhere"), "--topic: nowhere is no topic of the settings"),
        (("--format", "mapping:nowhere"), "mapping:nowhere: does not come with Plazo"),
        (("--format", "file:/nowhere.yaml"), "/nowhere.yaml: No such file"),
        (("--format", "nowhere"), "PLAZO_ORDER_CREATED_FORMAT: must be one of plazo"),
    ],
)
def test_wrong_use_is_json_as_well(tmp_path: Path, options: tuple[str, ...], fault: str) -> None:
    code, found = checked(tmp_path, lines(ORDER), *options)
    assert (code, found["ok"]) == (2, False)
    assert fault in found["faults"][0]


def test_wrong_settings_and_a_missing_file_are_json_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert plazo("contract", "check", "/nowhere") == (
        2, {"ok": False, "faults": ["/nowhere: No such file or directory"]},
    )  # fmt: skip
    monkeypatch.setenv("PLAZO_GRACE", "soon")
    code, found = plazo("contract", "check", "-", stdin=b"")
    assert code == 2
    assert found["faults"][0].startswith("PLAZO_GRACE")


def test_an_empty_file_is_a_failure_that_says_so(tmp_path: Path) -> None:
    assert checked(tmp_path, "\n")[0] == 1
    outcome = CliRunner().invoke(command_line.app, ["contract", "check", str(tmp_path / "records")])
    assert "the file holds no records" in outcome.stderr


def test_tables_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "records"
    file.write_text(lines(ACT | {"status": "xyzzy"}, ORDER | {"total": 5}, kcat("{", key="o-1")))
    outcome = CliRunner().invoke(command_line.app, ["contract", "check", str(file)])
    assert outcome.exit_code == 1
    for word in ("xyzzy", "a decimal string", "not-json"):
        assert word in outcome.stdout


# plazo format.


def test_format_check_shows_what_each_record_becomes(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(lines(SHOPIFY, SHOPIFY | {"test": True}, {"id": 7}) + "{\n")
    code, found = plazo("format", "check", "mapping:shopify", "--samples", str(file))
    assert (code, found["ok"]) == (1, False)
    assert [(one["line"], one["outcome"], one["message"]) for one in found["records"]] == [
        (1, "becomes", None),
        (2, "passed over", None),
        (3, "refused", "seller_id: missing; entered_at: missing"),
        (4, "refused", "value: not JSON in UTF-8 at line 1 column 1"),
    ]
    assert found["records"][0]["events"][0]["order_id"] == "77"
    shown = CliRunner().invoke(
        command_line.app, ["format", "check", "mapping:shopify", "--samples", str(file)]
    )
    assert "passed over" in shown.stdout


def test_format_check_hides_the_texts_of_people(tmp_path: Path) -> None:
    mapping = tmp_path / "shop.yaml"
    mapping.write_text(
        "name: shop\norder_id: id\nacts:\n"
        "  - {status: canceled, occurred_at: at, dispute: {responsible: who, type: type}}\n"
        "samples:\n  - {record: {id: 1, at: 2025-11-22T10:00:00Z}, becomes: "
        "[{order_id: '1', status: canceled, occurred_at: 2025-11-22T10:00:00Z}]}\n"
    )
    file = tmp_path / "samples.jsonl"
    file.write_text(lines({"id": 1, "at": "2025-11-22T10:00:00Z", "who": "Ana", "type": "CS"}))
    arguments = ("format", "check", str(mapping), "--samples", str(file))
    for options, who in (((), "(hidden)"), (("--with-personal-data",), "Ana")):
        code, found = plazo(*arguments, *options)
        assert code == 0
        (event,) = found["records"][0]["events"]
        assert event["dispute"] == {"responsible": who, "type": "CS"}


def test_format_check_of_a_file_that_is_broken(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("name: x\nsamples: []\n")
    code, found = plazo("format", "check", str(file))
    assert code == 2
    assert [one.split(": ")[0] for one in found["faults"]] == [f"{file}:1", f"{file}:2"]


def test_format_check_of_a_file_that_is_whole() -> None:
    assert plazo("format", "check", "mapping:shopify") == (0, {"ok": True, "records": []})


def test_format_list_names_mappings() -> None:
    _, found = plazo("format", "list")
    assert {"plazo", "vtex-order", "mapping:shopify"} <= {one["format"] for one in found}
