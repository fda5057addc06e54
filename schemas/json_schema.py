"""The JSON Schema of each event's value, as code generators and strict validators take it.

A class gets the short name of its model: no ``$id`` and no title of a field competes with it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import BaseModel

from . import decisions, events, models

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

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

MORE: Final = "`examples` lists all values of this version; later versions may add more."
# Of our own times: always in UTC and with six digits.
_OUR_TIMES = ["2026-11-22T15:04:05.123000Z"]


def is_output(model: type[BaseModel]) -> bool:
    """Whether Plazo publishes it."""
    return model.__module__ == decisions.__name__


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of one event's value."""
    schema = model.model_json_schema()
    for part in _parts(schema):
        _make_strict(part)
        if is_output(model):
            _make_open(part)
    return {"$schema": DIALECT, **schema}


def _parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and those inside it."""
    yield schema
    for inner in _children(schema):
        yield from _parts(inner)


def _children(schema: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for keyword in ("$defs", "properties", "patternProperties"):
        yield from schema.get(keyword, {}).values()
    yield from schema.get("anyOf", ())
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if isinstance(inner := schema.get(keyword), dict):
            yield inner


def _make_strict(schema: dict[str, Any]) -> None:
    """Satisfy AJV's strict mode, and leave titles to models: a titled field becomes a type."""
    if "properties" not in schema:
        schema.pop("title", None)
    if "propertyNames" in schema:
        schema["propertyNames"]["type"] = "string"
    if "default" in schema and schema["default"] is None:
        del schema["default"]


def _make_open(schema: dict[str, Any]) -> None:
    """Let readers meet fields that do not exist yet, and new values.

    A reason that is new tomorrow must not break whoever validates by today's schema. The values are
    told as ``examples``: strict validators refuse keywords of other vocabularies, such as
    ``x-extensible-enum``.
    """
    if schema.get("additionalProperties") is False:
        del schema["additionalProperties"]
    if schema.get("format") == "date-time":
        schema["examples"] = _OUR_TIMES
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if "enum" in schema:
        schema["examples"] = schema.pop("enum")
        schema["description"] = f"{schema.get('description', '')} {MORE}".strip()
