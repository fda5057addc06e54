"""Turns the tree of a JMESPath expression into functions, once for each mapping.

The interpreter of the library asks each node for its kind, for each record again. The kinds that
mappings use most are functions here, with the same results and the same steps; the interpreter
keeps the others.

A function counts its steps, and only whatever repeats looks whether they are too many: between two
such looks there are no more steps than an expression has nodes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from jmespath.visitor import TreeInterpreter


class Steps(Protocol):
    """The record that an expression is evaluated on, and the steps that it may take."""

    steps: int

    def charge(self, steps: int) -> None:
        """Count steps, and refuse the record if there are too many."""

    def charge_for(self, value: Any) -> None:
        """Count the steps that it takes to look at a value."""

    def call(self, name: str, arguments: list[Any]) -> Any:
        """Call a function, which is charged for what it looks at."""

    def visit(self, node: Any, value: Any) -> Any:
        """Evaluate a node by the interpreter."""


Run = Callable[[Steps, Any], Any]


def compiled(node: Any) -> Run:
    """Return the function of a tree."""
    make = _MAKERS.get(node["type"])
    found = make(node) if make else None
    return found or (lambda steps, value: steps.visit(node, value))


def _parts(node: Any) -> list[Run]:
    return [compiled(child) for child in node["children"]]


def _is_false(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _has_order(value: Any) -> bool:
    """Whether less and more mean something: of numbers, and of texts as in the library."""
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _field(node: Any) -> Run:
    name = node["value"]

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        return value.get(name) if type(value) is dict else None

    return run


def _chain(node: Any) -> Run:
    parts = _parts(node)

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        for part in parts:
            value = part(steps, value)
        return value

    return run


def _itself(_node: Any) -> Run:
    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        return value

    return run


def _literal(node: Any) -> Run:
    literal = node["value"]

    def run(steps: Steps, _value: Any) -> Any:
        steps.steps += 1
        return literal

    return run


def _index(node: Any) -> Run:
    index = node["value"]

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        if isinstance(value, list) and -len(value) <= index < len(value):
            return value[index]
        return None

    return run


def _comparator(node: Any) -> Run:
    left, right = _parts(node)
    compare = TreeInterpreter.COMPARATOR_FUNC[node["value"]]
    by_order = node["value"] not in ("eq", "ne")

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        one, other = left(steps, value), right(steps, value)
        # Lists and objects are compared whole.
        steps.charge_for(one)
        steps.charge_for(other)
        if by_order:
            steps.charge(2)
            if not (_has_order(one) and _has_order(other)):
                return None
        return compare(one, other)

    return run


def _or(node: Any) -> Run:
    left, right = _parts(node)

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        found = left(steps, value)
        return right(steps, value) if _is_false(found) else found

    return run


def _and(node: Any) -> Run:
    left, right = _parts(node)

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        found = left(steps, value)
        return found if _is_false(found) else right(steps, value)

    return run


def _select(node: Any) -> Run:
    parts = [(pair["value"], compiled(pair["children"][0])) for pair in node["children"]]

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        if value is None:
            return None
        found = {}
        for name, part in parts:
            steps.steps += 1  # for the pair
            found[name] = part(steps, value)
        return found

    return run


def _projection(node: Any) -> Run:
    base, part = _parts(node)

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        found = base(steps, value)
        if not isinstance(found, list):
            return None
        results = []
        for each in found:
            steps.charge(0)
            if (one := part(steps, each)) is not None:
                results.append(one)
        return results

    return run


def _filter(node: Any) -> Run:
    base, part, only = _parts(node)

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        found = base(steps, value)
        if not isinstance(found, list):
            return None
        results = []
        for each in found:
            steps.charge(0)
            if not _is_false(only(steps, each)) and (one := part(steps, each)) is not None:
                results.append(one)
        return results

    return run


def _flatten(node: Any) -> Run:
    (base,) = _parts(node)

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        found = base(steps, value)
        if not isinstance(found, list):
            return None
        for one in found:
            # Before it is built: one list may stand in it many times.
            steps.charge(len(one) if isinstance(one, list) else 1)
        merged: list[Any] = []
        for one in found:
            merged += one if isinstance(one, list) else (one,)
        return merged

    return run


def _function(node: Any) -> Run | None:
    name, parts = node["value"], _parts(node)
    if any(child["type"] == "expref" for child in node["children"]):
        return None  # its function wants the interpreter

    def run(steps: Steps, value: Any) -> Any:
        steps.steps += 1
        return steps.call(name, [part(steps, value) for part in parts])

    return run


_MAKERS: Final[Mapping[str, Callable[[Any], Run | None]]] = {
    "field": _field,
    "subexpression": _chain,
    "index_expression": _chain,
    "pipe": _chain,
    "current": _itself,
    "identity": _itself,
    "literal": _literal,
    "index": _index,
    "comparator": _comparator,
    "or_expression": _or,
    "and_expression": _and,
    "multi_select_dict": _select,
    "projection": _projection,
    "filter_projection": _filter,
    "flatten": _flatten,
    "function_expression": _function,
}
