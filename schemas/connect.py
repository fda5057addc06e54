"""The schema of decisions for Kafka Connect: ``schema.content`` of its JsonConverter.

Sinks such as JDBC want a struct, and plain JSON has none. One schema takes all types of decisions:
what only some have is optional.
"""

from typing import Any

from .json_schema import EVENTS, is_output, json_schema

# Connect reads a number without a width as INT64 anyhow.
_PLAIN = {"string": "string", "boolean": "boolean", "integer": "int64"}


def connect_schema() -> dict[str, Any]:
    """One struct that takes every decision.

    Raises:
        ValueError: two types of decisions have a field of one name and different types.
    """
    schemas = [json_schema(model) for _, _, model in EVENTS if is_output(model)]
    fields: dict[str, dict[str, Any]] = {}
    for schema in schemas:
        for name, part in schema["properties"].items():
            converted = _converted(part, schema["$defs"])
            if fields.setdefault(name, converted) != converted:
                raise ValueError(f"two types for {name}")
    always = set.intersection(*(set(schema["required"]) for schema in schemas))
    return _struct("Decision", fields, always)


def _struct(name: str, fields: dict[str, dict[str, Any]], always: set[str]) -> dict[str, Any]:
    return {
        "type": "struct",
        "name": f"plazo.{name}",
        "version": 1,
        "fields": [
            {**schema, "field": field, "optional": field not in always}
            for field, schema in fields.items()
        ],
    }


def _converted(part: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in part:
        title = part["$ref"].rpartition("/")[2]
        inner = definitions[title]
        fields = {name: _converted(each, definitions) for name, each in inner["properties"].items()}
        nullable = {
            name
            for name, each in inner["properties"].items()
            if {"type": "null"} in each.get("anyOf", ())
        }
        return _struct(title, fields, set(inner["required"]) - nullable)
    if "anyOf" in part:  # of one type, or null
        return _converted(part["anyOf"][0], definitions)
    if part["type"] == "array":
        return {"type": "array", "items": _converted(part["items"], definitions)}
    if values := part.get("additionalProperties"):
        return {
            "type": "map",
            "keys": {"type": "string"},
            "values": _converted(values, definitions),
        }
    return {"type": _PLAIN[part["type"]]}
