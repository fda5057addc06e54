"""The AsyncAPI document: every topic, header and value, in one file that tools import alone."""

import json
from typing import Any

from pydantic import BaseModel

from . import events, models
from .json_schema import EVENTS, is_output, json_schema

_SCHEMAS = "#/components/schemas/"


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document of all topics, whole in one file."""
    created = [EVENTS[0][0]]
    changed = [n for n, _, model in EVENTS[1:] if model.__module__ == models.__name__]
    decided = [n for n, _, model in EVENTS if is_output(model)]
    shadowed = [f"would-{name}" for name in decided]
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Plazo",
            "version": "1.1.0",
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
                **{name: _message(ce_type, model) for name, ce_type, model in EVENTS},
                **{
                    f"would-{name}": _message(events.shadow_type(ce_type), model)
                    for name, ce_type, model in EVENTS
                    if is_output(model)
                },
                "dead-letter": _dead_letter(),
            },
            "schemas": _schemas(),
        },
    }


def _schemas() -> dict[str, Any]:
    """Every schema by its title, with those inside it beside it.

    Raises:
        ValueError: two of them share a title.
    """
    found: dict[str, Any] = {}
    for _, _, model in EVENTS:
        schema = json_schema(model)
        del schema["$schema"]
        for title, part in {**schema.pop("$defs", {}), model.__name__: schema}.items():
            moved = json.loads(json.dumps(part).replace("#/$defs/", _SCHEMAS))
            if found.setdefault(title, moved) != moved:
                raise ValueError(f"two schemas are called {title}")
    return found


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


def _message(ce_type: str, model: type[BaseModel]) -> dict[str, Any]:
    output = is_output(model)
    return {
        "name": ce_type,
        "title": model.__name__,
        "summary": (model.__doc__ or "").strip().splitlines()[0],
        "contentType": events.CONTENT_TYPE,
        "headers": _ce_headers(ce_type, output=output),
        "payload": {"$ref": f"{_SCHEMAS}{model.__name__}"},
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
