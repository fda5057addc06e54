"""A refusal says in words what is wrong with which field, and quotes nothing of the record."""

import json
import re
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from schemas.models import DeadlineExtended, OrderCreated, OrderStatusChanged
from worker.ingest.parse_errors import validation_refusal

ORDER = {"order_id": "o", "seller_id": "s", "fulfilment": "courier",
         "entered_at": "2026-11-22T15:04:05Z"}  # fmt: skip
ACT = {"order_id": "o", "status": "start-handling", "occurred_at": "2026-11-22T15:04:05Z"}
CHANGE = {"order_id": "o", "occurred_at": "2026-11-22T15:04:05Z", "due": "2026-11-23T15:04:05Z",
          "author": "a", "reason": "r"}  # fmt: skip


def refused(model: type[BaseModel], value: object) -> str:
    body = json.dumps(value).encode()
    with pytest.raises(ValidationError) as raised:
        model.model_validate_json(body)
    return validation_refusal(raised.value, body, "").message


@pytest.mark.parametrize(
    ("model", "value", "message"),
    [
        (OrderCreated, {**ORDER, "order_id": 7}, "order_id: not a text"),
        (OrderCreated, {**ORDER, "order_id": ""}, "order_id: shorter than 1"),
        (OrderCreated, {**ORDER, "order_id": "x" * 300}, "order_id: longer than 200 characters"),
        (
            OrderCreated,
            {**ORDER, "order_id": "a\0b"},
            "order_id: holds a character that Postgres cannot store",
        ),
        (
            OrderCreated,
            {**ORDER, "entered_at": "yesterday"},
            "entered_at: not a time of RFC 3339 with an offset",
        ),
        (
            OrderCreated,
            {**ORDER, "total": "1e3", "currency": "soles"},
            "total: not of the form that the contract asks for; "
            "currency: not of the form that the contract asks for",
        ),
        (
            OrderCreated,
            {**ORDER, "labels": [1]},
            "labels: not an object of at most 50 short texts",
        ),
        (OrderStatusChanged, {**ACT, "validation": 1}, "validation: not an object"),
        (
            OrderStatusChanged,
            {**ACT, "validation": {"in_stock": "y"}},
            "validation.in_stock: not true or false",
        ),
        (DeadlineExtended, {**CHANGE, "reason": ""}, "reason: shorter than 1"),
        (OrderStatusChanged, [], "value: not an object"),
    ],
)
def test_each_rule_has_words(model: type[BaseModel], value: Any, message: str) -> None:
    assert refused(model, value) == message


def test_no_code_of_the_parser_is_left() -> None:
    """Of all that odd values make each field refuse."""
    found = set()
    odd = [None, 7, 1.5, True, "", "x" * 5000, "\0", [], {}, [{}], {"a": 1}]
    for model, whole in (
        (OrderCreated, ORDER),
        (OrderStatusChanged, ACT),
        (DeadlineExtended, CHANGE),
    ):
        for field in model.model_fields:
            for value in odd:
                body = json.dumps({**whole, field: value}).encode()
                try:
                    model.model_validate_json(body)
                except ValidationError as error:
                    found.add(validation_refusal(error, body, "").message)
    assert len(found) > 20
    codes = {one for one in found if re.search(r": [a-z]+_[a-z_]+(;|$)", one)}
    assert codes == set()
