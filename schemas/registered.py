"""The schemas of decisions for a schema registry: JSON Schema and Avro.

A topic has one subject there, so one schema takes all types of decisions: what only some have is
optional. A field that a later version adds has a default in Avro, and is optional in JSON.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from .json_schema import EVENTS, MORE, is_output, json_schema

FOLDER: Final = Path(__file__).parent / "registry"
JSON_SCHEMA, AVRO = FOLDER / "decision.json", FOLDER / "decision.avsc"

_DIALECT = "http://json-schema.org/draft-07/schema#"
_TITLE = "Decision"
_ABOUT = "A decision of Plazo. `type` says which one, and so which of the optional fields it has."
# Version 0.1 wrote them in the headers alone. Each decision published by a registry has them.
_ALWAYS = frozenset({"id", "type", "sequence"})
_SINCE = "; left out by version 0.1"
_PLAIN = {"string": "string", "boolean": "boolean", "integer": "long"}
_TIME = {"type": "long", "logicalType": "timestamp-micros"}


def decision_json_schema() -> dict[str, Any]:
    """One JSON Schema that takes every decision.

    Raises:
        ValueError: two types of decisions have a field of one name and different types.
    """
    schemas = [json_schema(model) for _, _, model in EVENTS if is_output(model)]
    properties: dict[str, dict[str, Any]] = {}
    for schema in schemas:
        for name, part in schema["properties"].items():
            properties[name] = _both(name, properties.get(name, part), part)
    required = set.intersection(*(set(schema["required"]) for schema in schemas)) | _ALWAYS
    for name in properties.keys() - _common(schemas):
        # A missing field does not mean its default.
        properties[name].pop("default", None)
    definitions = {name: part for schema in schemas for name, part in schema["$defs"].items()}
    # Registries compare versions by this dialect; some fail on the one of the other schemas.
    parts = {"definitions": definitions, "properties": properties}
    old = json.loads(json.dumps(parts).replace('"#/$defs/', '"#/definitions/'))
    return {
        "$schema": _DIALECT,
        "definitions": old["definitions"],
        "title": _TITLE,
        "description": _ABOUT,
        "type": "object",
        "properties": old["properties"],
        "required": [name for name in properties if name in required],
    }


def decision_avro_schema() -> dict[str, Any]:
    """One Avro record that takes every decision."""
    schema = decision_json_schema()
    return {**_Avro(schema["definitions"]).record(_TITLE, schema), "namespace": "plazo"}


@cache
def registered_text(file: Path) -> str:
    """The text of a schema, as it is registered."""
    return file.read_text(encoding="utf-8")


def _common(schemas: list[dict[str, Any]]) -> set[str]:
    return set.intersection(*(set(schema["properties"]) for schema in schemas))


def _both(name: str, one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The schema of a field that two types of decisions have: their values differ, no more."""
    merged = {**one}
    if "examples" in one and one["examples"] != other.get("examples"):
        more = [value for value in other["examples"] if value not in one["examples"]]
        merged["examples"] = [*one["examples"], *more]
    open_to = ("examples", "description")
    if any(one.get(key) != other.get(key) for key in {*one, *other} - {*open_to}):
        raise ValueError(f"two types for {name}")
    return merged


class _Avro:
    """Turns JSON Schema into Avro; a record is defined where it is met first."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._named: set[str] = set()

    def record(self, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        self._named.add(name)
        fields = [
            self._field(field, part, field in schema["required"])
            for field, part in schema["properties"].items()
        ]
        return {"type": "record", "name": name, "doc": schema["description"], "fields": fields}

    def _field(self, name: str, part: Mapping[str, Any], required: bool) -> dict[str, Any]:
        kind, default = self._type(part), part.get("default")
        field: dict[str, Any] = {"name": name, "type": kind}
        if "description" in part:
            field["doc"] = part["description"].removesuffix(MORE).rstrip().replace(_SINCE, "")
        if required:
            return field
        if isinstance(kind, list):
            return {**field, "default": None}
        if default is None:
            return {**field, "type": ["null", kind], "default": None}
        return {**field, "default": default}

    def _type(self, part: Mapping[str, Any]) -> Any:
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            return name if name in self._named else self.record(name, self._definitions[name])
        if "anyOf" in part:  # of one type, or null
            return ["null", self._type(part["anyOf"][0])]
        if part["type"] == "array":
            return {"type": "array", "items": self._type(part["items"])}
        if values := part.get("additionalProperties"):
            return {"type": "map", "values": self._type(values)}
        if part.get("format") == "date-time":
            return _TIME
        return "int" if part.get("format") == "int32" else _PLAIN[part["type"]]
