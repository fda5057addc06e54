"""A registry takes the next minor version of our schemas in the modes that the pages name."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

import schemas
from schemas.registered import AVRO, JSON_SCHEMA, registered_text
from tests.support.apicurio import Apicurio, needs_a_registry

pytestmark = [pytest.mark.timeout(300), needs_a_registry]

MODES = ("BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL",
         "FULL_TRANSITIVE", "NONE")  # fmt: skip
# docs/how-to/schema-registry.md, "Compatibility"; schemas/guides/publishers.md.
OPEN_JSON = {"FORWARD", "FORWARD_TRANSITIVE", "NONE"}
ORDER_CREATED = Path(schemas.__file__).parent / "json" / "order-created.json"
Document = dict[str, Any]


def draft_07(schema: Path) -> str:
    """As the guide for publishers has it registered: Apicurio 2 compares no newer dialect."""
    told: Document = json.loads(schema.read_text("utf-8"))
    told["$schema"] = "http://json-schema.org/draft-07/schema#"
    return json.dumps(told)


def next_avro(schema: Document, number: int) -> Document:
    """What a minor version does: one more optional field."""
    new = deepcopy(schema)
    field = {"name": f"added_{number}", "type": ["null", "string"], "default": None}
    new["fields"].append(field)
    return new


def next_json(schema: Document, number: int) -> Document:
    """The same in JSON Schema, where it is a property that no record needs to have."""
    new = deepcopy(schema)
    new["properties"][f"added_{number}"] = {"type": ["string", "null"]}
    return new


def broken_avro(schema: Document, _number: int) -> Document:
    """What no minor version does: a field becomes another."""
    new = deepcopy(schema)
    (field,) = (one for one in new["fields"] if one["name"] == "order_id")
    field["type"] = "long"
    return new


def broken_json(schema: Document, _number: int) -> Document:
    """The same in JSON Schema."""
    new = deepcopy(schema)
    new["properties"]["order_id"] = {"type": "integer"}
    return new


@pytest.mark.parametrize(
    ("kind", "text", "change", "taken_in"),
    [
        ("AVRO", registered_text(AVRO), next_avro, {*MODES}),
        ("JSON", registered_text(JSON_SCHEMA), next_json, OPEN_JSON),
        ("JSON", draft_07(ORDER_CREATED), next_json, OPEN_JSON),
        ("AVRO", registered_text(AVRO), broken_avro, {"NONE"}),
        ("JSON", registered_text(JSON_SCHEMA), broken_json, {"NONE"}),
    ],
    ids=["avro", "json", "json-input", "avro-broken", "json-broken"],
)
def test_modes(
    registry: Apicurio, kind: str, text: str, change: Callable[[Document, int], Document],
    taken_in: set[str],
) -> None:  # fmt: skip
    first = json.loads(text)
    second = change(first, 2)
    third = change(second, 3)
    found = {}
    with SchemaRegistryClient({"url": registry.url}) as client:
        for mode in MODES:
            subject = f"{uuid4().hex}-value"
            client.register_schema(subject, Schema(text, kind))
            client.set_compatibility(subject, mode)
            taken = client.test_compatibility(subject, Schema(json.dumps(second), kind))
            if taken:
                client.register_schema(subject, Schema(json.dumps(second), kind))
                taken = client.test_compatibility(subject, Schema(json.dumps(third), kind))
            found[mode] = taken
    assert {mode for mode, taken in found.items() if taken} == taken_in
