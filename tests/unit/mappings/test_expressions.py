"""The expressions of a mapping, their functions, and the steps that they may take."""

import contextlib
import itertools
import json
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import RefusalClass
from tests.unit.mappings.shop import (
    NOW,
    ORDER,
    SHOP,
    changed,
    decoder,
    read,
    record,
)
from worker.ingest.decoder import Decoder
from worker.ingest.formats.mapping.expression import (
    DEEPEST,
    FUNCTIONS,
    LONGEST,
    MOST_STEPS,
    Expression,
    NotApplicable,
    Scope,
    TooCostly,
)
from worker.records import Refusal


def found_by(source: str, root: Any) -> Any:
    return Expression(source).find(Scope(root, "2026-11-24T00:00:00+00:00"), root)


def test_functions_of_ours() -> None:
    assert found_by("split(id, '/')[-1]", {"id": "gid://shop/Order/7"}) == "7"
    assert found_by("lower(id)", {"id": "A"}) == "a"
    assert found_by("a[].root().b", {"a": [1], "b": 2}) == [2]
    assert found_by("recorded_at()", {}) == "2026-11-24T00:00:00+00:00"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a[", "no JMESPath"),
        ("lenght(a)", r"no function lenght\(\); did you mean length\(\)"),
        ("length(a, b)", r"length\(\) takes 1 arguments, not 2"),
        ("a" * (LONGEST + 1), f"more than {LONGEST} characters"),
        ("(" * 900 + "a" + ")" * 900, f"nests deeper than {DEEPEST}"),
        ("!" * (DEEPEST + 1) + "a", f"nests deeper than {DEEPEST}"),
    ],
)
def test_expressions_that_are_faults(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Expression(source)


def test_a_function_that_does_not_fit_quotes_nothing() -> None:
    with pytest.raises(NotApplicable) as error:
        found_by("starts_with(a, 'x')", {"a": ["secret"]})
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "source",
    ["a[].root().a[]", "a[?contains(root().a, @)]", "a[].to_string(root())", "a[?root() == root()]",
     "a[].length(root().a)", "a[].root().a[::2]", "a[].[root().a, root().a][]",
     "a[].sort(root().a)", "map(&join('', root().a), a)", "a[].contains(root().long, @)"],
)  # fmt: skip
def test_a_record_cannot_make_lists_in_lists_costly(source: str) -> None:
    hostile = {"a": [str(n) for n in range(20_000)], "long": "x" * 500_000}
    with pytest.raises(TooCostly):
        found_by(source, hostile)


def test_a_costly_record_is_refused_by_name_and_shields_its_order() -> None:
    found = read(ORDER | {"items": [{}] * (MOST_STEPS // 2)})
    message = "order.lines: the record takes too many steps"
    assert found == Refusal(RefusalClass.INVALID, message, ("7",))


@pytest.mark.parametrize("lines", ["&id", "[&id]", "starts_with(id, 'x')"])
def test_what_no_event_can_hold_is_refused_by_name(lines: str) -> None:
    found = read(ORDER, changed(order=SHOP["order"] | {"lines": lines}))
    assert isinstance(found, Refusal)
    assert found.message.endswith(": a function does not fit what it finds")


def test_a_small_record_may_take_few_steps() -> None:
    small = {"a": list(range(100))}
    expression = Expression("a[].root().a[]")
    with pytest.raises(TooCostly):
        expression.find(Scope(small, "", len(json.dumps(small))), small)
    assert len(expression.find(Scope(small, ""), small)) == 10_000


def test_a_record_that_finds_itself_many_times_is_refused() -> None:
    order = SHOP["order"] | {"lines": "items[].root()"}
    found = read(ORDER | {"items": [{}] * 10_000}, changed(order=order))
    assert found.message == "order: the record takes too many steps"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from([*ORDER, "parcels", "ok", "at", "cents", "gift", "after", "op", "payload"]),
        inner, max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@pytest.fixture(scope="module")
def reader() -> Decoder:
    return decoder()


@hypothesis.example(body={"op": "d", "after": None})
@given(body=st.builds(lambda more: ORDER | more if isinstance(more, dict) else more, JSON))
def test_no_record_makes_a_mapping_raise(reader: Decoder, body: Any) -> None:
    found = reader.decode(record(body), NOW)
    assert isinstance(found, Refusal | tuple)
    assert isinstance(reader.facts(record(body)), dict)


def test_no_argument_makes_a_function_raise() -> None:
    odd = ("`null`", "`1`", "`1e308`", "`-1e400`", "''", "'x'", "`[]`", '`[1, "a", null, [2]]`',
           "`{}`", '`{"a": [1]}`', "`true`", "&@", "&a.b", "root()", "@")  # fmt: skip
    for name, spec in FUNCTIONS.items():
        for arguments in itertools.product(odd, repeat=max(len(spec["signature"]), 1)):
            given = arguments if spec["signature"] else ()
            with contextlib.suppress(NotApplicable):
                found_by(f"{name}({', '.join(given)})", {"a": [{"b": "x"}, {"b": 2}, None]})
