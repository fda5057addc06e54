"""Compiled expressions find what the interpreter of the library finds, in as many steps."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jmespath.parser import Parser

from worker.ingest.formats.mapping.compiled import compiled
from worker.ingest.formats.mapping.expression import Expression, NotApplicable, Scope, TooCostly
from worker.ingest.formats.mapping.source import shipped_files

FILES = {
    name: yaml.safe_load(file.read_text(encoding="utf-8")) for name, file in shipped_files().items()
}
RECORDS = [sample["record"] for file in FILES.values() for sample in file["samples"]]
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 0.0, "", "a", [], {}, [[]], [None], [0], [[1], [2, 3], 4],
    {"a": None},
    {"a": {"b": [1, {"c": "x"}]}, "b": 0}, {"a": [{"b": 1}, {"b": 2}, {"c": 3}, 5, None]},
    {"a": "x" * 200, "b": "x" * 200}, {"a": [1, 2], "b": [1, 2]}, {"a": True, "b": 1},
]  # fmt: skip
EXPRESSIONS = [
    "a", "a.b", "a.b[1].c", "a[0]", "a[-1]", "a[7]", "a[-7]", "@", "a.b.c.d", "`1`", "'x'",
    "a == b", "a != b", "a == `null`", "a < b", "a || b", "a && b", "!a", "!(a || b)", "a[*].b",
    "a[].b", "[]", "a[?b == `1`]", "a[?b != `1`].b", "a[?b]", "a[?b > `1`]", "{x: a, y: b}",
    "[a, b]", "a | b", "*", "a.*", "a[0:2]", "a[::-1]", "root()", "root().a", "recorded_at()",
    "length(@)", "lower(a)", "split(a, 'x')", "sort_by(a, &b)", "max_by(a, &b).b",
    "a[?b == root().b] | [0]", "@.a || `null`", "map(&b, a)", "not_null(a, b)",
    "a[].{x: b, y: root().a}", "a[?contains(@, 'b')]", "a[?!b].c", "(a && b) == `true`",
    "a[].b[]", "*.b", "keys(@)",
]  # fmt: skip


def texts(part: Any) -> Iterator[str]:
    """All texts of a file that are expressions; the others do no harm."""
    if isinstance(part, dict):
        for one in part.values():
            yield from texts(one)
    elif isinstance(part, list):
        for one in part:
            yield from texts(one)
    elif isinstance(part, str):
        try:
            Expression(part)
        except ValueError:
            return
        yield part


SHIPPED = sorted({text for file in FILES.values() for name in ("only", "order_id", "order", "acts")
                  for text in texts(file.get(name))})  # fmt: skip


def outcome(how: str, tree: Any, value: Any, limit: int = 100_000) -> tuple[str, str, int]:
    scope = Scope(value, "2025-11-22T15:04:05+00:00")
    scope.limit = limit
    run = compiled(tree) if how == "compiled" else (lambda steps, one: steps.visit(tree, one))
    try:
        found, fault = scope.evaluate(run, value), ""
    except (NotApplicable, TooCostly) as error:
        return "", type(error).__name__, min(scope.steps, limit)
    return json.dumps(found), fault, scope.steps


def test_the_corpus_is_not_empty() -> None:
    assert len(SHIPPED) > 60
    assert len(RECORDS) > 15


@pytest.mark.parametrize("source", sorted({*EXPRESSIONS, *SHIPPED}))
def test_the_same_is_found_in_as_many_steps(source: str) -> None:
    tree = Parser().parse(source).parsed
    for value in [*ODD, *RECORDS]:
        assert outcome("compiled", tree, value) == outcome("interpreted", tree, value), value


@pytest.mark.parametrize(
    "source", ["a[].b", "a[?b == `1`]", "a == b", "a[].{x: b}", "keys(@) == keys(@)"]
)
def test_what_is_too_costly_is_too_costly_either_way(source: str) -> None:
    tree = Parser().parse(source).parsed
    value = {"a": [{"b": "x" * 100}] * 50, "b": ["x"] * 100}
    for limit in (1, 5, 40):
        assert outcome("compiled", tree, value, limit)[1] == "TooCostly"
        assert outcome("interpreted", tree, value, limit)[1] == "TooCostly"
