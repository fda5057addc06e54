"""Write the JSON Schemas, the AsyncAPI document and the table of statuses in the publishers' guide:
``python -m schemas.generate [--check]``.

``--check`` writes nothing and fails if a file is not what the models say.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from . import decisions, events, models, statuses

HERE = Path(__file__).parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FORMAT = "application/schema+json;version=draft/2020-12"

# Name of the file, type of the event, model.
EVENTS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("order-created", events.ORDER_CREATED, models.OrderCreated),
    ("order-status-changed", events.ORDER_STATUS_CHANGED, models.OrderStatusChanged),
    ("deadline-extended", events.DEADLINE_EXTENDED, models.DeadlineExtended),
    ("deadline-held", events.DEADLINE_HELD, models.DeadlineHeld),
    ("deadline-released", events.DEADLINE_RELEASED, models.DeadlineReleased),
    ("auto-cancel", events.AUTO_CANCEL, decisions.AutoCancel),
    ("escalation", events.ESCALATION, decisions.Escalation),
    ("decision-revoked", events.DECISION_REVOKED, decisions.DecisionRevoked),
    ("deadline-reminder", events.DEADLINE_REMINDER, decisions.DeadlineReminder),
)


def documents() -> dict[Path, str]:
    """Every generated file and what belongs in it."""
    files: dict[Path, Any] = {
        HERE / "json" / f"{name}.json": json_schema(ce_type, model)
        for name, ce_type, model in EVENTS
    }
    files[HERE / "asyncapi.json"] = asyncapi()
    texts = {
        path: json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for path, content in files.items()
    }
    return {**texts, HERE / "guides" / "publishers.md": _guide()}


_TABLE = re.compile(r"(?s)(<!-- statuses -->\n).*(<!-- /statuses -->)")


def _guide() -> str:
    """The guide for publishers, with the table of statuses."""
    rows = ["| Counts as | `status` |", "|---|---|"]
    for meaning in statuses.Meaning:
        words = [f"`{word}`" for word, told in statuses.STATUSES.items() if told == meaning]
        if words:
            rows.append(f"| {meaning} | {', '.join(words)} |")
    text = (Path(__file__).parent / "guides" / "publishers.md").read_text(encoding="utf-8")
    return _TABLE.sub(lambda found: "\n".join([found[1] + rows[0], *rows[1:], found[2]]), text)


def json_schema(ce_type: str, model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of one event's value."""
    schema = model.model_json_schema()
    _open(schema, output=_is_output(model))
    return {"$schema": DIALECT, "$id": f"urn:plazo:{ce_type}", **schema}


def _is_output(model: type[BaseModel]) -> bool:
    return model.__module__ == decisions.__name__


def _open(schema: Any, *, output: bool) -> None:
    """Let readers meet fields that do not exist yet and, in what we emit, new values.

    A reason that is new tomorrow must not break whoever validates by today's schema: the values
    are told as ``x-extensible-enum``, which the Zalando guidelines have for that.
    """
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            del schema["additionalProperties"]
        if output and "const" in schema:
            schema["x-extensible-enum"] = [schema.pop("const")]
        if output and "enum" in schema:
            schema["x-extensible-enum"] = schema.pop("enum")
        for part in schema.values():
            _open(part, output=output)
    elif isinstance(schema, list):
        for part in schema:
            _open(part, output=output)


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document of all topics."""
    created = [EVENTS[0][0]]
    changed = [n for n, _, model in EVENTS[1:] if model.__module__ == models.__name__]
    decided = [n for n, _, model in EVENTS if _is_output(model)]
    shadowed = [f"would-{name}" for name in decided]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Plazo",
            "version": "1.0.0",
            "description": (
                "Decides every lapsed stock-validation deadline of a marketplace. Names of "
                "topics are the defaults. Keys are the order id in UTF-8. Events are CloudEvents "
                "1.0 in binary mode; on input structured mode and plain JSON without any `ce_` "
                "header are accepted as well."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": events.CONTENT_TYPE,
        "channels": {
            "orderCreated": _channel(
                "marketplace.order-created", "Orders as they enter the system.", created
            ),
            "orderStatusChanged": _channel(
                "marketplace.order-status-changed", "What happens to orders later.", changed
            ),
            "decisions": _channel(
                "marketplace.stock-deadline-decisions",
                "Verdicts, each at least once, in order per partition. Repeats have the same "
                "`ce_id` and `ce_sequence`. At least as many partitions as order-created.",
                decided,
            ),
            "shadow": _channel(
                "marketplace.stock-deadline-shadow",
                "What would have been decided, in shadow mode.",
                shadowed,
            ),
            "deadLetters": _channel(
                "marketplace.stock-deadline-dead-letters",
                "Records that could not be read: key, value and headers as they came.",
                ["dead-letter"],
            ),
        },
        "operations": {
            "readOrderCreated": _operation("receive", "orderCreated", created),
            "readOrderStatusChanged": _operation("receive", "orderStatusChanged", changed),
            "publishDecision": _operation("send", "decisions", decided),
            "rehearseDecision": _operation("send", "shadow", shadowed),
            "publishDeadLetter": _operation("send", "deadLetters", ["dead-letter"]),
        },
        "components": {
            "messages": {
                **{name: _message(name, ce_type, model) for name, ce_type, model in EVENTS},
                **{
                    f"would-{name}": _message(name, events.shadow_type(ce_type), model)
                    for name, ce_type, model in EVENTS
                    if _is_output(model)
                },
                "dead-letter": _dead_letter(),
            },
        },
    }


ORDER_ID = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "description": "The order id, in UTF-8.",
}


def _channel(address: str, description: str, messages: list[str]) -> dict[str, Any]:
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(action: str, channel: str, messages: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _message(name: str, ce_type: str, model: type[BaseModel]) -> dict[str, Any]:
    output = _is_output(model)
    return {
        "name": ce_type,
        "title": model.__name__,
        "summary": (model.__doc__ or "").strip().splitlines()[0],
        "contentType": events.CONTENT_TYPE,
        "headers": _ce_headers(ce_type, output=output),
        "payload": {
            "schemaFormat": SCHEMA_FORMAT,
            "schema": {"$ref": f"./json/{name}.json"},
        },
        "bindings": {"kafka": {"key": ORDER_ID}},
    }


def _ce_headers(ce_type: str, *, output: bool) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    properties: dict[str, Any] = {
        events.CE_SPECVERSION: {"type": "string", "pattern": r"^1\.[0-9]+$"},
        events.CE_TYPE: {"type": "string", "const": ce_type},
        events.CE_ID: text,
        events.CE_SOURCE: text,
        events.CE_TIME: {"type": "string", "format": "date-time"},
        events.CONTENT_TYPE_HEADER: {"type": "string", "examples": [events.CONTENT_TYPE]},
    }
    required = [events.CE_SPECVERSION, events.CE_TYPE]
    if output:
        properties[events.CE_ID] = {
            **text,
            "description": "Deterministic: the same verdict always has the same id.",
        }
        properties[events.CE_PARTITIONKEY] = {**text, "description": "The order id."}
        properties[events.CE_SEQUENCE] = {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "1, 2, 3… without gaps, per partition.",
        }
        required = list(properties)
        properties["traceparent"] = {
            **text,
            "description": "W3C trace context of the publication, if the order came with one.",
        }
        properties["tracestate"] = {**text, "description": "Goes with traceparent."}
    return {"type": "object", "properties": properties, "required": required}


def _dead_letter() -> dict[str, Any]:
    number = {"type": "string", "pattern": "^[0-9]+$"}
    properties: dict[str, Any] = {
        events.SOURCE_TOPIC: {"type": "string", "minLength": 1},
        events.SOURCE_PARTITION: number,
        events.SOURCE_OFFSET: number,
        events.SOURCE_TIMESTAMP: {
            "type": "string",
            "format": "date-time",
            "description": "The timestamp of the record in the source topic.",
        },
        events.ERROR_CLASS: {"type": "string", "enum": [one.value for one in events.RefusalClass]},
        events.ERROR_MESSAGE: {
            "type": "string",
            "maxLength": 300,
            "description": "Names fields and rules, never values: no personal data.",
        },
    }
    required = list(properties)
    for omitted, name in (
        (events.VALUE_OMITTED, "value"),
        (events.HEADERS_OMITTED, "original headers"),
        (events.KEY_OMITTED, "end of the key"),
    ):
        properties[omitted] = {
            "type": "string",
            "description": f"Why this record is without the {name}: this topic takes less than "
            "the source topic. Plazo's database keeps the whole record.",
        }
    return {
        "name": "plazo.dead-letter",
        "title": "DeadLetter",
        "summary": "A record that could not be read: its bytes as they came.",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "properties": properties, "required": required},
        "payload": {"description": "The value as it came, JSON or not."},
        "bindings": {"kafka": {"key": {"description": "The key as it came, or none."}}},
    }


def main(arguments: list[str]) -> int:
    """Write or check; the exit status."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m schemas.generate [--check]", file=sys.stderr)
        return 2
    stale = [
        (path, text)
        for path, text in documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        if arguments:
            print(f"stale: {path.relative_to(HERE.parent)}", file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(text, encoding="utf-8")
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
