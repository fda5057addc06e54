"""The contract on the wire: the models, and the documents made from them."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import schemas
from schemas import decisions, events, generate
from schemas.events import RefusalClass
from schemas.json_schema import json_schema
from schemas.models import Dispute, OrderCreated, OrderStatusChanged, Validation
from worker.domain.case import Reason
from worker.settings import Settings

HERE = Path(schemas.__file__).parent
MODELS: dict[str, type[BaseModel]] = {name: model for name, _, model in generate.EVENTS}

PLACE = {"topic": "marketplace.order-status-changed", "partition": 3, "offset": 12}
COMMON = {
    "order_id": "v40484048naf-01",
    "seller_id": "s-123",
    "fulfilment": "courier",
    "entered_at": "2026-11-22T15:04:05.123000Z",
    "due": "2026-11-23T15:04:05.123000Z",
    "decided_at": "2026-11-23T15:04:36Z",
    "policy": "standard",
    "evidence": {
        "acts": [
            {
                **PLACE,
                "status": "start-handling",
                "occurred_at": "2026-11-22T18:00:00Z",
                "received_at": "2026-11-22T18:00:01Z",
                "stock_ok": False,
                "error": None,
            },
            {
                **PLACE,
                "status": "refused",
                "occurred_at": None,
                "received_at": "2026-11-22T18:00:01Z",
                "error": "not-json",
            },
        ],
        "read_to": {"marketplace.order-created": [4, 0], "marketplace.order-status-changed": []},
    },
}
OUTPUTS: dict[str, dict[str, Any]] = {
    "auto-cancel": {
        **COMMON,
        "reason": "stock-not-validated",
        "dispute": {"text": "Stock not validated in time.", "type": "CS", "responsible": "Plazo"},
    },
    "escalation": {**COMMON, "reason": "dispute-open"},
    "deadline-reminder": {**COMMON, "reason": "deadline-approaches"},
    "decision-revoked": {
        **COMMON,
        "reason": "late-evidence",
        "revokes": {
            "id": "0f3a",
            "type": events.AUTO_CANCEL,
            "reason": "stock-not-validated",
            "sequence": 7,
        },
    },
}


def schema(name: str) -> Any:
    document = json.loads((HERE / "json" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def examples(kind: str) -> list[Any]:
    """Examples whose value is the event itself."""
    found = []
    for path in sorted((HERE / "examples" / kind).glob("*.json")):
        example = json.loads(path.read_text(encoding="utf-8"))
        if "value" in example and "structured" not in path.stem:
            found.append(pytest.param(example, id=path.stem))
    return found


def created(**fields: object) -> OrderCreated:
    order = {
        "order_id": "a",
        "seller_id": "s",
        "fulfilment": "courier",
        "entered_at": "2026-11-22T15:04:05Z",
    }
    return OrderCreated.model_validate_json(json.dumps(order | fields))


# The documents.


def test_documents_are_what_the_models_say() -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "schemas.generate", "--check"],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_a_stale_document_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "HERE", tmp_path / "schemas")
    (tmp_path / "schemas").mkdir()
    assert generate.main(["--check"]) == 1
    assert "stale: schemas/json/order-created.json" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert generate.main(["--chekc"]) == 2


def named(example: dict[str, Any]) -> str:
    """The event that an example is: by its type, else the first of its topic."""
    ce_type = example["headers"].get("ce_type")
    return next((name for name, told, _ in generate.EVENTS if told == ce_type), example["topic"])


@pytest.mark.parametrize("example", examples("valid"))
def test_json_schema_takes_valid_examples(example: dict[str, Any]) -> None:
    schema(named(example)).validate(example["value"])
    MODELS[named(example)].model_validate_json(json.dumps(example["value"]))


@pytest.mark.parametrize("example", examples("invalid"))
def test_json_schema_refuses_invalid_examples(example: dict[str, Any]) -> None:
    kind = RefusalClass(example["refused"])
    value = example["value"]
    calendar = "2026-02-30" in str(value)  # a JSON Schema knows none
    if kind in (RefusalClass.INVALID, RefusalClass.TIME, RefusalClass.TEXT) and not calendar:
        assert not schema(named(example)).is_valid(value)


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_round_trip(name: str) -> None:
    schema(name).validate(OUTPUTS[name])
    event = MODELS[name].model_validate_json(json.dumps(OUTPUTS[name]))
    written = event.model_dump_json(exclude_unset=True)
    assert json.loads(written) == OUTPUTS[name]
    schema(name).validate(json.loads(written))


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_may_gain_fields_but_not_by_accident(name: str) -> None:
    more = OUTPUTS[name] | {"more": 1}
    schema(name).validate(more)
    with pytest.raises(ValidationError):
        MODELS[name].model_validate_json(json.dumps(more))


def test_reasons_are_those_of_the_domain() -> None:
    said = [
        *get_args(decisions.AutoCancelReason),
        *get_args(decisions.EscalationReason),
        *get_args(decisions.RevocationReason),
        *get_args(decisions.ReminderReason),
    ]
    assert sorted(said) == sorted(reason.value for reason in Reason)


def test_schemas_stand_alone() -> None:
    for path in HERE.glob("*.py"):
        assert not re.search(r"^\s*(from|import) worker\b", path.read_text("utf-8"), re.MULTILINE)


# What code generators and strict validators need.

# The keywords of the vocabularies of JSON Schema 2020-12 that AJV knows in its strict mode.
STANDARD = {
    "$schema", "$defs", "$ref", "type", "title", "description", "default", "examples", "format",
    "properties", "patternProperties", "propertyNames", "additionalProperties", "required", "items",
    "anyOf", "minimum", "maximum", "minLength", "maxLength", "pattern", "minProperties",
    "maxProperties",
}  # fmt: skip


def parts(part: dict[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside a schema, and where it stands."""
    yield where, part
    for keyword in ("$defs", "properties", "patternProperties"):
        for name, inner in part.get(keyword, {}).items():
            yield from parts(inner, f"{where}.{name}")
    for index, inner in enumerate(part.get("anyOf", ())):
        yield from parts(inner, f"{where}|{index}")
    for keyword in ("items", "propertyNames", "additionalProperties"):
        if isinstance(part.get(keyword), dict):
            yield from parts(part[keyword], f"{where}[]")


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_schemas_have_standard_keywords_and_titles_of_models_only(model: type[BaseModel]) -> None:
    for where, part in parts(json_schema(model)):
        assert set(part) <= STANDARD, where
        assert ("title" in part) == ("properties" in part), where
        assert "default" not in part or part["default"] is not None, where


@pytest.mark.parametrize("name", MODELS)
def test_every_field_is_described(name: str) -> None:
    found = json_schema(MODELS[name])
    for where, part in parts(found):
        for field, inner in part.get("properties", {}).items():
            assert inner.get("description", "").endswith("."), f"{where}.{field}"


def test_what_outgrows_32_bits_says_so() -> None:
    found = json_schema(decisions.DecisionRevoked)
    inner = found["$defs"]
    assert found["properties"]["sequence"]["format"] == "int64"
    assert inner["Revoked"]["properties"]["sequence"]["format"] == "int64"
    assert inner["EvidenceAct"]["properties"]["offset"]["format"] == "int64"
    read_to = inner["Evidence"]["properties"]["read_to"]["additionalProperties"]
    assert read_to["items"]["format"] == "int64"


def test_a_value_that_is_new_tomorrow_is_valid_today() -> None:
    value = OUTPUTS["escalation"] | {"reason": "new-tomorrow"}
    schema("escalation").validate(value)
    reason = json_schema(decisions.Escalation)["properties"]["reason"]
    assert reason["examples"] == [*get_args(decisions.EscalationReason)]
    assert "later versions may add more" in reason["description"]


# Kafka Connect.


def fits(value: Any, connect: dict[str, Any]) -> bool:
    """Whether Connect's JsonConverter makes a value of this schema of it."""
    if value is None:
        return bool(connect.get("optional"))
    match connect["type"]:
        case "struct":
            return all(fits(value.get(one["field"]), one) for one in connect["fields"])
        case "array":
            return all(fits(one, connect["items"]) for one in value)
        case "map":
            return all(fits(one, connect["values"]) for one in value.values())
        case "int64":
            return isinstance(value, int)
        case "boolean":
            return isinstance(value, bool)
        case _:
            return isinstance(value, str)


@pytest.mark.parametrize("name", OUTPUTS)
def test_one_schema_of_kafka_connect_takes_every_decision(name: str) -> None:
    connect = json.loads((HERE / "connect" / "decision.json").read_text(encoding="utf-8"))
    assert fits(OUTPUTS[name], connect)
    assert not fits(OUTPUTS[name] | {"seller_id": None}, connect)
    assert not fits(OUTPUTS[name] | {"reason": 7}, connect)
    told = {one["field"] for one in connect["fields"]}
    assert set(MODELS[name].model_fields) <= told


# AsyncAPI.


def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((HERE / "asyncapi.json").read_text(encoding="utf-8"))
    return document


def test_asyncapi_references_resolve() -> None:
    document = asyncapi()

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            reference = part.get("$ref")
            if reference is not None:
                # One file, which tools import alone.
                assert reference.startswith("#/")
                found = document
                for step in reference.split("/")[1:]:
                    found = found[step]
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(document)


def test_asyncapi_covers_every_topic() -> None:
    defaults = Settings.model_fields
    assert {channel["address"] for channel in asyncapi()["channels"].values()} == {
        defaults[name].default
        for name in (
            "order_created_topic",
            "order_status_changed_topic",
            "decisions_topic",
            "shadow_topic",
            "dead_letters_topic",
        )
    }


def test_asyncapi_names_types_and_headers() -> None:
    messages = asyncapi()["components"]["messages"]
    for name, ce_type, _ in generate.EVENTS:
        assert messages[name]["headers"]["properties"]["ce_type"]["const"] == ce_type
    assert set(messages["dead-letter"]["headers"]["required"]) == {
        "plazo-source-topic",
        "plazo-source-partition",
        "plazo-source-offset",
        "plazo-source-timestamp",
        "plazo-error-class",
        "plazo-error-message",
    }


# The models.


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-22T15:04:05Z", datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)),
        ("2026-11-22t15:04:05.5z", datetime(2026, 11, 22, 15, 4, 5, 500_000, tzinfo=UTC)),
        ("2026-11-22T10:04:05.1234567-05:00", datetime(2026, 11, 22, 15, 4, 5, 123456, tzinfo=UTC)),
        (
            "2026-11-23T04:49:05.999999999+13:45",
            datetime(2026, 11, 22, 15, 4, 5, 999999, tzinfo=UTC),
        ),
        ("2026-11-22T15:04:05-00:00", datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_times(text: str, instant: datetime) -> None:
    entered_at = created(entered_at=text).entered_at
    assert entered_at == instant
    assert entered_at.tzinfo is UTC


@given(
    st.datetimes(timezones=st.just(UTC)), st.timedeltas(timedelta(hours=-23), timedelta(hours=23))
)
def test_every_instant_survives(instant: datetime, offset: timedelta) -> None:
    zone = timezone(timedelta(minutes=offset // timedelta(minutes=1)))
    try:
        text = instant.astimezone(zone).isoformat()
    except OverflowError:
        return
    assert created(entered_at=text).entered_at == instant


@given(st.text("0123456789-:.+TtZz ", max_size=36))
def test_no_text_breaks_the_time_parser(text: str) -> None:
    with contextlib.suppress(ValidationError):
        assert created(entered_at=text).entered_at.tzinfo is UTC


def test_models_may_be_made_in_python() -> None:
    lima = timezone(timedelta(hours=-5))
    order = OrderCreated(
        order_id="a",
        seller_id="s",
        fulfilment="courier",
        entered_at=datetime(2026, 11, 22, 10, tzinfo=lima),
    )
    assert order.entered_at == datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert json.loads(order.model_dump_json())["entered_at"] == "2026-11-22T15:00:00Z"
    assert OrderCreated.model_validate_json(order.model_dump_json()) == order
    with pytest.raises(ValidationError):
        OrderCreated(
            order_id="a",
            seller_id="s",
            fulfilment="courier",
            entered_at=datetime(2026, 11, 22),  # noqa: DTZ001
        )


def test_money_is_exact() -> None:
    order = created(total="0000000000000001.100000001")
    assert order.total == "0000000000000001.100000001"
    assert OrderCreated.model_validate_json(order.model_dump_json()).total == order.total


def test_errors_hide_input() -> None:
    with pytest.raises(ValidationError) as caught:
        created(order_id={"x": "Zoraida Quispe"}, entered_at="Zoraida Quispe")
    assert "Zoraida" not in str(caught.value)


@pytest.mark.parametrize(
    ("reported", "stock_ok"),
    [
        ({}, None),
        ({"in_stock": None}, None),
        ({"in_stock": True}, True),
        ({"in_stock": True, "functional": True, "complete": True}, True),
        ({"in_stock": True, "functional": False}, False),
        ({"complete": False}, False),
        ({"lines": []}, None),
        ({"lines": [{"sku": "a"}, {"sku": 7, "in_stock": True}]}, True),
        ({"in_stock": True, "lines": [{"in_stock": True}, {"complete": False}]}, False),
    ],
)
def test_stock_ok(reported: dict[str, Any], stock_ok: bool | None) -> None:
    assert Validation.model_validate_json(json.dumps(reported)).stock_ok is stock_ok


@pytest.mark.parametrize(
    ("fields", "in_part"),
    [
        ({}, False),
        ({"lines": []}, False),
        ({"lines": None, "partial": False}, False),
        ({"lines": {"a": 1}}, False),
        ({"lines": ["A-1"]}, True),
        ({"partial": True}, True),
        ({"lines": [{"sku": 0.5}, None]}, True),
    ],
)
def test_cancellations_of_some_lines(fields: dict[str, Any], in_part: bool) -> None:
    act = {"order_id": "a", "status": "canceled", "occurred_at": "2026-11-22T15:04:05Z"}
    changed = OrderStatusChanged.model_validate_json(json.dumps(act | fields))
    assert changed.cancels_in_part is in_part


@pytest.mark.parametrize(
    "lines",
    [None, [], 7, "gift", {"a": []}, [{"sku": "", "quantity": 0.55}, {"discount": -1.0}], [None]],
)
def test_no_line_costs_an_order_its_deadline(lines: object) -> None:
    assert created(lines=lines).lines == lines


def test_identifiers_are_trimmed() -> None:
    order = created(order_id=" a\t", seller_id="s\u00a0", fulfilment=" pickup ")
    assert (order.order_id, order.seller_id, order.fulfilment) == ("a", "s", "pickup")
    for name in ("order_id", "seller_id", "fulfilment"):
        with pytest.raises(ValidationError):
            created(**{name: " \n"})


@pytest.mark.parametrize(
    ("form", "complete"),
    [
        ({}, False),
        ({"text": "t", "type": "CS", "responsible": "r"}, True),
        ({"text": "t", "type": "CS", "responsible": " \n"}, False),
        ({"text": "t", "type": "CS"}, False),
        ({"text": "", "type": "CS", "responsible": "r"}, False),
    ],
)
def test_form_complete(form: dict[str, str], complete: bool) -> None:
    assert Dispute(**form).complete is complete


def test_absent_objects_report_nothing() -> None:
    changed = OrderStatusChanged.model_validate_json(
        '{"order_id":"a","status":"s","occurred_at":"2026-11-22T15:04:05Z","validation":null}'
    )
    assert changed.stock_ok is None
    assert changed.form_complete is None
